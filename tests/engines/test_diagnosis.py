"""What is wrong with a network's pictures is found by asking the float network, so the demo network is asked."""

import dataclasses

from mnv2_engines.diagnosis import find_causes, surer_contract, worst_layers
from mnv2_engines.facts import LayerFacts
from mnv2_engines.preprocess import Preprocess
from mnv2_engines.verification import verify


def misled(signs, **stated):
    """Return the compiled network as a user would have it who stated something wrong about it."""
    contract = dataclasses.replace(signs.float_preprocess, **stated)
    return dataclasses.replace(signs, float_preprocess=contract, preprocess=contract)


def test_the_right_contract_is_left_alone(signs, signs_pictures) -> None:
    assert surer_contract(signs, signs_pictures, threads=1) is None


def test_swapped_colors_are_found(signs, signs_pictures) -> None:
    swapped = [picture[:, :, ::-1].copy() for picture in signs_pictures]
    better = surer_contract(misled(signs, color="BGR"), swapped, threads=1)
    assert better is not None
    assert better[0].color == "RGB"
    assert better[1] > 0.8


def test_a_wrong_normalisation_is_found(signs, signs_pictures) -> None:
    better = surer_contract(misled(signs, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)), signs_pictures, threads=1)
    assert better is not None
    assert better[0] == Preprocess()


def test_causes_come_with_the_flags_that_mend_them(signs, signs_pictures) -> None:
    swapped = [picture[:, :, ::-1].copy() for picture in signs_pictures[:5]]
    wrong = misled(signs, color="BGR")
    found = verify(wrong, swapped, source="scenes", task=None)
    causes = find_causes(wrong, found, swapped, calibrated_on=12, threads=1)
    assert "--color RGB --mean 127.5,127.5,127.5 --std 127.5,127.5,127.5" in causes[0]
    assert "calibrated on 12 pictures" in causes[1]
    assert "judged by 5 pictures" in causes[2]


def test_the_worst_layers_come_first() -> None:
    levels = [20.0, None, 5.0, 12.0]
    layers = [LayerFacts(name=str(at), operator="CONV_2D", sqnr_db=level) for at, level in enumerate(levels)]
    assert [layer.name for layer in worst_layers(layers, 2)] == ["2", "3"]
