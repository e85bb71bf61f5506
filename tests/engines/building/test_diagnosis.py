"""What is wrong with a network's pictures is found by asking the float network, so the demo network is asked."""

import dataclasses

import numpy as np

from mnv2_engines.building.diagnosis import (
    _judge,
    better_preprocess,
    explain_doubt,
    find_causes,
    is_doubtful,
    worst_layers,
)
from mnv2_engines.building.verification import verify
from mnv2_engines.engine.facts import LayerFacts
from mnv2_engines.preprocessing.preprocess import Preprocess


def misled(signs, **stated):
    """Return the compiled network as a user would have it who stated something wrong about it."""
    contract = dataclasses.replace(signs.float_preprocess, **stated)
    return dataclasses.replace(signs, float_preprocess=contract, preprocess=contract)


def test_the_right_contract_is_left_alone(signs, signs_pictures) -> None:
    assert better_preprocess(signs, signs_pictures, threads=1) is None


def test_swapped_colors_are_found(signs, signs_pictures) -> None:
    swapped = [picture[:, :, ::-1].copy() for picture in signs_pictures]
    better = better_preprocess(misled(signs, color="BGR"), swapped, threads=1)
    assert better is not None
    assert better[0].color == "RGB"
    assert better[1] > 0.8


def test_a_wrong_normalisation_is_found(signs, signs_pictures) -> None:
    better = better_preprocess(
        misled(signs, mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0)), signs_pictures, threads=1
    )
    assert better is not None
    assert better[0] == Preprocess()


def test_a_network_that_is_sure_of_one_class_whatever_it_sees_does_not_count_as_sure() -> None:
    always_the_same = _judge(np.tile(np.float32([[0.97, 0.02, 0.01]]), (16, 1)))
    telling_apart = _judge(np.float32([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.3, 0.2, 0.5]] * 5))
    assert always_the_same.sureness > telling_apart.sureness
    assert always_the_same.score < 0.01 < telling_apart.score


def test_nothing_is_said_about_the_contract_from_few_pictures(signs, signs_pictures) -> None:
    swapped = [picture[:, :, ::-1].copy() for picture in signs_pictures[:16]]
    wrong = misled(signs, color="BGR")
    found = verify(wrong, swapped, source="scenes", task=None)
    assert explain_doubt(wrong, found, swapped, threads=1) is not None
    assert explain_doubt(wrong, found, swapped[:15], threads=1) is None


def test_one_class_for_all_pictures_is_doubtful_however_sure(signs, signs_pictures) -> None:
    found = verify(signs, signs_pictures, source="scenes", task=None)
    assert not is_doubtful(found)
    alike = tuple(dataclasses.replace(verdict, float_class=3) for verdict in found.pictures)
    assert is_doubtful(dataclasses.replace(found, pictures=alike))
    assert not is_doubtful(dataclasses.replace(found, pictures=alike[:15]))


def test_causes_come_with_the_flags_that_mend_them(signs, signs_pictures) -> None:
    swapped = [picture[:, :, ::-1].copy() for picture in signs_pictures[:16]]
    wrong = misled(signs, color="BGR")
    found = verify(wrong, swapped, source="scenes", task=None)
    causes = find_causes(wrong, found, swapped, calibrated_on=12, threads=1)
    assert "--color RGB --mean 127.5,127.5,127.5 --std 127.5,127.5,127.5" in causes[0]
    assert "calibrated on 12 pictures" in causes[1]
    few = find_causes(wrong, found, swapped[:5], calibrated_on=50, threads=1)
    assert len(few) == 1
    assert few[0].startswith("judged by 5 pictures: one that differs weighs 20 %")


def test_the_worst_layers_come_first() -> None:
    levels = [20.0, None, 5.0, 12.0]
    layers = [LayerFacts(name=str(at), operator="CONV_2D", sqnr_db=level) for at, level in enumerate(levels)]
    assert [layer.name for layer in worst_layers(layers, 2)] == ["2", "3"]
