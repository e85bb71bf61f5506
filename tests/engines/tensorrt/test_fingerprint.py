from pathlib import Path
from types import ModuleType

import msgspec

from mnv2_engines.cuda import Gpu
from mnv2_engines.engine.facts import TensorRtFacts
from mnv2_engines.tensorrt.fingerprint import describe_tensorrt, find_differences

ORIN = TensorRtFacts(tensorrt="10.3.0", cuda="12.6", l4t="36.4.0", jetpack="6.1", gpu="Orin", compute_capability="8.7")


def changed(**fields: str) -> TensorRtFacts:
    return msgspec.structs.replace(ORIN, **fields)


def test_it_is_read_off_the_module_the_driver_and_the_system(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.0, GCID: 1\n")
    trt = ModuleType("tensorrt")
    trt.__version__ = "10.3.0"
    gpu = Gpu("Orin", "8.7", integrated=True, maps_host_memory=True, driver_cuda="12.6")
    assert describe_tensorrt(trt, gpu, tmp_path) == changed(jetpack="")


def test_what_has_not_changed_fits() -> None:
    assert find_differences(ORIN, ORIN) == ()


def test_each_change_names_both_versions() -> None:
    upgraded = changed(tensorrt="10.7.0", l4t="36.4.3")
    assert find_differences(ORIN, upgraded) == ("TensorRT 10.3.0 became 10.7.0", "L4T 36.4.0 became 36.4.3")
    for field, now in (("cuda", "13.0"), ("gpu", "Thor"), ("compute_capability", "11.0")):
        (one,) = find_differences(ORIN, changed(**{field: now}))
        assert one.endswith(f"{getattr(ORIN, field)} became {now}")


def test_the_jetpack_package_may_come_and_go() -> None:
    assert find_differences(ORIN, changed(jetpack="")) == ()


def test_a_container_need_not_see_l4t() -> None:
    assert find_differences(ORIN, changed(l4t="")) == ()
