"""Memory that is asked for beyond a limit is refused, and the limit goes away again."""

import resource

import h5py
import numpy as np
import pytest

from mnv2_engines.errors import ModelError
from mnv2_engines.weights.keras.hdf5 import limited_memory, open_hdf5


def test_more_than_that_is_refused_and_the_limit_ends():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), limited_memory(64 << 20):
        np.ones(32 << 20, np.float64)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    with limited_memory(64 << 20):
        assert np.ones(1 << 20, np.uint8).sum() == 1 << 20


def test_an_attribute_of_a_damaged_length_is_refused_before_it_fills_the_memory(tmp_path):
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.attrs["weight_names"] = ["kernel-of-a-layer"]
    raw = path.read_bytes()
    length = len(b"kernel-of-a-layer").to_bytes(4, "little")
    places = [place for place in range(len(raw)) if raw[place : place + 4] == length]
    refused = 0
    for place in places:
        path.write_bytes(raw[:place] + (0x70000000).to_bytes(4, "little") + raw[place + 4 :])
        before = _peak_mib()
        with path.open("rb") as file:
            try:
                with open_hdf5(path, file) as opened:
                    opened.attribute("/", "weight_names")
            except ModelError:
                refused += 1
        assert _peak_mib() - before < 300
    assert refused


def _peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
