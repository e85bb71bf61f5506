"""Every label format, and what is said about those that are broken."""

import io
import json
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnv2_engines.errors import LabelsError
from mnv2_engines.labels import check_label_count, embedded_labels, read_labels

FLATBUFFER = b"\x1c\0\0\0TFL3" + bytes(4000)


@pytest.fixture
def write(tmp_path):
    def write(content, name="labels.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def zipped(members, *, before=b"", compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    buffer.write(before)
    with zipfile.ZipFile(buffer, "a", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.txt", "cat\ndog\nEgyptian cat\n"),
        ("no-end.txt", "cat\ndog\nEgyptian cat"),
        ("blank-end.txt", "cat\ndog\nEgyptian cat\n\n \n"),
        ("crlf.txt", "cat\r\ndog\r\nEgyptian cat\r\n"),
        ("bom.txt", b"\xef\xbb\xbfcat\ndog\nEgyptian cat\n"),
        ("teachable.txt", "0 cat\n1 dog\n2 Egyptian cat\n"),
        ("coral.txt", "0  cat\n1  dog\n2  Egyptian cat\n"),
        ("colon.txt", "0: cat\n1:dog\n2 : Egyptian cat\n"),
        ("unordered.txt", "2: Egyptian cat\n0: cat\n1: dog\n"),
        ("name-first.txt", "cat: 0\ndog: 1\nEgyptian cat: 2\n"),
        ("comma.txt", "0,cat\n1,dog\n2,Egyptian cat\n"),
        ("tab.txt", "0\tcat\n1\tdog\n2\tEgyptian cat\n"),
        ("id-name.csv", "id,name\n0,cat\n1,dog\n2,Egyptian cat\n"),
        ("name-id.csv", "Name;ID\ncat;0\ndog;1\nEgyptian cat;2\n"),
        ("bare.csv", "0,cat\n1,dog\n2,Egyptian cat\n"),
        ("bare-name-id.csv", 'cat,0\n"dog",1\nEgyptian cat,2\n'),
        ("one-column.csv", "label\ncat\ndog\nEgyptian cat\n"),
        ("three-columns.csv", "class_id,colour,class_name\n0,red,cat\n1,blue,dog\n2,sand,Egyptian cat\n"),
        ("names.tsv", "id\tname\n0\tcat\n1\tdog\n2\tEgyptian cat\n"),
        ("list.json", '["cat", "dog", "Egyptian cat"]'),
        ("list-named.txt", ' ["cat", "dog", "Egyptian cat"]'),
        ("id-name.json", '{"0": "cat", "2": "Egyptian cat", "1": "dog"}'),
        ("name-id.json", '{"cat": 0, "dog": 1, "Egyptian cat": 2}'),
        ("keras.json", '{"0": ["n1", "cat"], "1": ["n2", "dog"], "2": ["n3", "Egyptian cat"]}'),
        ("config.json", '{"model": "x", "id2label": {"0": "cat", "1": "dog", "2": "Egyptian cat"}}'),
    ],
)
def test_every_format_gives_the_same_labels(write, name, content):
    assert read_labels(write(content, name)) == ("cat", "dog", "Egyptian cat")


def test_names_that_look_like_numbers(write):
    assert read_labels(write("7\n3\n5\n")) == ("7", "3", "5")
    assert read_labels(write('{"0": "7", "1": "3"}', "l.json")) == ("7", "3")
    assert read_labels(write("tench, Tinca tinca\n3D printer\nBoeing 737\n")) == (
        "tench, Tinca tinca",
        "3D printer",
        "Boeing 737",
    )


def test_a_csv_name_may_hold_a_comma(write):
    assert read_labels(write('id,name\n1,"tench, Tinca tinca"\n0,cat\n', "l.csv")) == ("cat", "tench, Tinca tinca")


def test_two_classes_may_have_one_name(write):
    assert read_labels(write("crane\nowl\ncrane\n")) == ("crane", "owl", "crane")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gap.txt", "0 cat\n1 dog\n4 owl\n", r"3 labels with ids 0 to 4, without 2, 3: .*JSON list"),
        ("from-one.txt", "1 cat\n2 dog\n3 owl\n", r"ids 1 to 3, without 0: .*background"),
        ("many.txt", "0 cat\n900000000 dog\n", r"without 1, 2, 3, 4, 5, \.\.\.: "),
        ("twice.txt", "0 cat\n1 dog\n1 owl\n", r"id 1 is given twice, to 'dog' and 'owl'"),
        ("coins.txt", "1 euro\n2 euro\n1 cent\n", r"id 1 is given twice.*JSON list"),
        ("mixed.txt", "0 cat\n1 dog\nowl\n", r"line 3, 'owl', has no id while 2 lines have one"),
        ("hole.txt", "cat\n\nowl\n", r"line 2 is empty"),
        ("empty.txt", "", r"holds no label"),
        ("blank.txt", "\n \n", r"holds no label"),
        ("latin.txt", b"cat\ngrundel\xfc\n", r"not UTF-8 text \(byte 11 is 0xfc\)"),
        ("wide.txt", "cat\n".encode("utf-16"), r"UTF-16: save it as UTF-8"),
        ("escape.txt", "cat\n\x1b[2Jdog\n", r"class 1, '\\x1b\[2Jdog', holds a control character"),
        ("broken.json", '["cat", ', r"not valid JSON"),
        ("deep.json", "[" * 100_000, r"not valid JSON"),
        ("scalar.json", "3", r"holds 3: expected a list"),
        ("odd.json", '{"0": "cat", "x": "dog"}', r"'x' is not an id"),
        ("nested.json", '[{"a": 1}]', r"is not a name"),
        ("negative.json", '{"cat": -1, "dog": 0}', r"id -1 is negative"),
        ("digits.json", '{"a": ' + "9" * 5000 + "}", r"not valid JSON|without"),
        ("hollow.json", '["cat", ""]', r"class 1 has an empty name"),
        ("ragged.csv", "id,name\n0,cat\n1,dog, hot\n", r"record 3 has 3 columns.*double quotes"),
        ("quote.csv", 'id,name\n0,"cat\n', r"not valid CSV"),
        ("which.csv", "red,cat\nblue,dog\n", r"which column holds the names"),
        ("letters.csv", "id,name\n0,cat\nb,dog\n", r"'b' in the column of ids is not a number"),
    ],
)
def test_what_is_said_about_a_broken_file(write, name, content, said):
    path = write(content, name)
    with pytest.raises(LabelsError, match=said) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_too_large(tmp_path, write):
    with pytest.raises(LabelsError, match="not there"):
        read_labels(tmp_path / "none.txt")
    with pytest.raises(LabelsError, match="cannot be read"):
        read_labels(tmp_path)
    with pytest.raises(LabelsError, match="larger than 4 MiB"):
        read_labels(write(b"cat\n" * (1 << 20) + b"x"))


def test_labels_packed_into_a_tflite_file(write):
    path = write(zipped({"labelmap.txt": "cat\ndog\n"}, before=FLATBUFFER), "net.tflite")
    assert read_labels(path) == embedded_labels(path) == ("cat", "dog")


def test_a_tflite_file_without_labels(write):
    path = write(FLATBUFFER, "net.tflite")
    assert embedded_labels(path) is None
    with pytest.raises(LabelsError, match="no label file packed into it: give one with `--labels FILE`"):
        read_labels(path)


def test_a_teachable_machine_export(write):
    members = {"labels.txt": "0 Class 1\n1 Background\n", "model.tflite": FLATBUFFER}
    assert read_labels(write(zipped(members), "model.zip")) == ("Class 1", "Background")


def test_one_text_file_of_any_name_is_the_label_file(write):
    assert read_labels(write(zipped({"dict.txt": "a\nb\n", "net.bin": b"x"}), "model.zip")) == ("a", "b")


def test_several_label_files_are_not_chosen_from(write):
    with pytest.raises(LabelsError, match="several label files"):
        read_labels(write(zipped({"labels_en.txt": "a\n", "labels_de.txt": "b\n"}), "m.zip"))


def test_a_zip_bomb_is_not_unpacked(write):
    path = write(zipped({"labels.txt": b"a\n" * (200 << 19)}), "bomb.zip")
    assert path.stat().st_size < 1 << 20
    with pytest.raises(LabelsError, match="unpacks to more than 4 MiB"):
        read_labels(path)


def test_a_list_of_a_million_members_is_not_read(write):
    raw = bytearray(zipped({"labels.txt": "a\n"}))
    at = raw.rindex(b"PK\5\6")
    raw[at + 12 : at + 16] = struct.pack("<I", 50 << 20)
    with pytest.raises(LabelsError, match="list of files packed into it has 52428800 bytes"):
        read_labels(write(bytes(raw), "m.zip"))


def test_an_encrypted_or_damaged_archive(write):
    raw = bytearray(zipped({"labels.txt": "cat\ndog\n"}, compression=zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        raw[raw.index(signature) + offset] |= 1  # the flag "encrypted"
    with pytest.raises(LabelsError, match="cannot be read"):
        read_labels(write(bytes(raw), "locked.zip"))
    raw = bytearray(zipped({"labels.txt": "cat\ndog\n"}, compression=zipfile.ZIP_STORED))
    raw[raw.index(b"cat")] ^= 0xFF
    with pytest.raises(LabelsError, match="cannot be read"):
        read_labels(write(bytes(raw), "rotten.zip"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_mutation_brings_anything_but_labels_or_a_labels_error(write, data):
    whole = bytearray(
        data.draw(
            st.sampled_from(
                [
                    zipped({"labels.txt": "cat\ndog\n", "m.tflite": bytes(64)}, before=b"\0\0\0\0TFL3"),
                    b"id,name\n0,cat\n1,dog\n",
                    json.dumps({"0": "cat", "1": "dog"}).encode(),
                    b"0 cat\n1 dog\n2 owl\n",
                ]
            )
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    suffix = data.draw(st.sampled_from([".txt", ".csv", ".json", ".zip", ".tflite"]))
    try:
        labels = read_labels(write(bytes(whole), f"mutant{suffix}"))
    except LabelsError:
        return
    assert labels
    assert all(label and isinstance(label, str) for label in labels)


def test_the_right_number_of_labels_is_accepted():
    check_label_count(("a", "b"), 2, "labels.txt")


@pytest.mark.parametrize(
    ("labels", "classes", "cause"),
    [
        (("background", "cat", "dog"), 2, "begin with a background class that the network does not have"),
        (("name", "cat", "dog"), 2, "is the first, 'name', a heading"),
        (("cat", "dog"), 3, "put a line `background` before the first label"),
        (("background", "cat"), 3, "expected the label file that belongs to this network"),
        (("cat", "dog"), 90, "expected the label file that belongs to this network"),
        ((), 2, "expected the label file that belongs to this network"),
    ],
)
def test_a_wrong_number_of_labels_is_explained(labels, classes, cause):
    said = f"labels.txt has {len(labels)} labels, the network has {classes} classes: "
    with pytest.raises(LabelsError, match=cause) as caught:
        check_label_count(labels, classes, "labels.txt")
    assert str(caught.value).startswith(said)


def test_real_label_files(shared):
    labels = read_labels(shared / "models" / "imagenet_labels.txt")
    assert len(labels) == 1001
    assert (labels[0], labels[1], labels[286]) == ("background", "tench, Tinca tinca", "Egyptian cat")
    assert len(read_labels(shared / "models" / "inat_bird_labels.txt")) == 965
    with pytest.raises(
        LabelsError, match=r"1001 labels, the network has 1000 classes: .*remove the label 'background'"
    ):
        check_label_count(labels, 1000, "imagenet_labels.txt")
    assert read_labels(shared / "models" / "mobilenet_v2_1.0_224_quant.tflite") == labels  # packed into it
    assert embedded_labels(shared / "models" / "mobilenet_v2_1.0_224.onnx") is None


class TestLists:
    def test_imagenet_is_in_the_order_of_torchvision_and_keras(self):
        labels = read_labels(Path("imagenet"))
        assert len(labels) == 1000
        known = {
            0: "tench",
            207: "golden retriever",
            285: "Egyptian cat",
            340: "zebra",
            404: "airliner",
            817: "sports car",
        }
        known |= {
            657: "missile",
            744: "projectile",
            836: "sunglass",
            837: "sunglasses",
            963: "pizza",
            999: "toilet tissue",
        }
        assert {index: labels[index] for index in known} == known

    def test_no_two_classes_are_called_alike(self):
        labels = read_labels(Path("imagenet"))
        assert len({label.casefold() for label in labels}) == 1000
        assert (labels[134], labels[517]) == ("crane (bird)", "crane (machine)")
        assert (labels[264], labels[474]) == ("Cardigan Welsh corgi", "cardigan")
        assert (labels[638], labels[639]) == ("maillot", "maillot (tank suit)")

    def test_imagenet_is_that_of_a_real_label_file(self, shared):
        """The file has a background class, and all words of each synset; the list has the first one, or says more."""
        (background, *synsets) = (shared / "models" / "imagenet_labels.txt").read_text().splitlines()
        assert background == "background"
        for label, synset in zip(read_labels(Path("imagenet")), synsets, strict=True):
            assert label.partition(" (")[0] in synset.split(", ")

    @pytest.mark.parametrize(
        ("classes", "first"), [(None, "tench"), (1000, "tench"), (1001, "background"), (7, "tench")]
    )
    def test_a_network_with_one_class_more_gets_a_background(self, classes, first):
        assert read_labels(Path("imagenet"), classes)[0] == first

    def test_a_file_gets_none(self, write):
        assert read_labels(write("a\nb\n"), 3) == ("a", "b")

    def test_coco_has_the_ids_of_its_annotations_less_one(self):
        labels = read_labels(Path("coco"))
        assert (len(labels), labels[0], labels[16], labels[89]) == (90, "person", "cat", "toothbrush")
        assert labels.count("n/a") == 10

    def test_pascal_voc_has_a_background_already(self):
        labels = read_labels(Path("pascal-voc"), 21)
        assert (len(labels), labels[0], labels[15], labels[20]) == (21, "background", "person", "tv monitor")

    def test_a_file_of_that_name_comes_first_and_a_folder_does_not(self, tmp_path):
        (tmp_path / "coco").mkdir()
        assert len(read_labels(tmp_path / "coco")) == 90
        (tmp_path / "imagenet").write_text("mine\n")
        assert read_labels(tmp_path / "imagenet") == ("mine",)
