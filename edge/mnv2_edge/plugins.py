"""Sources, sinks, tasks and backends by name among the installed entry points.

Ours are registered in pyproject.toml exactly as a third party's are. Nothing is imported before it is named.
"""

import functools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

from mnv2_edge.errors import PluginError

__all__ = ["GROUPS", "Plugin", "installed_plugins", "load_plugin", "plugin_names"]

GROUPS: Final = ("mnv2_edge.sources", "mnv2_edge.sinks", "mnv2_engines.tasks", "mnv2_engines.backends")


@dataclass(frozen=True, slots=True)
class Plugin:
    """One registered entry point, not loaded."""

    group: str
    name: str
    target: str
    """`module:attribute`."""
    distribution: str
    """Name and version of the package that registers it."""


def installed_plugins() -> tuple[Plugin, ...]:
    """List every entry point of our groups, by group and name."""
    registered = _registered()
    found = {
        Plugin(group, point.name, point.value, f"{point.dist.name} {point.dist.version}" if point.dist else "?")
        for group in GROUPS
        for point in registered[group]
    }
    return tuple(sorted(found, key=lambda plugin: (GROUPS.index(plugin.group), plugin.name, plugin.distribution)))


def plugin_names(group: str) -> frozenset[str]:
    """Return the names registered in one of our groups."""
    return frozenset(_registered()[group].names)


def load_plugin(group: str, name: str) -> Callable[..., Any]:
    """Import and return the factory registered as `name` in `group`.

    Raises PluginError when there is none, when two packages claim the name, or when it cannot be imported.
    """
    points = tuple(_registered()[group].select(name=name))
    if not points:
        known = ", ".join(sorted({point.name for point in _registered()[group]})) or "none"
        raise PluginError(f"{name!r} is not among the {group}: {known}; `mnv2-edge plugins` lists them")
    if len({point.value for point in points}) > 1:
        claims = ", ".join(f"{point.value} ({point.dist.name if point.dist else '?'})" for point in points)
        raise PluginError(f"{name!r} in {group} is claimed by several packages: {claims}; uninstall all but one")
    try:
        factory = points[0].load()
    except (ImportError, AttributeError) as exc:
        raise PluginError(f"{name!r} in {group} ({points[0].value}) cannot be imported: {exc}") from exc
    if not callable(factory):
        raise PluginError(f"{name!r} in {group} ({points[0].value}) is not callable: a factory was expected")
    return factory  # type: ignore[no-any-return]


def _registered() -> Mapping[str, metadata.EntryPoints]:
    return _registered_on(tuple(sys.path))


@functools.lru_cache(maxsize=1)
def _registered_on(_path: tuple[str, ...]) -> Mapping[str, metadata.EntryPoints]:
    """Read what every installed package registers, once: a system may have hundreds, and a start asks eight times."""
    points = metadata.entry_points()
    return {group: points.select(group=group) for group in GROUPS}
