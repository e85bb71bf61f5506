"""The checks of `mnv2-edge doctor`, in the order in which they run and are shown.

To add one, write a function from `Machine` to `Finding` and add its line here.
"""

from typing import Final

from mnv2_edge.doctor import Check
from mnv2_edge.doctor.connections.certificates import check_certificates
from mnv2_edge.doctor.device.board import check_clock, check_cma, check_ram, check_temperature, check_throttling
from mnv2_edge.doctor.device.cameras import check_ribbon_cameras
from mnv2_edge.doctor.device.engines import check_engines
from mnv2_edge.doctor.device.hardware import check_broker, check_cameras, check_litert
from mnv2_edge.doctor.device.jetson import check_gpu, check_jetpack, check_memory, check_power, check_tensorrt
from mnv2_edge.doctor.device.software import check_opencv, check_packages, check_plugins, check_python
from mnv2_edge.doctor.device.storage import check_disk, check_flash
from mnv2_edge.doctor.device.system import check_board, check_venv
from mnv2_edge.doctor.service.configurations import check_configurations, check_secrets
from mnv2_edge.doctor.service.instances import check_service

__all__ = ["CHECKS", "JETSON_CHECKS"]

CHECKS: Final = (
    Check("board", check_board),
    Check("python", check_python),
    Check("venv", check_venv),
    Check("packages", check_packages),
    Check("opencv", check_opencv),
    Check("litert", check_litert),
    Check("engines", check_engines),
    Check("plug-ins", check_plugins),
    Check("cameras", check_cameras),
    Check("ribbon-cameras", check_ribbon_cameras),
    Check("cma", check_cma),
    Check("ram", check_ram),
    Check("temperature", check_temperature),
    Check("throttling", check_throttling),
    Check("disk", check_disk),
    Check("flash", check_flash),
    Check("clock", check_clock),
    Check("configurations", check_configurations),
    Check("secrets", check_secrets),
    Check("broker", check_broker),
    Check("certificates", check_certificates),
    Check("service", check_service),
)

JETSON_CHECKS: Final = (
    Check("jetpack", check_jetpack),
    Check("tensorrt", check_tensorrt),
    Check("gpu", check_gpu),
    Check("power", check_power),
    Check("memory", check_memory),
)
"""What a Jetson is asked besides, and every machine when somebody wants to know of TensorRT."""
