"""The parts of a report; a part that fails does not stop the others."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import yaml

from mnv2_edge import __version__
from mnv2_edge.config.model import SINK_SETTINGS
from mnv2_edge.config.show import effective
from mnv2_edge.doctor import Finding, Machine
from mnv2_edge.doctor.report.known import foreign_schemes
from mnv2_edge.doctor.report.scrub import HIDDEN, Scrubber
from mnv2_edge.doctor.service.configured import Configured
from mnv2_edge.doctor.summary import as_plain, describe
from mnv2_edge.host.files import read_text
from mnv2_edge.host.storage import read_mounts
from mnv2_edge.host.system import read_system
from mnv2_edge.service.paths import ServicePaths, unit_of

__all__ = ["ReportPart", "collect"]

_LINES: Final = 500
_TIMEOUT_S: Final = 30.0
_JOURNAL: Final = ("--no-hostname", "--no-pager", "--output=short-iso")
_KERNEL: Final = re.compile(
    r"mmc|under-?voltage|voltage normal|out of memory|oom|ext4|i/o error|throttl|thermal|over-current|uvc|unicam|cfe|"
    r"cma|segfault|watchdog|read-only",
    re.IGNORECASE,
)
_FILES: Final = (
    "etc/os-release",
    "etc/rpi-issue",
    "etc/nv_tegra_release",
    "proc/device-tree/model",
    "proc/device-tree/compatible",
    "proc/sys/kernel/osrelease",
    "proc/uptime",
    "proc/loadavg",
    "proc/meminfo",
    "proc/pressure/*",
    "proc/cpuinfo",
    "sys/class/thermal/thermal_zone*/*",
    "sys/class/hwmon/hwmon*/name",
    "sys/class/hwmon/hwmon*/in0_lcrit_alarm",
    "sys/class/hwmon/hwmon*/oc*_event_cnt",
    "sys/block/mmcblk*/device/type",
    "sys/block/mmcblk*/device/name",
    "sys/block/mmcblk*/device/date",
    "sys/block/mmcblk*/device/life_time",
    "sys/block/mmcblk*/device/pre_eol_info",
    "sys/fs/ext4/*/errors_count",
    "sys/class/video4linux/*/name",
    "sys/class/video4linux/*/index",
    "sys/fs/cgroup/cgroup.controllers",
)
_KINDS: Final = frozenset({"tmpfs", "overlay", "nfs", "nfs4", "cifs", "zfs", "btrfs"})
_ZONE_FILES: Final = re.compile(r"type|temp|trip_point_\d+_(?:type|temp)")
_CPU_LINE: Final = re.compile(r"model name|Model|Hardware|Revision|Features|CPU ", re.IGNORECASE)
_BOOT: Final = ("boot/firmware/config.txt", "boot/config.txt")
_BOOT_LINE: Final = re.compile(r"\s*(?:dtoverlay|dtparam|camera_auto_detect|gpu_mem|arm_64bit|arm_freq|over_voltage)\b")


@dataclass(frozen=True, slots=True)
class ReportPart:
    """One file of a report."""

    name: str
    what: str
    """In words, for the list."""
    text: str
    missing: str = ""
    """Why it holds less than it should; empty when it does not."""


def collect(machine: Machine, findings: Sequence[tuple[str, Finding]], scrubber: Scrubber) -> tuple[ReportPart, ...]:
    """Return every part but the list of them, already scrubbed."""
    plain = as_plain(findings)
    labels = _label_all(ServicePaths(machine.root).instances(), scrubber)
    foreign = foreign_schemes(machine.plugins)
    parts = [
        ReportPart("findings.txt", "what the checks found", scrubber.text(describe(findings))),
        ReportPart("findings.json", "the same for a program", _json(scrubber.plain(plain))),
        ReportPart("versions.json", "Python, packages, plug-ins, board", _json(scrubber.plain(_versions(machine)))),
        ReportPart(
            "system.txt", "what the kernel says of board, memory, heat and disks", scrubber.text(_system(machine.root))
        ),
        *(
            _configuration(
                configured, labels.get(configured.instance) or scrubber.text(configured.file.stem), scrubber, foreign
            )
            for configured in machine.configurations
        ),
        *(_journal(machine, name, label, scrubber) for name, label in labels.items()),
        _kernel_log(machine, scrubber),
    ]
    return tuple(replace(part, missing=scrubber.text(part.missing)) for part in parts)


def _label_all(names: Sequence[str], scrubber: Scrubber) -> dict[str, str]:
    """Return how instances are called here: by a number where their name is to stay out, as this device's own is."""
    return {name: name if scrubber.text(name) == name else f"instance{place}" for place, name in enumerate(names, 1)}


def _versions(machine: Machine) -> dict[str, object]:
    system = read_system(machine.root)
    return {
        "mnv2-edge": __version__,
        "python": ".".join(str(part) for part in machine.python),
        "bits": machine.bits,
        "machine": machine.arch,
        "board": system.model,
        "os": system.os,
        "kernel": system.kernel,
        "plug-ins": sorted(f"{one.group}: {one.name} of {one.distribution}" for one in machine.plugins),
        "packages": dict(sorted(machine.distributions.items())),
    }


def _system(root: Path) -> str:
    blocks = []
    for pattern in _FILES:
        for file in sorted(root.glob(pattern)):
            if "thermal_zone" in pattern and not _ZONE_FILES.fullmatch(file.name):
                continue
            text = read_text(file)
            if file.name == "cpuinfo":  # of which a Pi's has its serial number
                text = "\n".join(dict.fromkeys(line for line in text.splitlines() if _CPU_LINE.match(line)))
            if text:
                blocks.append(f"== /{file.relative_to(root)}\n{text}")
    blocks.append("\n".join(["== mounts", *_mounts(root)]))
    for name in _BOOT:
        lines = [line for line in read_text(root / name).splitlines() if _BOOT_LINE.match(line)]
        if lines:
            blocks.append("\n".join([f"== /{name}, of which", *lines]))
    return "\n\n".join(blocks) + "\n"


def _mounts(root: Path) -> Iterator[str]:
    """Describe what files may lie on. The source and the options of a share name hosts and users."""
    for mount in read_mounts(root):
        is_device = mount.source.startswith("/dev/")
        if is_device or mount.kind in _KINDS:
            source = mount.source if is_device else mount.kind
            yield f"{source} {mount.target} {mount.kind} {'ro' if mount.read_only else 'rw'}"


def _configuration(configured: Configured, label: str, scrubber: Scrubber, foreign: Collection[str]) -> ReportPart:
    what = f"the configuration of {label}, with its defaults"
    path = f"configurations/{label}.yaml"
    if configured.config is None:
        return ReportPart(
            path, f"what is wrong with the configuration of {label}", scrubber.text(f"# {configured.trouble}\n")
        )
    sinks = tuple(
        {kind: options if kind in SINK_SETTINGS else _hide_all(options) for kind, options in sink.items()}
        for sink in configured.config.sinks
    )
    cameras = tuple(
        msgspec.structs.replace(camera, uri=f"{scheme}:{HIDDEN}")
        if (scheme := camera.uri.partition(":")[0]) in foreign
        else camera
        for camera in configured.config.cameras
    )
    plain = scrubber.plain(effective(msgspec.structs.replace(configured.config, cameras=cameras, sinks=sinks)))
    return ReportPart(path, what, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def _hide_all(value: object) -> object:
    """Hide what the options of a plug-in hold: what they mean is known to the plug-in alone."""
    if isinstance(value, dict):
        return {key: _hide_all(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_hide_all(one) for one in value]
    return value if value is None or isinstance(value, bool) else HIDDEN


def _journal(machine: Machine, name: str, label: str, scrubber: Scrubber) -> ReportPart:
    options = (f"--unit={unit_of(name)}", "--unit=mnv2-edge-engines.service", f"--lines={_LINES}", *_JOURNAL)
    probe = machine.run_command("journalctl", *options, timeout_s=_TIMEOUT_S)
    path, what = f"journal/{label}.txt", f"the last {_LINES} lines of the log of {label}"
    return ReportPart(path, what, scrubber.text(f"{probe.output}\n"), probe.trouble)


def _kernel_log(machine: Machine, scrubber: Scrubber) -> ReportPart:
    """Return the lines about cards, power, heat, memory and cameras; the kernel's log names networks too."""
    probe = machine.run_command("journalctl", "--dmesg", "--boot", *_JOURNAL, timeout_s=_TIMEOUT_S)
    if not probe.output:
        probe = machine.run_command("dmesg", timeout_s=_TIMEOUT_S)
    lines = [line for line in probe.output.splitlines() if _KERNEL.search(line)][-_LINES:]
    what = "lines of the kernel's log about cards, power, heat, memory and cameras"
    return ReportPart("kernel.txt", what, scrubber.text("\n".join([*lines, ""])), probe.trouble)


def _json(plain: object) -> str:
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"
