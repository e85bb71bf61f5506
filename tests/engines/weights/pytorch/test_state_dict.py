"""State dicts of every naming become the same network; what is none is told apart, layer by layer."""

import re

import numpy as np
import pytest

from mnv2_engines.errors import ModelError
from mnv2_engines.networks import MobileNetV2, NetworkWeights, classifier_head, write_network
from mnv2_engines.preprocessing.preprocess import ResizePolicy
from mnv2_engines.weights import Expected
from mnv2_engines.weights.imported import StoredTensor
from mnv2_engines.weights.pytorch.state_dict import network_from_state_dict
from support.networks import TINY, lively_weights, state_dict

HERE = Expected(size_hw=(32, 32))


def stored(arrays):
    return {
        name: StoredTensor(array.shape, lambda array=array: np.asarray(array, np.float32))
        for name, array in arrays.items()
    }


def imported(arrays, expected=HERE):
    return network_from_state_dict(stored(arrays), expected)


def file_of(found):
    return write_network(found.network, found.weights)


@pytest.fixture(scope="module")
def reference():
    features, kernel, bias = lively_weights()
    return write_network(TINY, NetworkWeights(features, classifier_head(kernel, bias)))


def flat(name):
    """Number the layers of a block through, as the first ports did."""
    match = re.fullmatch(r"features\.(\d+)\.conv\.([\d.]+)\.(\w+)", name)
    if match is None:
        return name
    block, place, part = match.groups()
    order = ["0.0", "0.1", "-", "1", "2"] if block == "1" else ["0.0", "0.1", "-", "1.0", "1.1", "-", "2", "3"]
    return f"features.{block}.conv.{order.index(place)}.{part}"


def test_torchvisions_names(reference):
    found = imported(state_dict())
    assert file_of(found) == reference
    assert found.preprocess.mean == pytest.approx((0.485 * 255, 0.456 * 255, 0.406 * 255))
    assert found.preprocess.std == pytest.approx((0.229 * 255, 0.224 * 255, 0.225 * 255))
    assert found.preprocess.resize == ResizePolicy("center-crop", 224 / 256)
    assert found.notes == ()


def rename_last(name):
    return name.replace("features.18.", "conv.").replace("classifier.1.", "classifier.")


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"module.{name}",
        lambda name: f"model.backbone.{name}",
        lambda name: name.replace("classifier.1.", "classifier."),
        lambda name: name.replace("classifier.1.", "fc."),
        flat,
        lambda name: rename_last(flat(name)),
        lambda name: f"module.{rename_last(name)}",
    ],
    ids=["data parallel", "wrapped", "classifier", "fc", "flat", "flat, conv", "module, conv"],
)
def test_other_names_for_the_same(rename, reference):
    assert file_of(imported({rename(name): array for name, array in state_dict().items()})) == reference


def test_order_does_not_matter(reference):
    assert file_of(imported(dict(reversed(state_dict().items())))) == reference


@pytest.mark.parametrize("width", [0.35, 0.5, 1.4])
def test_width_and_head_rule_follow_from_the_shapes(width):
    for head in ("official", "scaled"):
        network = MobileNetV2(width, (32, 32), 3, head if width < 1 else "official")
        assert imported(state_dict(network)).network == network


def test_a_classifier_without_bias(reference):
    arrays = state_dict()
    del arrays["classifier.1.bias"]
    np.testing.assert_array_equal(imported(arrays).weights.head[1].bias, np.zeros(5))


def test_the_resolution_is_assumed_and_said():
    found = imported(state_dict(), Expected())
    assert found.network.size_hw == (224, 224)
    assert "224x224 is taken" in found.notes[0]


def test_a_checkpoint_of_two_networks_needs_a_choice(reference):
    other = state_dict(seed=8)
    both = {f"model.{name}": array for name, array in other.items()}
    both |= {f"ema.module.{name}": array for name, array in state_dict().items()}
    with pytest.raises(ModelError, match=r"2 networks are there: choose one with --part, of model, ema\.module"):
        imported(both)
    assert file_of(imported(both, Expected(size_hw=(32, 32), part="ema.module"))) == reference
    with pytest.raises(ModelError, match="no MobileNetV2 in part 'teacher' is there"):
        imported(both, Expected(part="teacher"))


def test_the_first_differing_layers_are_listed():
    arrays = state_dict(MobileNetV2(0.75, (32, 32), 3))
    arrays["features.4.conv.2.weight"] = np.zeros((40, 144, 1, 1), np.float32)
    del arrays["features.9.conv.1.0.weight"]
    arrays["features.9.se.fc.weight"] = np.zeros((8, 8), np.float32)
    with pytest.raises(ModelError) as caught:
        imported(arrays)
    assert str(caught.value) == (
        "this is not a MobileNetV2 of width 0.75, the nearest: "
        "features.4.conv.2.weight is [40, 144, 1, 1], expected [24, 144, 1, 1]; "
        "features.9.conv.1.0.weight is missing, expected [288, 1, 3, 3]; "
        "features.9.se.fc.weight does not belong to it"
    )


def test_a_wrong_width_says_the_right_one():
    with pytest.raises(
        ModelError, match=r"not a MobileNetV2 of width 1\.0: features\.0\.0\.weight .* leave --width out.*0\.1"
    ):
        imported(state_dict(), Expected(width=1.0))


def test_a_stated_width_of_the_same_shapes_is_taken():
    assert (
        imported(state_dict(MobileNetV2(0.35, (32, 32), 5)), Expected(width=0.351, size_hw=(32, 32))).network.width
        == 0.351
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classifier.3.weight": np.zeros((2, 5), np.float32)}, "one dense layer was expected"),
        ({"classifier.1.weight": np.zeros((5, 640), np.float32)}, r"expected \[5, 1280\]"),
        ({"classifier.1.bias": np.zeros(4, np.float32)}, "classifier.weight is"),
        (
            {"features.0.0.weight": np.full((8, 3, 3, 3), np.nan, np.float32)},
            "features.0.0.weight holds numbers that are not",
        ),
        ({"classifier.1.bias": np.full(5, np.inf, np.float32)}, "classifier.bias holds numbers"),
        ({"features.0.1.running_var": np.full(8, -1, np.float32)}, "negative variance"),
    ],
)
def test_what_cannot_be_a_trained_network_is_refused(change, message):
    with pytest.raises(ModelError, match=message):
        imported({**state_dict(), **change})


def test_another_class_count_than_stated_is_refused():
    with pytest.raises(ModelError, match="has 5 classes, and --classes 10"):
        imported(state_dict(), Expected(classes=10))
    assert imported(state_dict(), Expected(size_hw=(32, 32), classes=5)).network.classes == 5


def test_a_state_dict_of_something_else_shows_what_it_has():
    with pytest.raises(ModelError, match=r"expected a tensor features\.0\.0\.weight.*found layer1\.0, \.\.\."):
        imported({"layer1.0": np.zeros(3, np.float32)})
