"""SIGKILL at a random moment of every command: what was there stays whole, and the same command succeeds again."""

import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from campaign.formats import networks, weights
from campaign.ledger import Failure, Ledger
from campaign.samples import PATIENCE_S, samples_of
from mnv2_engines.store import Store
from mnv2_engines.store.readiness import verify_stored
from support.command import call, start
from support.file_server import FileServer, file_server

PROMISE = "after SIGKILL at a random moment store and files are whole, and the same command succeeds"
_AGAIN_EVERY = 10
"""The command is run to its end after so many kills, and at the end."""


@dataclass(frozen=True)
class Victim:
    """A command to kill; `look` says what is broken in the home it left."""

    name: str
    argv: tuple[str, ...]
    look: Callable[[], str]
    before: Callable[[], object] = int
    """Clears what an earlier success has made, where the command refuses to do it again."""


def kill_all(
    ledger: Ledger, folder: Path, wanted: int, seed: int, until: Callable[[], bool], told: Callable[[str], None]
) -> None:
    """Kill every command so many times."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with _victims(folder) as victims:
        for victim in victims:
            _kill(victim, ledger, folder / "home", wanted, seed, until)
            row = ledger.rows[f"kills of `{victim.name}`"]
            told(f"{row.name}: {row.tried} of {wanted}, {row.failed} failures")
            if until():
                return


def _kill(victim: Victim, ledger: Ledger, home: Path, wanted: int, seed: int, until: Callable[[], bool]) -> None:
    row = ledger.row(f"kills of `{victim.name}`", PROMISE, wanted)
    takes_s, wrong = _to_the_end(victim, home)
    if wrong:
        ledger.count(row, [Failure(f"kill:{victim.name}", wrong)], tried=0)
        return
    while row.tried < wanted and not until():
        draw = random.Random(f"{seed}/{victim.name}/{row.tried}")
        victim.before()
        process = start(*victim.argv, home=home)
        after_s = draw.uniform(0.02, 1.0) * takes_s
        try:
            process.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        else:  # it was quicker than it was at first
            takes_s = max(0.1, takes_s * 0.97)
            continue
        wrong = victim.look()
        if not wrong and (row.tried + 1) % _AGAIN_EVERY == 0:
            _, wrong = _to_the_end(victim, home)
        ledger.count(row, [Failure(f"kill:{victim.name}:{after_s:.3f}", wrong)] if wrong else [])
    _, wrong = _to_the_end(victim, home)
    if wrong:
        ledger.count(row, [Failure(f"kill:{victim.name}:end", wrong)], tried=0)


def _to_the_end(victim: Victim, home: Path) -> tuple[float, str]:
    """Run the command undisturbed; return its seconds, and what is wrong with it or what it left."""
    victim.before()
    began = time.monotonic()
    try:
        done = call(*victim.argv, home=home, timeout_s=PATIENCE_S)
    except subprocess.TimeoutExpired:
        return PATIENCE_S, f"undisturbed it did not end within {PATIENCE_S:.0f} s"
    if done.returncode:
        return 0.0, f"undisturbed it ended with {done.returncode}: {done.stderr[-400:]}"
    return time.monotonic() - began, victim.look()


@contextmanager
def _victims(folder: Path) -> Iterator[list[Victim]]:
    samples, home = samples_of(networks.prepare, folder.parent / "samples"), folder / "home"
    weight_files = samples_of(weights.prepare, folder.parent / "samples")
    shutil.copytree(samples / "home", home, symlinks=True)
    data = folder / "data"
    for number, label in enumerate(("0", "1")):
        (data / label).mkdir(parents=True)
        shutil.copy(samples / "photos" / f"{number}.png", data / label)
    out = folder / "out"
    out.mkdir()
    (out / "s.yaml").write_text("version: 1\ncameras: [{uri: demo}]\n")
    with file_server() as server:
        catalogue = _publish(server, samples)
        yield [
            Victim(
                "run",
                ("run", "--camera", "demo", "--max-frames", "20", "--save", str(out / "seen"), "--format", "none"),
                lambda: _store(home),
            ),
            Victim(
                "build-engine",
                (
                    "build-engine",
                    str(samples / "tiny.onnx"),
                    "--name",
                    "tiny",
                    "--calibration",
                    str(samples / "photos"),
                    "--accept-loss",
                ),
                lambda: _store(home),
            ),
            Victim(
                "evaluate",
                ("evaluate", "--model", "tiny", "--data", str(data), "--report", str(out / "r.html")),
                lambda: _store(home) or _whole_text(out / "r.html", "</html>"),
            ),
            Victim(
                "engines export",
                ("engines", "export", "tiny", str(out / "b.mnv2"), "--force"),
                lambda: _store(home) or _bundle(out / "b.mnv2", folder),
            ),
            Victim("engines import", ("engines", "import", str(samples / "tiny.mnv2")), lambda: _store(home)),
            Victim(
                "models add",
                catalogue,
                lambda: _models(home, samples / "tiny.onnx"),
                lambda: call("models", "remove", "net", home=home),
            ),
            Victim(
                "models pull",
                ("models", "pull", "net"),
                lambda: _models(home, samples / "tiny.onnx"),
                lambda: shutil.rmtree(home / "models" / "net", ignore_errors=True),
            ),
            Victim(
                "import-weights",
                (
                    "import-weights",
                    str(weight_files / "w.pth"),
                    "-o",
                    str(out / "m.onnx"),
                    "--resolution",
                    "32",
                    "--force",
                ),
                lambda: _onnx(out / "m.onnx", home),
            ),
            Victim(
                "config init", ("config", "init", str(out / "c.yaml"), "--force"), lambda: _yaml(out / "c.yaml", home)
            ),
            Victim(
                "setup",
                ("setup", str(out / "s.yaml"), "--yes", "--seconds", "0.3"),
                lambda: _yaml(out / "s.yaml", home),
            ),
            Victim(
                "doctor --report",
                ("doctor", "--report", str(out / "report.tar.gz"), "--force"),
                lambda: _archive(out / "report.tar.gz"),
            ),
        ]


def _publish(server: FileServer, samples: Path) -> tuple[str, ...]:
    """Serve a network; return the command that adds it, so that it may be pulled."""
    server.files["net.onnx"] = (samples / "tiny.onnx").read_bytes()
    return ("models", "add", f"{server.url}/net.onnx", "--name", "net")


def _store(home: Path) -> str:
    store = Store(home)
    if store.names() != ("tiny",):
        return f"the store holds {store.names()}, expected ('tiny',)"
    found = verify_stored(store, "tiny")
    return "" if found.state == "ok" else f"the engine is {found.state}: {found.why}"


def _models(home: Path, original: Path) -> str:
    """Look at the list and, where the network stands under its name, at each of its bytes."""
    done = call("models", "list", home=home, timeout_s=PATIENCE_S)
    if done.returncode:
        return f"`models list` ends with {done.returncode}: {done.stderr}"
    pulled = home / "models" / "net" / "net.onnx"
    return "net.onnx is torn" if pulled.exists() and pulled.read_bytes() != original.read_bytes() else ""


def _whole_text(file: Path, end: str) -> str:
    if not file.exists() or file.read_text().rstrip().endswith(end):
        return ""
    return f"{file.name} is torn"


def _bundle(file: Path, folder: Path) -> str:
    if not file.exists():
        return ""
    with_bundle = folder / "elsewhere"
    shutil.rmtree(with_bundle, ignore_errors=True)
    done = call("engines", "import", file, home=with_bundle, timeout_s=PATIENCE_S)
    return "" if done.returncode == 0 else f"{file.name} is torn: {done.stderr}"


def _onnx(file: Path, home: Path) -> str:
    if not file.exists():
        return ""
    done = call("inspect", file, "--summary", home=home, timeout_s=PATIENCE_S)
    return "" if done.returncode == 0 else f"{file.name} is torn: {done.stderr}"


def _yaml(file: Path, home: Path) -> str:
    if not file.exists():
        return ""
    done = call("config", "check", file, home=home, timeout_s=PATIENCE_S)
    whole = isinstance(yaml.safe_load(file.read_text()), dict)
    return "" if done.returncode == 0 and whole else f"{file.name} is torn: {done.stderr}"


def _archive(file: Path) -> str:
    if not file.exists():
        return ""
    import tarfile

    try:
        with tarfile.open(file) as archive:
            archive.getmembers()
    except (OSError, tarfile.TarError, EOFError) as exc:
        return f"{file.name} is torn: {exc}"
    return ""
