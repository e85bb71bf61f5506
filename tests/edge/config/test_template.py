"""The written file is valid, holds every key, and tells the true defaults."""

import os
import re
import stat

import msgspec
import pytest

from mnv2_edge.config.key_paths import all_paths
from mnv2_edge.config.model import SINK_SETTINGS, Config
from mnv2_edge.config.read import parse_config, read_config
from mnv2_edge.config.rules import registered_names
from mnv2_edge.config.template import TEMPLATE, write_template
from mnv2_edge.errors import AccessError, UsageError

# What can be switched on reads `key:` or `- key:` behind the "#".
UNCOMMENTED = re.sub(r"^#(?= *(- )?[a-z_]+:( |$))", "", TEMPLATE, flags=re.MULTILINE)


def parse(text: str) -> Config:
    return parse_config(text.encode(), "template", registered_names())


def test_the_template_is_the_default_configuration():
    assert parse(TEMPLATE) == msgspec.structs.replace(Config(version=1), sinks=({"stdout": {"format": "auto"}},))


def test_what_is_commented_out_shows_the_defaults():
    config = parse(UNCOMMENTED)
    plain = msgspec.structs.replace(config, sinks=())
    assert plain == msgspec.structs.replace(Config(version=1), sinks=())
    settings = {name: options for sink in config.sinks for name, options in sink.items()}
    assert settings.keys() == SINK_SETTINGS.keys()
    for name, options in settings.items():
        kind = SINK_SETTINGS[name]
        required = {"uri": options["uri"]} if name == "mqtt" else {}
        assert msgspec.convert(options, kind) == kind(**required)


def test_every_key_is_in_it():
    written = set(re.findall(r"^ *(?:- )?([a-z_]+):", UNCOMMENTED, flags=re.MULTILINE))
    assert all_paths().keys() - written == set()


def test_a_file_that_is_there_stays_unless_forced(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("mine")
    with pytest.raises(UsageError, match=r"is there already.*--force"):
        write_template(path, force=False)
    assert path.read_text() == "mine"
    write_template(path, force=True)
    assert read_config(path).version == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_users_own_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        write_template(tmp_path / "c.yaml", force=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "c.yaml").stat().st_mode) == 0o640


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be written: No such file or directory"):
        write_template(tmp_path / "no" / "c.yaml", force=False)


def test_a_folder_that_may_not_be_searched_is_a_usage_error(tmp_path, monkeypatch):
    def refuse(path, **_options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.exists", refuse)
    with pytest.raises(AccessError, match="cannot be written: Permission denied"):
        write_template(tmp_path / "c.yaml", force=False)
