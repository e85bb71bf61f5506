"""Keras models of every shape become the network they are, and the head that they have."""

import json
import random

import h5py
import numpy as np
import pytest

from mnv2_engines.errors import ContractError, ModelError
from mnv2_engines.networks import MobileNetV2, NetworkWeights, write_network
from mnv2_engines.networks.head import Affine, Dense, Flatten, GlobalPool, HeadActivation, Pool
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.weights import Expected, read_weights
from support.keras_format import backbone, dense, functional, layer, picture, save_h5, save_keras, sequential
from support.networks import TINY, lively_weights

FEATURES, KERNEL, BIAS = lively_weights()
BODY = backbone(TINY, FEATURES)
POOL = layer("GlobalAveragePooling2D", "pool")
LAST = dense("predictions", KERNEL.T, BIAS, "softmax")
NESTED = functional("mobilenetv2_0.10_32", [picture(), *BODY])
RESCALING = layer("Rescaling", "rescaling", scale=1 / 127.5, offset=-1.0)
BEHIND = [POOL, layer("Dropout", "dropout", rate=0.2), LAST]

SHAPES = {
    "one functional model": functional("model", [picture(), *BODY, *BEHIND]),
    "nested in a functional model": functional("model", [picture(), NESTED, *BEHIND]),
    "nested in a sequential model": sequential("model", [picture(), NESTED, *BEHIND]),
    "head nested too": functional("model", [picture(), NESTED, sequential("head", BEHIND)]),
    "pooling inside": functional("model", [picture(), functional("base", [picture(), *BODY, POOL]), LAST]),
}


@pytest.fixture(scope="module")
def reference():
    head = (GlobalPool(), Dense(KERNEL, BIAS), HeadActivation("softmax"))
    return write_network(TINY, NetworkWeights(FEATURES, head, padding="trailing", epsilon=1e-3))


def read(path, expected=None):
    return read_weights(path, expected or Expected())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("save", [save_keras, save_h5])
def test_every_way_to_put_a_model_together(shape, save, tmp_path, reference):
    found = read(save(tmp_path / "model", SHAPES[shape]))
    assert write_network(found.network, found.weights) == reference


def test_files_of_keras_2(tmp_path, reference):
    body = [layer("ZeroPadding2D", "Conv1_pad", padding=[[0, 1], [0, 1]]), *BODY]
    given = layer("InputLayer", "input_1", batch_input_shape=[None, 32, 32, 3])
    model = functional("model", [given, functional("base", [given, *body], keras=2), *BEHIND], keras=2)
    for path in (
        save_h5(tmp_path / "model.h5", model, keras=2),
        save_keras(tmp_path / "model.keras", model),
        save_keras(tmp_path / "older.keras", model, folder="_layer_checkpoint_dependencies"),
    ):
        found = read(path)
        assert write_network(found.network, found.weights) == reference


def head_of(entries, tmp_path):
    body = [picture(64, 64), NESTED, *entries]
    return read(save_keras(tmp_path / "model.keras", functional("model", body))).weights.head


def test_a_head_with_flatten_batch_norm_and_activations(tmp_path):
    dice = np.random.default_rng(4)
    first, second = dice.normal(size=(1280 * 4, 6)).astype(np.float32), dice.normal(size=(6, 3)).astype(np.float32)
    gamma, beta, mean = dice.normal(size=(3, 6)).astype(np.float32)
    variance = dice.uniform(0.5, 2, 6).astype(np.float32)
    head = head_of(
        [
            layer("Flatten", "flatten"),
            dense("hidden", first, np.ones(6, np.float32)),
            layer("BatchNormalization", "norm", [gamma, beta, mean, variance], epsilon=0.01),
            layer("ReLU", "relu", max_value=None, negative_slope=0.0, threshold=0.0),
            layer("Dropout", "dropout", rate=0.5),
            dense("last", second, np.zeros(3, np.float32), {"class_name": "function", "config": "sigmoid"}),
        ],
        tmp_path,
    )
    flatten, hidden, norm, relu, last, sigmoid = head
    assert (flatten, relu, sigmoid) == (Flatten(), HeadActivation("relu"), HeadActivation("sigmoid"))
    np.testing.assert_array_equal(hidden.kernel, first.T)
    np.testing.assert_array_equal(last.kernel, second.T)
    x = dice.normal(size=6)
    np.testing.assert_allclose(
        x * norm.scale + norm.shift, (x - mean) / np.sqrt(variance + 0.01) * gamma + beta, rtol=1e-5, atol=1e-6
    )
    assert isinstance(norm, Affine)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (layer("GlobalMaxPooling2D", "pool", keepdims=True), GlobalPool("max", keep_map=True)),
        (layer("MaxPooling2D", "pool", pool_size=[2, 2], strides=[1, 1], padding="valid"), Pool("max", (2, 2), (1, 1))),
        (layer("AveragePooling2D", "pool", pool_size=2, strides=None), Pool("average", (2, 2), (2, 2))),
        (layer("LeakyReLU", "act", negative_slope=0.1), HeadActivation("leaky_relu", 0.1)),
        (layer("LeakyReLU", "act", alpha=0.3), HeadActivation("leaky_relu", 0.3)),
        (layer("ELU", "act", alpha=0.5), HeadActivation("elu", 0.5)),
        (layer("ReLU", "act", max_value=6.0), HeadActivation("relu6")),
        (layer("ReLU", "act", negative_slope=0.2), HeadActivation("leaky_relu", 0.2)),
        (layer("HeadActivation", "act", activation="swish"), HeadActivation("silu")),
        (layer("Softmax", "act", axis=-1), HeadActivation("softmax")),
    ],
    ids=lambda value: value["class_name"] if isinstance(value, dict) else str(value),
)
def test_layers_of_a_head(entry, expected, tmp_path):
    assert head_of([entry, POOL, LAST], tmp_path)[0] == expected


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([layer("Lambda", "trick", function="os.system"), POOL, LAST], "'trick' of the head is a Lambda: expected"),
        ([layer("Conv2D", "conv"), POOL, LAST], "'conv' of the head is a Conv2D"),
        ([layer("MaxPooling2D", "pool", pool_size=[2, 2], padding="same"), LAST], "padding 'same'"),
        ([layer("MaxPooling2D", "pool", pool_size=[2]), LAST], "pool_size"),
        ([layer("ReLU", "act", max_value=4.0), POOL, LAST], "options that are not known"),
        ([POOL, dense("last", KERNEL.T, BIAS, "gelu")], "activation 'gelu'"),
        ([POOL, dense("last", KERNEL.T, BIAS[:3])], r"bias of layer 'last' is \[3\]"),
        ([POOL], "no Dense layer behind the features"),
    ],
)
def test_heads_that_are_not_known_are_refused(entries, message, tmp_path):
    with pytest.raises(ModelError, match=message):
        head_of(entries, tmp_path)


def given_by(before, tmp_path, keras=3, expected=None):
    model = functional("model", [*before, NESTED, *BEHIND], keras=keras)
    return read(save_keras(tmp_path / "model.keras", model), expected)


AS_PREPROCESS_INPUT = Preprocess("RGB", (127.5,) * 3, (127.5,) * 3, ResizePolicy("stretch"))


@pytest.mark.parametrize(
    ("before", "keras", "expected"),
    [
        ([picture(), RESCALING], 3, AS_PREPROCESS_INPUT),
        (
            [
                picture(),
                layer("RandomFlip", "flip"),
                layer("TrueDivide", "divide") | {"arguments": [127.5]},
                layer("Subtract", "subtract") | {"arguments": [1.0]},
            ],
            3,
            AS_PREPROCESS_INPUT,
        ),
        (
            [
                picture(),
                layer("TFOpLambda", "divide", function="math.truediv") | {"keywords": {"y": 127.5, "name": None}},
                layer("TFOpLambda", "subtract", function="math.subtract") | {"keywords": {"y": 1.0, "name": None}},
            ],
            2,
            AS_PREPROCESS_INPUT,
        ),
        (
            [picture(), sequential("augment", [layer("RandomFlip", "a"), layer("RandomRotation", "b")]), RESCALING],
            3,
            AS_PREPROCESS_INPUT,
        ),
        (
            [picture(), layer("Rescaling", "rescaling", scale=1 / 255, offset=0.0)],
            3,
            Preprocess("RGB", (0.0,) * 3, (255.0,) * 3, ResizePolicy("stretch")),
        ),
        (
            [
                layer("InputLayer", "i", batch_shape=[None, None, None, 3]),
                layer("Resizing", "resizing", height=32, width=32, crop_to_aspect_ratio=True),
                RESCALING,
            ],
            3,
            Preprocess("RGB", (127.5,) * 3, (127.5,) * 3, ResizePolicy("center-crop")),
        ),
    ],
    ids=["rescaling", "preprocess_input", "preprocess_input 2", "augmentation", "0 to 1", "resizing"],
)
def test_the_preprocess_is_what_the_model_does_first(before, keras, expected, tmp_path):
    found = given_by(before, tmp_path, keras)
    assert found.preprocess == expected
    assert found.network.size_hw == (32, 32)
    assert found.notes == ()


def test_without_rescaling_minus_one_to_one_is_assumed_and_said(tmp_path):
    found = given_by([picture()], tmp_path)
    assert found.preprocess == AS_PREPROCESS_INPUT
    assert "does not rescale" in found.notes[0]


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ([picture(), layer("Normalization", "norm")], "'norm' .Normalization. stands before the network"),
        ([picture(), layer("Rescaling", "r", scale=[1, 2, 3])], "a number was expected"),
        ([picture(), layer("Rescaling", "r", scale=-1.0)], "scales its pictures by -1.0"),
        ([picture(), layer("TrueDivide", "d") | {"arguments": [0]}], "by 0"),
        ([picture(), layer("TrueDivide", "d")], "calculates with is None"),
        ([layer("InputLayer", "i", batch_shape=[None, 3, 32, 32])], "channels last"),
        ([picture(100, 100)], "resolution 100x100 does not fit: expected multiples of 32"),
    ],
)
def test_inputs_that_are_not_known_are_refused(before, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        given_by(before, tmp_path)


def test_a_free_size_is_the_users_and_a_fixed_one_is_not(tmp_path):
    free = layer("InputLayer", "i", batch_shape=[None, None, None, 3])
    path = save_keras(tmp_path / "free.keras", functional("model", [free, *BODY, *BEHIND]))
    assert read(path, Expected(size_hw=(64, 96))).network.size_hw == (64, 96)
    with pytest.raises(ModelError, match="any size: say which with --resolution"):
        read(path)
    with pytest.raises(ModelError, match="pictures of 32x32, not of 64x64"):
        given_by([picture()], tmp_path, expected=Expected(size_hw=(64, 64)))


def test_the_width_is_told_by_the_shapes_and_a_mismatch_is_shown(tmp_path):
    network = MobileNetV2(0.35, (32, 32), 5)
    features, kernel, bias = lively_weights(network)
    entries = [picture(), *backbone(network, features), POOL, dense("last", kernel.T, bias)]
    assert read(save_keras(tmp_path / "a.keras", functional("m", entries))).network == network
    features["features.4.conv.2.weight"] = np.zeros((24, 96, 1, 1), np.float32)
    entries = [picture(), *backbone(network, features), POOL, dense("last", kernel.T, bias)]
    with pytest.raises(ModelError, match=r"width 0\.35, the nearest: features\.4\.conv\.2\.weight is \[24, 96, 1, 1\]"):
        read(save_keras(tmp_path / "b.keras", functional("m", entries)))


def test_models_that_are_no_chain_are_refused(tmp_path):
    model = functional("model", [picture(), NESTED, *BEHIND])
    skipping = model["config"]["layers"][-1]
    skipping["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = ["pool", 0, 0]
    with pytest.raises(ModelError, match="'predictions' does not follow 'dropout' alone"):
        read(save_keras(tmp_path / "skip.keras", model))
    model = functional("model", [picture(), NESTED, *BEHIND], output_layers=[["predictions", 0, 0], ["pool", 0, 0]])
    with pytest.raises(ModelError, match="ends in predictions, pool"):
        read(save_keras(tmp_path / "two.keras", model))
    with pytest.raises(ModelError, match=r"is a Custom: expected keras\.Model"):
        read(save_keras(tmp_path / "custom.keras", {**model, "class_name": "Custom"}))


def test_another_network_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no layers 'Conv1' to 'out_relu'"):
        read(save_keras(tmp_path / "m.keras", functional("m", [picture(), layer("Conv2D", "conv"), *BEHIND])))
    cut = functional("m", [picture(), *BODY[:40], *BEHIND])
    with pytest.raises(ModelError, match="as a whole under the head"):
        read(save_keras(tmp_path / "cut.keras", cut))


def test_weights_without_their_model_say_how_to_save_both(tmp_path):
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.zeros((2, 2))
    with pytest.raises(ModelError, match=r"weights without their model: save the whole model, model\.save"):
        read(path)


@pytest.mark.parametrize("way", ["external link", "external storage", "virtual"])
def test_weights_outside_of_the_file_are_not_read(way, tmp_path):
    """An HDF5 file may point at any other file on the disk."""
    secret = np.zeros((3, 3, 3, 8), np.float32)
    elsewhere, raw = tmp_path / "elsewhere.h5", tmp_path / "raw"
    raw.write_bytes(secret.tobytes())
    with h5py.File(elsewhere, "w") as file:
        file["secret"] = secret
    path = save_h5(tmp_path / "model.h5", SHAPES["one functional model"])
    with h5py.File(path, "r+") as file:
        group = file["model_weights/Conv1/Conv1"]
        del group["kernel"]
        if way == "external link":
            group["kernel"] = h5py.ExternalLink(str(elsewhere), "secret")
        elif way == "external storage":
            group.create_dataset("kernel", secret.shape, np.float32, external=[(str(raw), 0, secret.nbytes)])
        else:
            layout = h5py.VirtualLayout(secret.shape, np.float32)
            layout[...] = h5py.VirtualSource(str(elsewhere), "secret", secret.shape)
            group.create_virtual_dataset("kernel", layout)
    with pytest.raises(ModelError, match=r"lie outside of the file|or they are damaged"):
        read(path)


def test_lacking_weights_are_named(tmp_path):
    path = save_h5(tmp_path / "model.h5", SHAPES["one functional model"])
    with h5py.File(path, "r+") as file:
        del file["model_weights/predictions"]
    with pytest.raises(ModelError, match="lacks the kernel of layer 'predictions'"):
        read(path)

    def without_config(parts):
        return {**parts, "config.json": b"{"}

    with pytest.raises(ModelError, match="description of the model is damaged"):
        read(save_keras(tmp_path / "m.keras", SHAPES["one functional model"], change=without_config))
    for config in ({}, {"class_name": "Functional"}, {"class_name": "Functional", "config": {"layers": [3]}}):
        path = save_keras(
            tmp_path / "m.keras",
            SHAPES["one functional model"],
            change=lambda parts, config=config: {**parts, "config.json": json.dumps(config).encode()},
        )
        with pytest.raises(ModelError):
            read(path)


@pytest.mark.parametrize("save", [save_keras, save_h5])
def test_truncated_files_are_refused(save, tmp_path):
    whole = save(tmp_path / "whole", SHAPES["one functional model"]).read_bytes()
    for share in (0.001, 0.1, 0.5, 0.9, 0.999):
        path = tmp_path / "cut"
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ModelError):
            read(path)


def test_damaged_files_are_read_or_refused(tmp_path):
    """HDF5 keeps its structure in small blocks between the numbers: that is where damage is done here."""
    whole = save_h5(tmp_path / "whole.h5", SHAPES["one functional model"]).read_bytes()
    blocks = [at for at in range(len(whole)) if whole[at : at + 4] in {b"TREE", b"SNOD", b"HEAP"}]
    path = tmp_path / "damaged.h5"
    refused = 0
    for seed in range(60):
        dice = random.Random(seed)
        damaged = bytearray(whole)
        for _ in range(4):
            damaged[min(dice.choice(blocks) + dice.randrange(200), len(whole) - 1)] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            read(path)
        except (ModelError, ContractError):
            refused += 1
    assert 0 < refused < 60
