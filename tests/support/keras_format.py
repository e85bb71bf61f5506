"""Write what Keras saves, without Keras: the description of a model, and its weights in both kinds of file."""

import json
import re
import zipfile
from io import BytesIO

import h5py
import numpy as np

ROLES = {"Conv2D": ["kernel"], "DepthwiseConv2D": ["kernel"], "Dense": ["kernel", "bias"]}
ROLES["BatchNormalization"] = ["gamma", "beta", "moving_mean", "moving_variance"]


def layer(class_name, name, weights=(), **config):
    """Describe a layer; `weights` are its arrays in the order of its roles."""
    return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "weights": list(weights)}


def dense(name, kernel, bias, activation="linear"):
    """Describe a dense layer of a kernel (inputs, outputs)."""
    return layer("Dense", name, [kernel, bias], activation=activation, use_bias=True)


def picture(height=32, width=32):
    return layer("InputLayer", "input_1", batch_shape=[None, height, width, 3])


def backbone(network, features):
    """Return keras.applications' layers, holding `features` by torchvision's names."""
    entries = []

    def convolve(class_name, name, norm, conv, relu):
        axes = (2, 3, 0, 1) if class_name == "DepthwiseConv2D" else (2, 3, 1, 0)
        kernel = features[f"{conv.name}.weight"].transpose(axes)
        vectors = [features[f"{conv.norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
        entries.append(layer(class_name, name, [kernel], data_format="channels_last", use_bias=False))
        entries.append(layer("BatchNormalization", norm, vectors, epsilon=0.001, scale=True, center=True))
        if relu:
            entries.append(layer("ReLU", relu, max_value=6.0))

    convolve("Conv2D", "Conv1", "bn_Conv1", network.stem, "Conv1_relu")
    for index, block in enumerate(network.blocks):
        prefix = f"block_{index}_" if index else "expanded_conv_"
        *expand, filter_, project = block.convolutions
        for conv in expand:
            convolve("Conv2D", f"{prefix}expand", f"{prefix}expand_BN", conv, f"{prefix}expand_relu")
        if filter_.stride == 2:
            entries.append(layer("ZeroPadding2D", f"{prefix}pad", padding=[[0, 1], [0, 1]]))
        convolve("DepthwiseConv2D", f"{prefix}depthwise", f"{prefix}depthwise_BN", filter_, f"{prefix}depthwise_relu")
        convolve("Conv2D", f"{prefix}project", f"{prefix}project_BN", project, None)
        if block.shortcut:
            entries.append(layer("Add", f"{prefix}add"))
    convolve("Conv2D", "Conv_1", "Conv_1_bn", network.last, "out_relu")
    return entries


def functional(name, entries, keras=3, **changes):
    """Chain layers into a functional model, linked as Keras 2 or 3 writes it."""
    listed, before = [], None
    for entry in entries:
        if before is None:
            nodes = []
        elif keras == 2:
            nodes = [[[before, 0, 0, entry.get("keywords", {})]]]
        else:
            tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None], "keras_history": [before, 0, 0]}}
            nodes = [{"args": [tensor, *entry.get("arguments", ())], "kwargs": {}}]
        listed.append({**entry, "inbound_nodes": nodes})
        before = entry["name"]
    config = {
        "name": name,
        "layers": listed,
        "input_layers": [[entries[0]["name"], 0, 0]],
        "output_layers": [[before, 0, 0]],
    }
    return {"class_name": "Functional", "name": name, "config": {**config, **changes}}


def sequential(name, entries):
    return {"class_name": "Sequential", "name": name, "config": {"name": name, "layers": entries}}


def save_keras(path, model, *, folder="layers", change=lambda parts: parts):
    """Write a .keras archive; `change` may replace its parts before they are packed."""
    raw = BytesIO()
    with h5py.File(raw, "w") as file:
        _write_layers(file, model, folder)
    parts = {
        "metadata.json": b"{}",
        "config.json": json.dumps(_plain(model)).encode(),
        "model.weights.h5": raw.getvalue(),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(parts).items():
            archive.writestr(name, content)
    return path


def save_h5(path, model, *, keras=3):
    """Write a whole model in HDF5; Keras 2 writes `:0` behind names and its own word for a depthwise kernel."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(_plain(model))
        groups = file.create_group("model_weights")
        for entry in model["config"]["layers"]:
            group = groups.create_group(entry["name"])
            names = []
            for leaf in _leaves(entry):
                for role, array in zip(ROLES.get(leaf["class_name"], ()), leaf["weights"], strict=False):
                    depthwise = keras == 2 and leaf["class_name"] == "DepthwiseConv2D"
                    name = f"{leaf['name']}/{'depthwise_' if depthwise else ''}{role}{':0' if keras == 2 else ''}"
                    group[name] = array
                    names.append(name.encode())
            group.attrs["weight_names"] = names
    return path


def _leaves(entry):
    if "layers" not in entry["config"]:
        return [entry]
    return [leaf for below in entry["config"]["layers"] for leaf in _leaves(below)]


def _write_layers(group, model, folder):
    used = {}
    for entry in model["config"]["layers"]:
        snake = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", entry["class_name"])
        snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", snake).lower()
        count = used[snake] = used.get(snake, -1) + 1
        below = group.create_group(f"{folder}/{snake}_{count}" if count else f"{folder}/{snake}")
        if "layers" in entry["config"]:
            _write_layers(below, entry, folder)
        else:
            for index, array in enumerate(entry["weights"]):
                below[f"vars/{index}"] = array


def _plain(tree):
    """Return the description without the arrays that a layer carries here."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items() if key not in {"weights", "keywords", "arguments"}}
    if isinstance(tree, list):
        return [_plain(value) for value in tree]
    return tree.tolist() if isinstance(tree, np.ndarray) else tree
