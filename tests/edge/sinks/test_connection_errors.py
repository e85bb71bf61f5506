"""What is said about a broker that makes trouble, on a clock of the test's own."""

import errno
import logging
import ssl

import pytest

from mnv2_edge.sinks.connection_errors import ConnectionMonitor, Delays

SECOND = 1_000_000_000
EOF, TAKEN_OVER, KEEP_ALIVE, SHUTTING_DOWN = 128, 142, 141, 139


@pytest.fixture
def trouble(caplog):
    caplog.set_level(logging.INFO)
    return ConnectionMonitor("mqtt://h:1883", "me", user="joe", tls=False, has_certificate=False)


def live(trouble, code, *, lasting_s, start_s=0.0, listens=True):
    """Be let in and lose the connection; return the delays where they are those of a contested id."""
    trouble.connected(int(start_s * SECOND))
    delays = trouble.lost(code, "reason", int((start_s + lasting_s) * SECOND), lambda: listens)
    return delays if delays is not None and delays.shortest >= 20 else None


def alarms(caplog):
    return [record.message for record in caplog.records if record.levelno == logging.ERROR]


def test_two_take_overs_are_certain(trouble, caplog):
    assert live(trouble, TAKEN_OVER, lasting_s=100) is None
    delays = live(trouble, TAKEN_OVER, lasting_s=100, start_s=101)
    assert delays is not None
    assert len(alarms(caplog)) == 1
    assert "again and again: another client uses id me;" in alarms(caplog)[0]


def test_two_take_overs_far_apart_are_two_restarts(trouble, caplog):
    live(trouble, TAKEN_OVER, lasting_s=100)
    assert live(trouble, TAKEN_OVER, lasting_s=86_400, start_s=101) is None
    assert not alarms(caplog)


def test_four_short_connections_make_it_likely_and_it_is_said_once(trouble, caplog):
    answers = [live(trouble, EOF, lasting_s=2, start_s=4 * turn) for turn in range(8)]
    assert [answer is None for answer in answers] == [True, True, True, False, False, False, False, False]
    assert len(alarms(caplog)) == 1
    assert "most likely another client uses id me;" in alarms(caplog)[0]


def test_the_one_of_two_twins_that_waits_less_notices_as_well(trouble, caplog):
    for turn in range(4):  # the other one has noticed and comes back every half minute
        live(trouble, EOF, lasting_s=32, start_s=33 * turn)
    assert len(alarms(caplog)) == 1


def test_contested_delays_stay_after_a_connection(trouble):
    for turn in range(4):
        live(trouble, EOF, lasting_s=2, start_s=4 * turn)
    assert trouble.connected(20 * SECOND).shortest >= 20
    assert (
        trouble.lost(EOF, "reason", 10_000 * SECOND, lambda: True).shortest < 20
    )  # it held for hours: the twin is gone
    assert trouble.connected(10_001 * SECOND).shortest < 20


@pytest.mark.parametrize(("code", "lasting_s"), [(KEEP_ALIVE, 2), (EOF, 90)])
def test_a_bad_network_is_no_twin(trouble, caplog, code, lasting_s):
    for turn in range(10):
        assert live(trouble, code, lasting_s=lasting_s, start_s=100 * turn) is None
    assert not alarms(caplog)


def test_a_broker_that_is_restarted_all_the_time_is_no_twin(trouble, caplog):
    for turn in range(10):
        assert live(trouble, EOF, lasting_s=2, start_s=5 * turn) is None
        trouble.unreachable(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), (5 * turn + 3) * SECOND)
    assert not alarms(caplog)


@pytest.mark.parametrize("code", [EOF, SHUTTING_DOWN])
def test_a_broker_that_does_not_listen_or_says_why_was_restarted(trouble, caplog, code):
    for turn in range(10):
        assert live(trouble, code, lasting_s=2, start_s=3 * turn, listens=code != EOF) is None
    assert not alarms(caplog)


def test_a_lost_broker_is_looked_for_at_short_intervals_for_a_minute_and_then_ever_more_rarely(trouble):
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    trouble.connected(0)
    delays = [trouble.lost(EOF, "reason", 100 * SECOND, lambda: False)]
    delays += [trouble.unreachable(refused, (100 + second) * SECOND) for second in range(1, 60)]
    assert all(delay.shortest == delay.longest <= 2.5 for delay in delays)
    assert trouble.unreachable(refused, 161 * SECOND).longest >= 45
    assert trouble.unreachable(refused, 162 * SECOND) is None  # which would begin to double anew


def test_a_broker_that_was_never_there_is_tried_ever_more_rarely(trouble):
    assert trouble.unreachable(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), SECOND) is None


def test_an_outage_is_said_once_and_again_after_a_connection(trouble, caplog):
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    for _ in range(100):
        trouble.unreachable(refused, 0)
    assert len(caplog.records) == 1
    trouble.connected(0)
    trouble.unreachable(refused, 0)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]


def test_ever_new_errors_do_not_flood_the_log(trouble, caplog):
    for number in range(1000):
        trouble.unreachable(OSError(f"error {number}"), 0)
    assert len(caplog.records) < 10


@pytest.mark.parametrize("code", [134, 135])
def test_a_refused_password(trouble, caplog, code):
    assert trouble.refused(code, "Not authorized").shortest >= 45
    assert "refuses user 'joe' (Not authorized): set MNV2_EDGE_MQTT_PASSWORD" in caplog.text


def test_a_refused_client_id_and_another_refusal(trouble, caplog):
    assert trouble.refused(133, "Client identifier not valid").shortest >= 45
    assert "refuses the client id me" in caplog.text
    assert trouble.refused(137, "Server busy").shortest < 5
    assert "refuses the connection (Server busy): trying again" in caplog.text


@pytest.mark.parametrize(
    ("tls", "certificate", "said"),
    [
        (False, False, "does this port speak MQTT, without TLS?"),
        (True, False, "it may want a client certificate: set `cert_file` and `key_file`"),
        (True, True, "it may not accept this client certificate"),
    ],
)
def test_a_connection_that_ends_without_an_answer(caplog, tls, certificate, said):
    ConnectionMonitor("mqtt://h", "me", user="", tls=tls, has_certificate=certificate).unanswered(EOF, 0)
    assert said in caplog.text


def test_a_broker_that_hangs(trouble, caplog):
    trouble.unanswered(KEEP_ALIVE, 0)
    assert "takes connections and does not answer: it may hang" in caplog.text


def test_tls_errors_say_what_to_set(trouble, caplog):
    verify = ssl.SSLCertVerificationError(1, "certificate verify failed")
    verify.verify_message = "self-signed certificate"
    trouble.unreachable(verify, 0)
    assert "(self-signed certificate): name the certificate of who signed it with `ca_file`" in caplog.text
    trouble.unreachable(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), 0)
    assert "does this port speak TLS? The usual one is 8883" in caplog.text


def test_devices_do_not_come_back_at_the_same_moment():
    assert len({Delays.usual().shortest for _ in range(50)}) == 50
    assert all(0.3 <= Delays.usual().shortest <= 2.2 for _ in range(50))
