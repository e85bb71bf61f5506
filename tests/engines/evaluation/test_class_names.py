"""Folders are matched with labels in every way that data sets come, and never by a guess that could be wrong."""

import re

import pytest

from mnv2_engines.errors import LabelsError
from mnv2_engines.evaluation.class_names import match_classes

IMAGENET = (
    "tench, Tinca tinca",
    "Egyptian cat",
    "crane",
    "crane, machine",
    "hotdog, hot dog, red hot",
    "jack-o'-lantern",
)


def match(folders, labels, classes=None):
    return match_classes(folders, labels, len(labels) if classes is None else classes)


@pytest.mark.parametrize(
    ("folder", "class_id"),
    [
        ("Egyptian cat", 1),
        ("egyptian_cat", 1),
        ("EGYPTIAN-CAT", 1),
        ("tench, Tinca tinca", 0),
        ("tench", 0),
        ("tinca_tinca", 0),
        ("hot_dog", 4),
        ("crane", 2),  # the whole label of one class, a part of another's
        ("Crane", 2),
        ("machine", 3),
        ("jack_o'_lantern", 5),
    ],
)
def test_names(folder, class_id):
    assert match([folder], IMAGENET) == {folder: class_id}


def test_case_tells_classes_apart_where_it_has_to():
    assert match(["a", "A"], ("A", "a")) == {"a": 1, "A": 0}


def test_accents_that_a_mac_took_apart():
    assert match(["e\N{COMBINING ACUTE ACCENT}cureuil"], ("chat", "\N{LATIN SMALL LETTER E WITH ACUTE}cureuil"))


@pytest.mark.parametrize("folder", ["3", "0003", "000000003"])
def test_numbers_are_places_in_the_output(folder):
    assert match([folder, "0001"], IMAGENET) == {folder: 3, "0001": 1}


def test_labels_that_are_numbers_win():
    assert match(["10", "20"], ("20", "10")) == {"10": 1, "20": 0}


def test_one_number_among_names_is_no_place():
    with pytest.raises(LabelsError, match=r"1 of 2 folders are not classes of the network: '3'"):
        match(["tench", "3"], IMAGENET)


def test_numbers_beyond_the_classes():
    with pytest.raises(
        LabelsError, match=r"folder 3 is beyond the network's 3 classes.*0 to 2\. Do they count from 1\?"
    ):
        match(["1", "2", "3"], ("a", "b", "c"))


def test_wordnet_ids_in_the_labels():
    labels = ("n01440764 tench, Tinca tinca", "n02124075 Egyptian cat")
    assert match(["n02124075"], labels) == {"n02124075": 1}
    assert match(["tench"], labels) == {"tench": 0}
    assert match(["egyptian_cat"], labels) == {"egyptian_cat": 1}


def test_wordnet_ids_alone_count_in_their_order_when_all_are_there():
    folders = ["n02124075", "n01440764"]
    assert match(folders, ("tench", "Egyptian cat")) == {"n01440764": 0, "n02124075": 1}
    assert match(folders, ("background", "tench", "Egyptian cat")) == {"n01440764": 1, "n02124075": 2}
    with pytest.raises(LabelsError, match="2 of 2 folders are not classes"):
        match(folders, ("tench", "Egyptian cat", "crane"))


def test_without_labels_the_alphabet_counts_when_all_are_there():
    assert match_classes(["dog", "Cat", "ant"], None, 3) == {"Cat": 0, "ant": 1, "dog": 2}  # as Python sorts
    with pytest.raises(LabelsError, match=r"3 folders for 4 classes, and the engine has no labels.*--labels FILE"):
        match_classes(["dog", "cat", "ant"], None, 4)


def test_a_wrong_name_is_told_with_the_nearest():
    with pytest.raises(LabelsError, match=r"'egiptian_cat' \(did you mean 'Egyptian cat'\?\).*--labels FILE"):
        match(["egiptian_cat", "tench"], IMAGENET)


def test_many_wrong_names_are_a_line():
    with pytest.raises(LabelsError) as caught:
        match([f"zzz{number}" for number in range(50)], IMAGENET)
    assert "50 of 50 folders" in str(caught.value)
    assert "and 47 more" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_several_classes_have():
    with pytest.raises(LabelsError, match=re.escape("folder 'maillot' could be class 0 (maillot, tank suit), 1")):
        match(["maillot"], ("maillot, tank suit", "maillot, swimsuit"))


def test_two_folders_of_one_class():
    with pytest.raises(LabelsError, match=r"'tench' and 'tinca_tinca' are both class 0 \(tench, Tinca tinca\)"):
        match(["tench", "tinca_tinca"], IMAGENET)
