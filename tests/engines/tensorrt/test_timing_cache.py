"""The file of timings, with a configuration that refuses what TensorRT documents to refuse."""

import logging
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from mnv2_engines.tensorrt.timing_cache import TimingCache
from support.fake_jetson import ORIN

MAGIC = b"timings of Orin:"


class Cache:
    """Timings by layer; serialised as a header that names the GPU, and one line a layer."""

    def __init__(self, layers=(), *, foreign=False):
        self.layers = set(layers)
        self.foreign = foreign

    def combine(self, other, ignore_mismatch):
        assert not ignore_mismatch
        if other.foreign:
            return False
        self.layers |= other.layers
        return True

    def serialize(self):
        return MAGIC + b"\n".join(sorted(self.layers))


class Config:
    """What a builder configuration does with timing caches."""

    def __init__(self):
        self._cache = None

    def create_timing_cache(self, blob):
        if not blob:
            return Cache()
        if not blob.startswith(b"timings of"):
            return None  # "the pointer to ITimingCache created", or none
        return Cache(blob.partition(b":")[2].split(b"\n"), foreign=not blob.startswith(MAGIC))

    def set_timing_cache(self, cache, ignore_mismatch):
        assert not ignore_mismatch
        if cache.foreign:
            return False
        self._cache = cache
        return True

    def get_timing_cache(self):
        return self._cache

    def time(self, layer):
        self._cache.layers.add(layer)


def build(cache, *layers):
    config = Config()
    cache.load(config)
    known = set(config.get_timing_cache().layers)
    for layer in layers:
        config.time(layer)
    cache.save(config)
    return known


def test_a_second_build_knows_what_the_first_has_timed(tmp_path, caplog):
    cache = TimingCache(ORIN, tmp_path)
    assert cache.path == tmp_path / "tensorrt" / "timings-10.3.0-cuda12.6-Orin-8.7.bin"
    assert build(cache, b"conv") == set()
    assert build(TimingCache(ORIN, tmp_path), b"add") == {b"conv"}
    assert build(cache) == {b"conv", b"add"}
    assert caplog.text == ""


@pytest.mark.parametrize("content", [b"\0\0\0\0", b"timings of another GPU:conv"])
def test_what_does_not_fit_is_made_anew_and_said(content, tmp_path, caplog):
    cache = TimingCache(ORIN, tmp_path)
    build(cache, b"conv")
    cache.path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert build(cache, b"add") == set()
    assert caplog.messages == [f"{cache.path} does not fit this TensorRT or GPU, or is damaged: it is made anew"]
    assert build(cache) == {b"add"}


def test_builds_at_once_lose_nothing(tmp_path):
    layers = [f"layer {index}".encode() for index in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda layer: build(TimingCache(ORIN, tmp_path), layer), layers))
    assert build(TimingCache(ORIN, tmp_path)) == set(layers)
    assert sorted(path.name for path in (tmp_path / "tensorrt").iterdir()) == [
        "timings-10.3.0-cuda12.6-Orin-8.7.bin",
        "timings-10.3.0-cuda12.6-Orin-8.7.lock",
    ]


def test_a_folder_that_cannot_be_made_costs_time_only(tmp_path, caplog):
    (tmp_path / "tensorrt").write_text("a file")
    cache = TimingCache(ORIN, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert build(cache, b"conv") == set()
    assert "cannot be written" in caplog.text
    assert "the next build times everything again" in caplog.text


def test_a_full_disk_costs_time_only_and_leaves_no_half_file(tmp_path, caplog, small_disk):
    cache = TimingCache(ORIN, tmp_path)
    build(cache, b"conv")
    with small_disk(20):
        build(cache, b"add" * 100)
    assert "the next build times everything again" in caplog.text
    assert sorted(path.suffix for path in (tmp_path / "tensorrt").iterdir()) == [".bin", ".lock"]
    assert build(cache) == {b"conv"}


@pytest.mark.parametrize(
    ("field", "other"),
    [("tensorrt", "10.7.0"), ("cuda", "13.0"), ("gpu", "NVIDIA RTX A2000"), ("compute_capability", "8.6")],
)
def test_another_gpu_or_release_has_timings_of_its_own(field, other, tmp_path, caplog):
    here, there = (TimingCache(facts, tmp_path) for facts in (ORIN, msgspec.structs.replace(ORIN, **{field: other})))
    build(here, b"conv")
    assert build(there, b"add") == set()
    assert build(here) == {b"conv"}
    assert caplog.text == ""


def test_names_make_no_path(tmp_path):
    facts = msgspec.structs.replace(ORIN, tensorrt="../11.4+local", gpu="NVIDIA A/B..\0")
    assert TimingCache(facts, tmp_path).path.parent == tmp_path / "tensorrt"
