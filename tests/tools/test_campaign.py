"""The campaign finds what is planted: a harness that cannot fail proves nothing."""

import json
import os
import random
import sys
import time
from pathlib import Path

import pytest

from campaign import forks, mutated
from campaign.brokers import count_lost, silent_loss
from campaign.clocks import PROMISE
from campaign.curves import draw
from campaign.document import write
from campaign.forks import Order, Outcome
from campaign.formats import FORMATS
from campaign.jumping import jumping
from campaign.ledger import Failure, Ledger
from campaign.mutators import mutate, mutate_tree
from campaign.slope import theil_sen
from campaign.soak import Sample, judge

GOOD = Outcome(1, ["config", "check", "c.yaml"], 78, 0.1, 60.0, hung=False, said="mnv2-edge: error: no")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"status": -11}, "ended with -11"),
        ({"status": 70}, "ended with 70"),
        ({"status": 3}, "ended with 3"),
        ({"hung": True, "status": -9}, "hung"),
        ({"rss_mib": 513.0}, "512 are promised"),
        ({"rss_mib": 401.0, "argv": ["run"]}, "400 are promised"),
        ({"outside": ["open '/etc/evil'"]}, "wrote elsewhere"),
        ({"said": "Traceback (most recent call last)"}, "traceback"),
        ({"said": ""}, "said nothing"),
        ({"argv": []}, "could not be made"),
    ],
)
def test_every_way_to_fail_is_seen(changes: dict[str, object], word: str) -> None:
    assert mutated.judge(GOOD) == []
    assert word in mutated.judge(Outcome(**{**GOOD.__dict__, **changes}))[0]


def planted(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, timeout_s: float = 10.0) -> Outcome:
    """Run a case whose command does something that no command may do."""

    def misbehave(_argv: list[str]) -> int:
        match kind:
            case "crash":
                os.abort()
            case "hang":
                time.sleep(60)
            case "memory":
                held = bytearray(600 << 20)
                held[::4096] = b"x" * len(held[::4096])
            case "outside":
                Path("../../../evil").write_text("x")
            case "natively outside":
                os.system("touch ../evil")
            case "traceback":
                raise ZeroDivisionError
        return 0

    import mnv2_edge.__main__ as program

    monkeypatch.setattr(program, "main", misbehave)
    samples = tmp_path / "samples"
    samples.mkdir()
    order = Order("planted", 1, 0, str(samples), str(tmp_path / "box"), timeout_s)
    return forks.run(order, lambda _draw, _samples, _folder: ["config", "check", "x"])


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("crash", "ended with -6"),
        ("memory", "512 are promised"),
        ("outside", "wrote elsewhere"),
        ("natively outside", "wrote elsewhere"),
        ("traceback", "ended with 99"),
        ("nothing", None),
    ],
)
def test_what_is_planted_is_found(kind: str, word: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = mutated.judge(planted(kind, monkeypatch, tmp_path))
    assert (word in wrong[0]) if word else (wrong == [])
    assert not (tmp_path / "box").exists()


def test_a_hang_is_found_and_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    outcome = planted("hang", monkeypatch, tmp_path, timeout_s=0.3)
    assert "hung" in mutated.judge(outcome)[0]
    assert outcome.seconds < 10


def test_a_case_goes_through_the_real_command(tmp_path: Path) -> None:
    server = mutated.ForkServer(tmp_path, tmp_path / "boxes", seed=1)
    samples = FORMATS["YAML"]
    samples.prepare(tmp_path)
    try:
        outcomes = [server.ask("YAML", number) for number in range(3)]
    finally:
        server.close()
    assert [mutated.judge(outcome) for outcome in outcomes] == [[], [], []]
    assert all(outcome.argv[0] in {"config", "run"} for outcome in outcomes)


def test_damage_is_repeated_by_its_seed_and_differs_between_cases() -> None:
    raw = bytes(range(256)) * 8
    damaged = [mutate(random.Random(f"7/{number}"), raw) for number in range(200)]
    assert damaged == [mutate(random.Random(f"7/{number}"), raw) for number in range(200)]
    assert len({*damaged}) > 190
    assert mutate_tree(random.Random(1), {"a": [1, {"b": 2}]}) != {"a": [1, {"b": 2}]}


def test_a_campaign_goes_on_where_it_was_unless_it_had_finished_or_is_another(tmp_path: Path) -> None:
    file, settings = tmp_path / "state.json", {"seed": 1}
    ledger = Ledger.resume(file, settings)
    row = ledger.row("clock", PROMISE, 3)
    ledger.count(row, [Failure("clock:0", "late")], seconds=2.0)
    ledger.count(row, [], seconds=1.0)
    ledger.save(60.0)
    again = Ledger.resume(file, settings)
    assert again.elapsed_s == 60.0
    assert (again.rows["clock"].tried, again.rows["clock"].failed, again.rows["clock"].figures) == (
        2,
        1,
        {"seconds": 2.0},
    )
    assert again.rows["clock"].failures == [Failure("clock:0", "late")]
    assert Ledger.resume(file, {"seed": 2}).rows == {}
    again.save(90.0, finished=True)
    assert Ledger.resume(file, settings).rows == {}


@pytest.mark.parametrize(("tried", "failed", "held"), [(3, 0, True), (2, 0, False), (3, 1, False)])
def test_what_was_not_tried_was_not_kept(tried: int, failed: int, held: bool, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state.json", {})
    row = ledger.row("x", "", 3)
    ledger.count(row, [Failure("x", "")] * failed, tried)
    assert row.held is held


def test_losses_that_are_told_are_told_apart_from_silent_ones() -> None:
    assert count_lost("INFO x: 100 frames in 2 s, 0 dropped, 0 skipped") is None
    assert count_lost("INFO x: 100 frames in 2 s; 0 dropped, 0 skipped; 34 records lost") == 34
    assert count_lost("INFO x: 100 frames in 2 s; 5 dropped, 0 skipped; 0 records lost") == 0


@pytest.mark.parametrize(
    ("delivered", "said", "word"),
    [
        ({1, 2, 3}, "; 0 records lost", None),
        ({1, 3}, "; 1 records lost", None),
        ({1, 3}, "; 0 records lost", "1 of 3 did not come in, 0 are counted"),
        ({1, 2, 3}, "killed before its last line", "None are counted"),
    ],
)
def test_a_silent_loss_is_found(delivered: set[int], said: str, word: str | None) -> None:
    found = silent_loss({1, 2, 3}, delivered, said)
    assert (word in found) if word else (found == "")
    assert "nothing was published" in silent_loss(set(), set(), said)


def soaked(grows_kib_an_hour: float, seed: int = 1):
    draw = random.Random(seed)
    samples, drift = [], 0.0
    for number in range(720):
        drift = 0.8 * drift + draw.gauss(0, 100)
        samples.append(Sample(5.0 * number, int(90_000 + drift + grows_kib_an_hour * number / 720), 10, 11))
    return judge(samples, 1000, 0)


def test_a_leak_is_found_in_noise_that_has_a_memory_and_noise_is_not_called_a_leak() -> None:
    assert "RSS" in soaked(2000).grows()[0]
    assert abs(soaked(2000).rss.value - 2000) < 500
    assert sum(bool(soaked(0, seed).grows()) for seed in range(15)) <= 2


def test_a_line_has_its_slope() -> None:
    slope = theil_sen([0, 1, 2, 3, 4, 5], [1, 3, 5, 7, 9, 400])
    assert slope.value == 2.0


def test_the_page_tells_failures_and_what_was_not_tried(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state.json", {"seed": 5})
    ledger.count(ledger.row("damaged JPEG", mutated.PROMISE, 3), [Failure("JPEG:0", "took 900 MiB")], 2, seconds=1.5)
    write(ledger, tmp_path / "page.md", command="make campaign", soak="")
    text = (tmp_path / "page.md").read_text()
    assert "| damaged JPEG |" in text
    assert "2 cases, 1 failures" in text
    assert "damaged JPEG 2 of 3" in text
    assert "took 900 MiB" in text
    assert draw(soaked(0)).count("<polyline") == 3


def test_the_wall_clock_jumps_and_stays_after_1970() -> None:
    moments = iter(range(1000))
    now = jumping(lambda: 1.7e9, lambda: next(moments) / 10, "1")
    seen = [now() for _ in range(300)]
    assert min(seen) >= 0
    assert max(seen) - min(seen) > 1e9


def test_samples_are_json(tmp_path: Path) -> None:
    assert json.loads(json.dumps(Sample(1.0, 2, 3, 4).__dict__))["rss_kib"] == 2
    assert sys.platform == "linux"
