"""A device gets a name of its own, and an instance where another configuration has that name."""

import pytest

from mnv2_edge.config.model import Config, DeviceConfig
from mnv2_edge.host.identity import read_identity
from mnv2_edge.setup.draft import ConfigDraft
from mnv2_edge.setup.naming import pick_name
from support.asking import Answers

NEW = ConfigDraft(Config(version=1), is_new=True)


@pytest.fixture
def installed(host):
    """Return what installs a configuration as an instance."""

    def install(name, text):
        host.paths.configurations.mkdir(parents=True, exist_ok=True)
        host.paths.configuration(name).write_text(text)

    return install


def test_the_host_name_is_offered_and_what_is_published_without_a_name_is_said(host, tmp_path):
    prompts = Answers()
    assert pick_name(NEW, tmp_path / "door.yaml", prompts, host).config.device == DeviceConfig(name="porch")
    assert f"Without a name it is {read_identity().device_id}: the board's serial number" in prompts.text


def test_a_host_name_that_the_next_device_has_too_is_not(having, tmp_path):
    draft = pick_name(NEW, tmp_path / "door.yaml", Answers(), having(hostname="raspberrypi"))
    assert draft.config.device == DeviceConfig()


@pytest.mark.parametrize(
    ("answers", "name"), [(["Front door"], "Front door"), (["-"], None), (["***", "Tür"], "Tür")], ids=str
)
def test_another_name(host, tmp_path, answers, name):
    prompts = Answers(*(("What is this device called?", answer) for answer in answers))
    assert pick_name(NEW, tmp_path / "door.yaml", prompts, host).config.device.name == name
    assert len(prompts.troubles) == len(answers) - 1


def test_an_instance_tells_it_from_one_of_that_name(host, installed, tmp_path):
    installed("yard", "version: 1\ndevice: {name: porch}\n")
    installed("gate", "version: 1\ndevice: {name: porch, instance: gate}\n")
    installed("broken", "version: 2\n")
    prompts = Answers(("What is this one for?", "gate"), ("What is this one for?", "door"))
    device = pick_name(NEW, tmp_path / "door.yaml", prompts, host).config.device
    assert device == DeviceConfig(name="porch", instance="door")
    assert f"{host.paths.configuration('yard')} has that name already" in prompts.text
    assert "'gate' is taken too" in prompts.troubles[0]


def test_the_one_that_it_replaces_is_no_other(host, installed, tmp_path):
    installed("door", "version: 1\ndevice: {name: porch}\n")
    device = pick_name(NEW, tmp_path / "door.yaml", Answers(), host).config.device
    assert device == DeviceConfig(name="porch")


def test_what_is_configured_stays(host, tmp_path):
    draft = ConfigDraft(Config(version=1, device=DeviceConfig(name="Front door", instance="a")), is_new=False)
    assert pick_name(draft, tmp_path / "door.yaml", Answers(), host) == draft
    draft = ConfigDraft(Config(version=1), is_new=False)
    assert pick_name(draft, tmp_path / "door.yaml", Answers(), host) == draft
