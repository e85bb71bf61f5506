"""Brokers are named, logged in to, and mended or left."""

import subprocess

import pytest

from mnv2_edge.config.model import Config
from mnv2_edge.environment import read_environment
from mnv2_edge.errors import SinkError, UsageError
from mnv2_edge.setup.broker import pick_broker, take_broker
from mnv2_edge.setup.draft import ConfigDraft
from mnv2_edge.setup.prompts import DefaultPrompts
from mnv2_edge.sinks.settings import MqttSettings
from support.asking import Answers
from support.mosquitto import Mosquitto, free_port
from support.system import need_command
from support.tls_server import make_certificate

NEW = ConfigDraft(Config(version=1), is_new=True)
pytestmark = pytest.mark.mosquitto


@pytest.fixture
def start(tmp_path):
    """Return what starts a real broker with these settings."""
    brokers = []

    def start_one(settings=""):
        brokers.append(Mosquitto(tmp_path, settings=settings))
        brokers[-1].start()
        return brokers[-1]

    yield start_one
    for broker in brokers:
        broker.kill()


@pytest.fixture
def strict(start, tmp_path):
    """Start a broker that knows ann alone."""
    passwords = tmp_path / "passwords"
    program = need_command("mosquitto_passwd", "mosquitto")
    subprocess.run([program, "-b", "-c", str(passwords), "ann", "swordfish"], check=True, capture_output=True)
    return start(f"allow_anonymous false\npassword_file {passwords}")


def existing(**options):
    return ConfigDraft(Config(version=1, sinks=({"stdout": {}}, {"mqtt": options})), is_new=False)


def test_enter_is_none_where_no_broker_is_known(host):
    assert pick_broker(NEW, Answers(), host) == NEW


def test_enter_is_the_one_on_this_machine(having):
    host = having(broker_answers_here=lambda: True, log_in=lambda _login: None)
    assert pick_broker(NEW, Answers(), host).broker == MqttSettings(uri="mqtt://localhost")


def test_one_that_lets_everybody_in_asks_for_no_user(start, host):
    prompts = Answers(
        ("Where", "a broker elsewhere"), ("Its address", f"127.0.0.1:{start().port}"), ("Does Home", "yes")
    )
    draft = pick_broker(NEW, prompts, host)
    assert draft.broker.uri.startswith("mqtt://127.0.0.1:")
    assert draft.broker.homeassistant
    assert "it lets us in" in prompts.lines
    assert not prompts.troubles


def test_one_that_wants_a_user_asks_until_the_password_is_right(strict, host):
    prompts = Answers(
        ("Where", "a broker elsewhere"),
        ("Its address", strict.uri),
        ("User", "ann"),
        ("Password of ann", "wrong horse"),
        ("What now?", "give a user"),
        ("Password of ann", "swordfish"),
    )
    draft = pick_broker(NEW, prompts, host)
    assert draft.broker.uri == f"mqtt://ann@127.0.0.1:{strict.port}"
    assert draft.mqtt_password == "swordfish"
    (trouble,) = prompts.troubles
    assert "refuses the user 'ann'" in trouble
    assert "export" not in "".join(prompts.troubles)
    assert "swordfish" not in f"{prompts.text}{draft!r}"


def test_who_has_no_user_is_told_what_else_there_is_to_do(strict, host):
    prompts = Answers(
        ("Where", "a broker elsewhere"), ("Its address", strict.uri), ("User", ""), ("What now?", "no broker")
    )
    assert pick_broker(NEW, prompts, host).broker is None
    assert prompts.left == []
    assert "refuses a client without user name" in prompts.troubles[0]


def test_the_password_of_a_user_in_the_address_is_asked_for_at_once(strict, host):
    prompts = Answers(
        ("Where", "a broker elsewhere"),
        ("Its address", f"mqtt://ann:swordfish@127.0.0.1:{strict.port}"),
        ("Its address", f"mqtt://ann@127.0.0.1:{strict.port}/home/cams"),
        ("Password of ann", "swordfish"),
    )
    draft = pick_broker(NEW, prompts, host)
    assert draft.broker.uri.endswith("/home/cams")
    assert "leave the password out" in prompts.troubles[0]


class TestEnvironment:
    """A password in MNV2_EDGE_MQTT_PASSWORD."""

    @pytest.fixture
    def knowing(self, having):
        return having(environment=read_environment({"MNV2_EDGE_MQTT_PASSWORD": "swordfish", "HOME": "/nowhere"}))

    def test_it_gets_a_file_with_a_new_broker(self, strict, knowing):
        prompts = Answers(("Where", "a broker elsewhere"), ("Its address", f"ann@127.0.0.1:{strict.port}"))
        assert pick_broker(NEW, prompts, knowing).mqtt_password == "swordfish"

    def test_it_stays_there_where_the_configuration_has_it_so(self, strict, knowing):
        draft = existing(uri=f"mqtt://ann@127.0.0.1:{strict.port}")
        assert pick_broker(draft, Answers(), knowing) == draft


@pytest.mark.parametrize(
    ("answer", "expected"), [("keep it", "mqtt://127.0.0.1:{port}"), ("no broker", None), ("another", None)]
)
def test_one_that_is_away_is_said_kept_or_left(host, answer, expected):
    port = free_port()
    prompts = Answers(
        ("Where", "a broker elsewhere"), ("Its address", f"127.0.0.1:{port}"), ("What now?", answer), ("Where", "none")
    )
    draft = pick_broker(NEW, prompts, host)
    assert (draft.broker.uri if draft.broker else None) == (expected and expected.format(port=port))
    assert f"mqtt://127.0.0.1:{port}: it cannot be reached: Connection refused; try `" in prompts.troubles[0]


def test_where_nobody_can_be_asked_it_ends_the_setup(host):
    with pytest.raises(SinkError, match="cannot be reached"):
        pick_broker(existing(uri=f"mqtt://127.0.0.1:{free_port()}"), DefaultPrompts(lambda _text, _mark: None), host)


def test_a_certificate_of_ones_own_is_trusted_once_its_authority_is_named(start, host, tmp_path):
    certificate, key = make_certificate(tmp_path, "broker", "localhost")
    port = free_port()
    start(f"listener {port} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}")
    prompts = Answers(
        ("Where", "a broker elsewhere"),
        ("Its address", f"mqtts://localhost:{port}"),
        ("What now?", "name a CA"),
        ("The certificate of", str(tmp_path / "nowhere.pem")),
        ("The certificate of", str(certificate)),
    )
    draft = pick_broker(NEW, prompts, host)
    assert draft.broker.ca_file == str(certificate)
    assert "no TLS with it" in prompts.troubles[0]
    assert prompts.offered[1][0] == "name a CA file"
    assert "cannot be used" in prompts.troubles[1]


class TestExisting:
    def test_all_that_was_configured_stays(self, start, host, tmp_path):
        (tmp_path / "secret").write_text("swordfish\n")
        draft = existing(
            uri=start().uri, every="frame", heartbeat_s=0.0, homeassistant=True, password_file=str(tmp_path / "secret")
        )
        assert pick_broker(draft, Answers(), host) == draft

    def test_so_does_what_it_says_of_defaults(self, start, host):
        draft = existing(uri=start().uri, keepalive_s=30, homeassistant=False)
        assert pick_broker(draft, Answers(), host) == draft

    def test_another_broker_does_not_get_this_ones_password(self, start, host, tmp_path):
        draft = existing(uri="mqtt://ann@old", every="frame", password_file="/nowhere")
        prompts = Answers(("Where", "a broker elsewhere"), ("Its address", start().uri))
        broker = pick_broker(draft, prompts, host).broker
        assert (broker.every, broker.password_file) == ("frame", None)

    def test_a_password_file_that_is_gone_is_said(self, start, host):
        prompts = Answers(("What now?", "keep it"))
        draft = existing(uri=start().uri, password_file="/nowhere")
        assert pick_broker(draft, prompts, host) == draft
        assert "password file /nowhere cannot be read" in prompts.troubles[0]

    def test_none_stays_none_whatever_answers_on_this_machine(self, having):
        draft = ConfigDraft(Config(version=1), is_new=False)
        host = having(broker_answers_here=lambda: True)
        assert pick_broker(draft, Answers(), host) == draft

    def test_none_takes_the_sink_away_and_nothing_else(self, host):
        draft = pick_broker(existing(uri="mqtt://old"), Answers(("Where", "none")), host)
        assert draft.config.sinks == ({"stdout": {}},)


@pytest.mark.parametrize("text", ["", "a file", "http://h", "mqtt://h/+", "mqtt://ann:secret@h", "h:x"])
def test_what_is_no_address(text):
    with pytest.raises(UsageError):
        take_broker(text)


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("homeassistant.local", "mqtt://homeassistant.local"),
        ("h:1884/a", "mqtt://h:1884/a"),
        (" mqtts://h ", "mqtts://h"),
    ],
)
def test_the_scheme_may_be_left_out(text, uri):
    assert take_broker(text) == uri
