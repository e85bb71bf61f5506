"""Installation of a configuration, and of the files that it names, where the service can read them."""

import contextlib
import os
import pwd
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, TypeAlias

import yaml

from mnv2_edge.config.model import Config
from mnv2_edge.config.read import read_config
from mnv2_edge.config.rules import require_valid
from mnv2_edge.errors import AccessError, ConfigError, LibraryMissingError
from mnv2_edge.service.engine_files import files_beside
from mnv2_edge.service.paths import USER, ServicePaths
from mnv2_edge.service.service_user import acting_as_service, service_user
from mnv2_engines.files.disk_errors import disk_error
from mnv2_engines.files.durable import make_folder, replace
from mnv2_engines.files.regular_file import MODEL_LIMIT, SETTINGS_LIMIT, decode_regular, open_regular
from mnv2_engines.labels.named import LISTS
from mnv2_engines.store.names import is_name

__all__ = [
    "FileCopy",
    "InstallationPlan",
    "carry_out",
    "make_state",
    "plan_installation",
    "readable_by_service",
    "require_libraries",
]

_RTSP: Final = ("rtsp://", "rtsps://")
_GSTREAMER: Final = (
    "sudo apt install python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-good gstreamer1.0-libav"
)


def require_libraries(config: Config, has: Callable[[str], bool] = lambda name: find_spec(name) is not None) -> None:
    """Raise LibraryMissingError, with the command, for a camera that nothing here can read.

    An installation has PyAV where there are wheels of it, and sees the system's GStreamer; it has no pip. `has` tells
    whether a module is there.
    """
    needed = any(camera.uri.lower().startswith(_RTSP) for camera in config.cameras)
    if needed and not has("av") and not has("gi"):
        raise LibraryMissingError(f"an RTSP camera needs PyAV or GStreamer, and neither is here: `{_GSTREAMER}`")


_Kind: TypeAlias = Literal["engine", "labels", "secret"]
_SECRETS: Final = ("password_file", "ca_file", "cert_file", "key_file")
_HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))
"""What systemd's ProtectHome= hides."""


@dataclass(frozen=True, slots=True)
class FileCopy:
    """A file to copy, and its destination."""

    source: Path
    target: Path
    is_engine: bool
    beside: tuple[Path, ...] = ()
    """What describes an engine, and goes into the same folder."""


@dataclass(frozen=True, slots=True)
class InstallationPlan:
    """The steps that install an instance."""

    name: str
    configuration: Path
    text: str
    """Of the configuration: the one given, with the paths of the copies in it."""
    copies: tuple[FileCopy, ...]
    engine_file: bool
    """Whether the engine is a file among the copies; else it is one of the store."""
    engine_name: str | None
    """Of the engine in the store; None: the default one."""


def plan_installation(
    source: Path,
    name: str,
    paths: ServicePaths,
    pulled: Callable[[str], Path | None] = lambda _name: None,
    can_read: Callable[[Path], bool] | None = None,
) -> InstallationPlan:
    """Return what has to be done for a configuration; nothing is changed.

    An engine or label file that it names is copied, since the service sees no home folder; so are passwords and
    certificates that it could not read where they are. A name of the engine store and a label list of the package stay.
    `pulled` gives the file of a model that was pulled; None for a name of the
    store. Comments and order stay as well. Raises ConfigError, and ModelError for a MODEL.yaml that cannot be read.
    """
    config = read_config(source)
    require_valid(config)
    text = decode_regular(source, SETTINGS_LIMIT, encoding="utf-8-sig")
    copies: list[FileCopy] = []
    pieces, done = [], 0
    for start, end, value, kind in _file_values(text):
        path = source.parent / value
        is_engine = kind == "engine"
        if is_engine and not path.exists() and is_name(value):
            model = pulled(value)
            if model is None:
                continue  # of the store
            path = model
        if kind == "labels" and path.name in LISTS and not path.exists():
            continue  # of the package
        if not path.is_file():
            raise ConfigError(
                f"{source} names {value}, which is not there: expected a file, from the folder of {source}"
            )
        path = _where(path, paths)
        is_copy = _is_below(path, paths.files(name))  # of the installation before, which is replaced
        if kind == "secret" and not is_copy and (can_read or readable_by_service)(path):
            continue
        target = paths.files(name) / (_free_name(path, copies) if kind == "secret" else path.name)
        copies.append(FileCopy(path, target, is_engine, files_beside(path) if is_engine else ()))
        pieces += [text[done:start], str(target)]
        done = end
    engine_file = any(copy.is_engine for copy in copies)
    engine_name = None if engine_file else config.engine.model
    text = "".join([*pieces, text[done:]])
    return InstallationPlan(name, paths.configuration(name), text, tuple(copies), engine_file, engine_name)


def readable_by_service(path: Path) -> bool:
    """Return whether the service can read a file where it is; what is above it in the tree is taken to be open."""
    if any(path.is_relative_to(home) for home in _HOMES):
        return False
    status = path.stat()
    if status.st_mode & stat.S_IROTH:
        return True
    with contextlib.suppress(KeyError):
        user = pwd.getpwnam(USER)
        owns = status.st_uid == user.pw_uid and status.st_mode & stat.S_IRUSR
        shares = status.st_gid == user.pw_gid and status.st_mode & stat.S_IRGRP
        return bool(owns or shares)
    return False


def carry_out(plan: InstallationPlan, paths: ServicePaths, verify: Callable[[Path], None]) -> None:
    """FileCopy the files, verify the engines among them, and write the configuration last.

    All but the configuration is written as the service's user. `verify` is called with an engine in its new place,
    before the configuration names it; what it raises undoes the copies. Raises AccessError or DiskError when something
    cannot be written.
    """
    folder, staging = paths.files(plan.name), paths.files(f".{plan.name}.new")
    try:
        make_state(paths.state)
        with acting_as_service():
            shutil.rmtree(staging, ignore_errors=True)
            staging.parent.mkdir(mode=0o700, exist_ok=True)
            staging.mkdir(mode=0o700)
        try:
            for copy in sorted(plan.copies, key=lambda copy: not copy.is_engine):  # given labels win over the model's
                _copy(copy, staging / copy.target.name, paths)
                if copy.is_engine:
                    with acting_as_service():
                        verify(staging / copy.target.name)
            with acting_as_service():
                shutil.rmtree(folder, ignore_errors=True)
                staging.rename(folder)
        finally:
            with acting_as_service():
                shutil.rmtree(staging, ignore_errors=True)
        _write(plan.configuration, plan.text)
    except OSError as exc:
        what = f"{exc.filename or folder} cannot be written"
        raise (disk_error(exc, what) or AccessError(f"{what}: {exc.strerror or exc}")) from exc


def make_state(folder: Path) -> None:
    """Make the service's own folder, where no unit has run yet; only the service may use it."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, mode=0o700)
    user = service_user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)


def _file_values(text: str) -> Iterator[tuple[int, int, str, _Kind]]:
    """Yield start, end, value and kind of what names a file, in the order of the text."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    top = _mapping(root)
    found: list[tuple[yaml.Node | None, _Kind]] = [
        (_mapping(top.get("engine")).get("model"), "engine"),
        (_mapping(top.get("engine")).get("trusted_keys"), "secret"),
        (top.get("labels"), "labels"),
    ]
    found += [(_mapping(camera).get("password_file"), "secret") for camera in _items(top.get("cameras"))]
    for sink in _items(top.get("sinks")):
        for options in _mapping(sink).values():
            found += [(_mapping(options).get(key), "secret") for key in _SECRETS]
    paths = [
        (node.start_mark.index, node.end_mark.index, node.value, kind)
        for node, kind in found
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str"
    ]
    yield from sorted(paths)


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _free_name(path: Path, copies: Sequence[FileCopy]) -> str:
    """Return the file's name, or one like it: files of the same name may lie in several folders."""
    taken = {copy.target.name: copy.source for copy in copies}
    names = (path.name, *(f"{path.stem}-{number}{path.suffix}" for number in range(2, len(copies) + 3)))
    return next(name for name in names if taken.get(name, path) == path)


def _mapping(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value}


def _where(path: Path, paths: ServicePaths) -> Path:
    """Return where a file really is. Links in the service's own folder are not followed: the service may make them.

    Root would follow them to what the service may not read.
    """
    named = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    return named if named.is_relative_to(paths.state) else path.resolve()


def _is_below(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder) or path.is_relative_to(folder.resolve())


def _copy(copy: FileCopy, target: Path, paths: ServicePaths) -> None:
    _copy_file(copy.source, target, paths)
    for file in copy.beside:
        described = file.stem == copy.source.stem and file.suffix in (".json", ".yaml")
        _copy_file(file, target.with_suffix(file.suffix) if described else target.with_name(file.name), paths)


def _copy_file(source: Path, target: Path, paths: ServicePaths) -> None:
    """Read a file as who runs this, or as the service if it is the service's own; write it for the service alone."""
    with contextlib.ExitStack() as stack:
        with acting_as_service() if _is_below(source, paths.state) else contextlib.nullcontext():
            reading = stack.enter_context(open_regular(source, MODEL_LIMIT))
        with acting_as_service(), target.open("wb") as writing:
            target.chmod(0o600)
            shutil.copyfileobj(reading, writing)


def _write(path: Path, text: str) -> None:
    """Write a configuration that root may change and the service may read."""
    user = service_user()
    temporary = path.with_name(f".{path.name}.new")
    make_folder(path.parent)
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(0o640)
    if user is not None:
        os.chown(temporary, 0, user.pw_gid)
    replace(temporary, path)
