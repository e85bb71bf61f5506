"""Entry points of installed packages are listed without being imported, and loaded when they are named."""

import importlib
import sys

import pytest

from mnv2_edge import __version__
from mnv2_edge.errors import PluginError
from mnv2_edge.plugins import GROUPS, Plugin, installed_plugins, load_plugin, plugin_names
from mnv2_engines.backends.registry import find_format

BACKENDS = "mnv2_engines.backends"
SINKS = "mnv2_edge.sinks"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return what installs a package with entry points, as pip leaves it behind."""

    def write(name: str, version: str, points: str, code: str = "") -> None:
        site = tmp_path / name
        info = site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(points)
        (site / f"{name}_module.py").write_text(code)
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, f"{name}_module", raising=False)
        importlib.invalidate_caches()

    return write


def test_ours_are_registered_like_anybodys():
    ours = [plugin for plugin in installed_plugins() if plugin.distribution == f"mnv2-edge {__version__}"]
    assert {plugin.group for plugin in ours} == set(GROUPS)
    for plugin in ours:
        if plugin.group == BACKENDS:
            assert find_format(plugin.name).name == plugin.name
        else:
            assert callable(load_plugin(plugin.group, plugin.name)), plugin
    assert plugin_names(SINKS) >= {"stdout", "mqtt"}


def test_a_foreign_one_is_listed_without_being_imported(install):
    install("foreign", "2.5", f"[{SINKS}]\nforeign = foreign_module:open_it\n", "raise RuntimeError('imported')")
    assert Plugin(SINKS, "foreign", "foreign_module:open_it", "foreign 2.5") in installed_plugins()
    assert "foreign" in plugin_names(SINKS)


def test_a_foreign_one_is_loaded_when_named(install):
    install("foreign", "1", f"[{SINKS}]\nforeign = foreign_module:open_it\n", "def open_it(options): return 'open'")
    assert load_plugin(SINKS, "foreign")(None) == "open"


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(PluginError, match=r"'mqqt' is not among the mnv2_edge.sinks: .*mqtt.*stdout"):
        load_plugin(SINKS, "mqqt")


@pytest.mark.parametrize(
    ("target", "code", "message"),
    [
        ("nowhere:open_it", "", "No module named 'nowhere'"),
        ("broken_module:open_it", "", "has no attribute 'open_it'"),
        ("broken_module:open_it", "import nosuchlibrary", "No module named 'nosuchlibrary'"),
        ("broken_module:open_it", "open_it = 5", "is not callable"),
    ],
)
def test_a_broken_one_is_named_with_its_reason(install, target, code, message):
    install("broken", "1", f"[{SINKS}]\nbroken = {target}\n", code)
    with pytest.raises(PluginError, match=f"'broken' in {SINKS}.*{message}"):
        load_plugin(SINKS, "broken")


def test_a_name_that_two_packages_claim_is_refused(install):
    install("one", "1", f"[{SINKS}]\nshared = one_module:open_it\n")
    install("two", "1", f"[{SINKS}]\nshared = two_module:open_it\n")
    with pytest.raises(PluginError, match="claimed by several packages") as caught:
        load_plugin(SINKS, "shared")
    assert "(one)" in str(caught.value)
    assert "(two)" in str(caught.value)
