"""Written files run, have the shapes they should, and compute what their layers say."""

import numpy as np
import onnx
import onnxruntime
import pytest

from mnv2_engines.errors import ModelError
from mnv2_engines.inspection import find_family_member, inspect_model
from mnv2_engines.networks import MobileNetV2, NetworkWeights, initial_weights, write_network
from mnv2_engines.networks.counting import count_macs, count_parameters
from mnv2_engines.networks.head import Affine, Dense, Flatten, GlobalPool, HeadActivation, Pool


def run(file, image):
    return onnxruntime.InferenceSession(file).run(None, {"input": image})[0]


def picture(size_hw, seed=1):
    return np.random.default_rng(seed).uniform(-1, 1, (1, 3, *size_hw)).astype(np.float32)


def with_head(network, *head):
    weights = initial_weights(network)
    return write_network(network, NetworkWeights(weights.features, head))


@pytest.mark.parametrize(
    "network",
    [
        MobileNetV2(0.35, (96, 96), 12),
        MobileNetV2(0.1, (32, 64), 1),
        MobileNetV2(0.5, (64, 64), 7, head="scaled"),
        MobileNetV2(1.3, (32, 32), 1001),
    ],
    ids=str,
)
def test_any_member_of_the_family_can_be_written_and_recognised(network, tmp_path):
    file = write_network(network, initial_weights(network))
    assert run(file, picture(network.size_hw)).shape == (1, network.classes)
    path = tmp_path / "n.onnx"
    path.write_bytes(file)
    inspection = inspect_model(path)
    family = find_family_member(inspection)
    assert family.network == network
    assert inspection.macs == count_macs(network)
    assert inspection.parameters == count_parameters(network, batch_norm=True)
    assert family.parameters_m == round(count_parameters(network) / 1e6, 2)


def test_the_file_needs_no_newer_onnx_than_it_must():
    model = onnx.load_from_string(
        with_head(MobileNetV2(0.1, (32, 32), 16), GlobalPool(), Dense(np.eye(16, 1280), None))
    )
    assert model.ir_version == 8
    assert [entry.version for entry in model.opset_import] == [17]


def test_padding_is_the_frameworks():
    """Shifting what is padded must change the result: the two conventions are different networks."""
    network = MobileNetV2(0.1, (32, 32), 4)
    ours = initial_weights(network)
    tensorflow = NetworkWeights(ours.features, ours.head, padding="trailing")
    image = picture((32, 32))
    assert not np.allclose(run(write_network(network, ours), image), run(write_network(network, tensorflow), image))


def features_of(network, image):
    """Return the feature map (channels, height, width), read through a head that flattens it."""
    height, width = network.last.output_hw
    channels = network.feature_channels
    count = height * width * channels
    flat = run(with_head(MobileNetV2(network.width, network.size_hw, count), Flatten()), image)
    return flat.reshape(height, width, channels).transpose(2, 0, 1)


def test_heads_compute_what_they_say():
    network = MobileNetV2(0.1, (64, 64), 3)
    image = picture((64, 64))
    features = features_of(network, image)
    random = np.random.default_rng(5)
    kernel = random.normal(size=(3, 1280)).astype(np.float32)
    bias = random.normal(size=3).astype(np.float32)
    scale, shift = random.normal(size=(2, 1280)).astype(np.float32)

    logits = kernel @ features.mean((1, 2)) + bias
    found = run(with_head(network, GlobalPool(), Dense(kernel, bias), HeadActivation("softmax")), image)
    np.testing.assert_allclose(found[0], np.exp(logits) / np.exp(logits).sum(), rtol=1e-4)

    largest = np.maximum(features.max((1, 2)) * scale + shift, 0.0)
    head = (
        GlobalPool("max", keep_map=True),
        Affine(scale, shift),
        HeadActivation("relu"),
        Flatten(),
        Dense(kernel, None),
    )
    np.testing.assert_allclose(run(with_head(network, *head), image)[0], kernel @ largest, rtol=1e-3, atol=1e-4)


def test_a_flattened_map_is_in_the_order_height_width_channels():
    network = MobileNetV2(0.1, (64, 96), 2)
    image = picture((64, 96))
    features = features_of(network, image)
    assert features.shape == (1280, 2, 3)
    kernel = np.random.default_rng(6).normal(size=(2, features.size)).astype(np.float32)
    found = run(with_head(network, Flatten(), Dense(kernel, None)), image)[0]
    np.testing.assert_allclose(found, kernel @ features.transpose(1, 2, 0).ravel(), rtol=1e-3, atol=1e-4)
    assert not np.allclose(found, kernel @ features.ravel(), rtol=1e-2)


def test_pooling_windows(tmp_path):
    network = MobileNetV2(0.1, (96, 96), 1280)
    image = picture((96, 96))
    features = features_of(network, image)
    head = (Pool("max", (2, 2), (1, 1)), GlobalPool("average"))
    windows = np.lib.stride_tricks.sliding_window_view(features, (2, 2), (1, 2)).max((3, 4))
    np.testing.assert_allclose(run(with_head(network, *head), image)[0], windows.mean((1, 2)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        (HeadActivation("relu6"), lambda x: np.clip(x, 0, 6)),
        (HeadActivation("leaky_relu", 0.2), lambda x: np.where(x < 0, 0.2 * x, x)),
        (HeadActivation("elu", 0.5), lambda x: np.where(x < 0, 0.5 * np.expm1(x), x)),
        (HeadActivation("silu"), lambda x: x / (1 + np.exp(-x))),
        (HeadActivation("sigmoid"), lambda x: 1 / (1 + np.exp(-x))),
        (HeadActivation("tanh"), np.tanh),
        (HeadActivation("softplus"), lambda x: np.log1p(np.exp(x))),
        (HeadActivation("softsign"), lambda x: x / (1 + abs(x))),
        (HeadActivation("selu"), lambda x: 1.0507009873554805 * np.where(x < 0, 1.6732632423543772 * np.expm1(x), x)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_activations(activation, function):
    network = MobileNetV2(0.1, (32, 32), 40)
    kernel = np.random.default_rng(2).normal(size=(40, 1280)).astype(np.float32)
    image = picture((32, 32))
    plain = run(with_head(network, GlobalPool(), Dense(kernel, None)), image)
    assert plain.min() < 0 < plain.max()
    activated = run(with_head(network, GlobalPool(), Dense(kernel, None), activation), image)
    np.testing.assert_allclose(activated, function(plain), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ((Dense(np.zeros((2, 1280), np.float32), None),), "is given .*: pool or flatten before"),
        ((GlobalPool(), GlobalPool()), "a feature map was expected"),
        ((GlobalPool(keep_map=True),), "ends in a map"),
        ((GlobalPool(), Dense(np.zeros((5, 1280), np.float32), None)), "ends in 5 numbers.* 2 classes"),
        ((Pool("max", (2, 2), (2, 2)), GlobalPool()), "pools windows of"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(head, message):
    with pytest.raises(ModelError, match=message):
        with_head(MobileNetV2(0.1, (32, 32), 2), *head)


def test_a_missing_weight_is_named():
    network = MobileNetV2(0.1, (32, 32), 2)
    weights = initial_weights(network)
    features = {name: array for name, array in weights.features.items() if name != "features.3.conv.2.weight"}
    with pytest.raises(ModelError, match=r"features\.3\.conv\.2\.weight is missing: expected \[8, 48, 1, 1\]"):
        write_network(network, NetworkWeights(features, weights.head))
