"""Damaged engines: the hash finds them; with a hash that fits, the child or the golden test does."""

import hashlib
import logging
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mnv2_engines.engine.engine import read_engine
from mnv2_engines.engine.facts import FileFacts
from mnv2_engines.engine.manifest import Manifest, encode_manifest, manifest_path
from mnv2_engines.errors import CorruptEngineError

_log = logging.getLogger(__name__)

FAST, ALL = 100, 2000
_TABLES = 8192


@pytest.fixture(scope="module")
def engine(root: Path) -> tuple[bytes, Manifest]:
    """Return the packaged demo engine, which has a golden test."""
    read = read_engine(root / "engines" / "mnv2_engines" / "demo" / "demo.tflite")
    assert read.manifest is not None
    assert read.manifest.golden is not None
    return read.path.read_bytes(), read.manifest


def damage(whole: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield damaged copies: flipped bits anywhere and among the tables, blocks of zeros or noise, cut-off ends."""
    rng = random.Random(seed)
    made = 0
    while made < count:
        mutant = bytearray(whole)
        kind = made % 5
        if kind in {0, 1}:  # most bytes are weights; offsets and shapes lie at the two ends
            for _ in range(rng.randint(1, 8)):
                near = rng.choice([rng.randrange(_TABLES), len(whole) - 1 - rng.randrange(_TABLES)])
                mutant[rng.randrange(len(whole)) if kind else near] ^= 1 << rng.randrange(8)
        elif kind == 4:
            del mutant[rng.randrange(8, len(whole)) :]
        else:
            start, length = rng.randrange(8, len(whole)), rng.randint(1, 64)
            noise = rng.randbytes(length) if kind == 3 else bytes(length)
            mutant[start : start + length] = noise[: len(whole) - start]
        if bytes(mutant) != whole:
            made += 1
            yield bytes(mutant)


def hash_catches(engine: tuple[bytes, Manifest], folder: Path, count: int) -> None:
    whole, manifest = engine
    path = folder / "net.tflite"
    manifest_path(path).write_bytes(encode_manifest(manifest))
    for mutant in damage(whole, count, seed=1):
        path.write_bytes(mutant)
        with pytest.raises(CorruptEngineError, match="not the file that was verified"):
            read_engine(path)


def main_process_survives(engine: tuple[bytes, Manifest], folder: Path, count: int) -> None:
    whole, manifest = engine
    paths = []
    for number, mutant in enumerate([whole, *damage(whole, count, seed=2)]):
        path = folder / f"{number}.tflite"
        path.write_bytes(mutant)
        facts = FileFacts(file=path.name, sha256=hashlib.sha256(mutant).hexdigest(), bytes=len(mutant))
        manifest_path(path).write_bytes(encode_manifest(msgspec.structs.replace(manifest, engine=facts)))
        paths.append(str(path))
    script = Path(__file__).parents[2] / "support" / "try_engines.py"
    command = [sys.executable, str(script), str(folder / "cache"), *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = dict(line.split() for line in done.stdout.splitlines())
    assert list(outcomes) == paths
    assert outcomes.pop(paths[0]) == "accepted"
    seen = Counter(outcomes.values())
    _log.info("%d damaged engines with a hash that fits: %s", count, dict(seen))
    # What is accepted still makes the golden outputs to the last bit: a weight's lowest bit, a name, padding.
    assert set(seen) <= {"accepted", "CorruptEngineError", "EngineError"}
    assert seen["CorruptEngineError"] > count / 2


def test_the_hash_catches_damaged_engines(engine, tmp_path: Path) -> None:
    hash_catches(engine, tmp_path, FAST)


@pytest.mark.timeout(300)
def test_with_a_hash_that_fits_the_main_process_survives(engine, tmp_path: Path) -> None:
    main_process_survives(engine, tmp_path, FAST // 2)


@pytest.mark.acceptance
@pytest.mark.timeout(3600)
def test_two_thousand_damaged_engines(engine, tmp_path: Path) -> None:
    hash_catches(engine, tmp_path, ALL)
    main_process_survives(engine, tmp_path, ALL)
