"""The promises of the seams, checked by what mnv2-edge has for that, and what is ours."""

import csv
from pathlib import Path

import pytest

from mnv2_edge.errors import ConfigError, SinkError, UsageError
from mnv2_edge.sinks import SinkOptions
from mnv2_edge.sources import SourceOptions
from mnv2_edge.testing import check_sink, check_source, sample_records
from mnv2_edge_example.csv_file import open_csv
from mnv2_edge_example.onnx_format import FORMAT
from mnv2_edge_example.testcard import open_testcard
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.testing import check_format


def source(**query: str) -> SourceOptions:
    return SourceOptions("testcard:", "cam", query=query)


def sink(**options: object) -> SinkOptions:
    return SinkOptions("csv", "device", "Device", "", ("cam",), options=options)


def test_the_source_keeps_its_contract() -> None:
    check_source(lambda: open_testcard(source(fps="500", size="64x48")))


def test_the_sink_keeps_its_contract(tmp_path: Path) -> None:
    check_sink(lambda: open_csv(sink(path=str(tmp_path / "labels.csv"))))


def test_the_format_keeps_its_contract() -> None:
    check_format(FORMAT, demo_engine_path().with_suffix(".onnx"))


def test_the_bars_wander() -> None:
    frames = iter(open_testcard(source(fps="500", size="80x2")))
    first, second = next(frames).pixels, next(frames).pixels
    assert first.shape == (2, 80, 3)
    assert first[0, 10].tolist() == [255, 255, 0]
    assert second[0, 9].tolist() == [255, 255, 0]


def test_rows_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    for _ in range(2):
        opened = open_csv(sink(path=str(path)))
        for record in sample_records():
            opened.publish(record)
        opened.close()
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [(row["camera"], row["frame"], row["label"], row["score"]) for row in rows] == [
        ("camera0", "7", "stop", "0.9700")
    ] * 2


def test_a_full_disk_is_counted_and_survived() -> None:
    opened = open_csv(sink(path="/dev/full"))
    for record in sample_records():
        opened.publish(record)
    opened.close()
    assert opened.dropped == 1
    assert opened.broken == ""


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no option 'colour'"):
        open_testcard(source(colour="red"))
    with pytest.raises(ConfigError, match="it takes path"):
        open_csv(sink(file="labels.csv"))
    with pytest.raises(SinkError, match="cannot be opened"):
        open_csv(sink(path=str(tmp_path / "no" / "labels.csv")))
