"""Fetch packages of any Debian release and architecture with an apt of their own, and unpack them without root."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from support.roots.cache import RootUnavailableError

__all__ = ["host_architecture", "mirror", "run_tool", "unpack"]

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
FETCH_S = 240


def unpack(packages: Sequence[str], suite: str, architecture: str, into: Path) -> None:
    """Download the named packages, and nothing that they depend on, and lay their files under `into`.

    apt checks signatures with the machine's own Debian keys. Raises RootUnavailableError.
    """
    work = into / ".apt"
    options = _private_apt(work, suite, architecture)
    try:
        run_tool("apt-get", *options, "update")
        run_tool("apt-get", *options, "download", *packages, cwd=work)
        for package in sorted(work.glob("*.deb")):
            run_tool("dpkg-deb", "--extract", str(package), str(into))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def host_architecture() -> str:
    """Return Debian's name of the architecture that this process runs on."""
    return run_tool("dpkg", "--print-architecture").strip()


def run_tool(*command: str, cwd: Path | None = None, timeout_s: float = FETCH_S) -> str:
    """Run a tool to its end and return what it printed. Raises RootUnavailableError with its last words."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False)
    except FileNotFoundError as exc:
        raise RootUnavailableError(f"{command[0]} is not on this machine: Debian or Ubuntu is needed") from exc
    except subprocess.TimeoutExpired as exc:
        raise RootUnavailableError(f"{command[0]} did not end within {timeout_s:g} s: is there a network?") from exc
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-4:]
        raise RootUnavailableError(f"{' '.join(command[:1])} ended with {done.returncode}: {' / '.join(said)}")
    return done.stdout


def _private_apt(work: Path, suite: str, architecture: str) -> list[str]:
    """Lay out an apt that knows one release only; the machine's own lists and package state are not touched."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    signed_by = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    (work / "sources.list").write_text(f"deb {signed_by}{mirror()} {suite} main\n")
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "",
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Dir::Cache": str(work / "cache"),
        "Dir::Etc::sourcelist": str(work / "sources.list"),
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": str(work),
        "Dir::State::lists": str(work / "lists"),
        "Dir::State::status": str(work / "status"),
    }
    return ["--quiet", *(f"--option={key}={value}" for key, value in settings.items())]


def mirror() -> str:
    """Return the Debian mirror that this machine is set up for, whatever the form of its sources."""
    addresses = run_tool("apt-get", "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages").splitlines()
    for address in addresses:
        if urlsplit(address).path.rstrip("/").endswith("/debian"):
            return address
    known = ", ".join(dict.fromkeys(addresses)) or "nothing"
    raise RootUnavailableError(f"apt has no Debian mirror among its sources ({known})")
