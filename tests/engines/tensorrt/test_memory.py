import pytest

from mnv2_engines.errors import MemoryShortageError
from mnv2_engines.tensorrt.memory import FreeMemory, estimate_mib, read_free_memory, require_memory

MEMINFO = """\
MemTotal:        7802184 kB
MemFree:          112000 kB
MemAvailable:     902144 kB
SwapFree:         512000 kB
"""


def proc(tmp_path, text):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text(text)
    return tmp_path


def test_memory_is_what_linux_calls_available(tmp_path):
    assert read_free_memory(proc(tmp_path, MEMINFO)) == FreeMemory(available=881, swap=500)


@pytest.mark.parametrize("text", ["", "MemAvailable: many kB\n", "MemAvailable: 5 kB\n"])
def test_what_cannot_be_read_is_not_known(text, tmp_path):
    assert read_free_memory(proc(tmp_path, text)) is None
    assert read_free_memory(tmp_path / "elsewhere") is None


def test_a_build_that_would_be_killed_is_refused_with_what_to_do():
    with pytest.raises(MemoryShortageError, match=r"600 MiB of memory and 100 MiB of swap .* about 1164 MiB: end"):
        require_memory(14 << 20, FreeMemory(600, 100))


def test_swap_counts_and_the_unknown_is_no_reason():
    needed = estimate_mib(14 << 20)
    require_memory(14 << 20, FreeMemory(needed - 500, 500))
    require_memory(14 << 20, None)
