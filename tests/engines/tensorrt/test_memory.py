import pytest

from mnv2_engines.errors import MemoryShortageError
from mnv2_engines.tensorrt.memory import BuildNeeds, FreeMemory, estimate_needs, read_free_memory, require_memory

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
    with pytest.raises(MemoryShortageError, match=r"1600 MiB of memory and 100 MiB of swap .* up to 2188 MiB: end"):
        require_memory(14 << 20, 1024, FreeMemory(1600, 100))


def test_swap_holds_what_the_cpu_uses_and_nothing_of_the_gpu():
    needs = estimate_needs(14 << 20, 1024)
    assert needs == BuildNeeds(gpu=512 + 1024 + 28, host=512 + 112)
    require_memory(14 << 20, 1024, FreeMemory(needs.gpu, needs.host))
    with pytest.raises(MemoryShortageError, match=r"^1563 MiB .* up to 1564 MiB for the GPU, 1024 .* swap cannot hold"):
        require_memory(14 << 20, 1024, FreeMemory(needs.gpu - 1, 100_000))


def test_a_smaller_workspace_is_advised_where_it_helps_and_counts():
    free = FreeMemory(1000, 1000)
    with pytest.raises(MemoryShortageError, match="or lower --workspace-mib, and build again"):
        require_memory(14 << 20, 1024, free)
    require_memory(14 << 20, 256, free)
    with pytest.raises(MemoryShortageError, match=r"ends the desktop\), and build again"):
        require_memory(14 << 20, 256, FreeMemory(700, 1000))


def test_what_is_not_known_is_no_reason():
    require_memory(14 << 20, 1024, None)
