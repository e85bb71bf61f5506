"""install.sh as a user without root meets it; what it does to a system is shown in tests/service."""

import os
import shutil
import subprocess

import pytest

from support.system import need_command


@pytest.fixture
def script(root):
    return root / "deploy" / "install.sh"


def run(script, *args, **options):
    return subprocess.run(["sh", script, *args], capture_output=True, text=True, check=False, **options)


def test_shellcheck_has_nothing_to_say(script):
    done = subprocess.run(
        [need_command("shellcheck", "shellcheck"), script], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(script, tmp_path):
    before = sorted(tmp_path.iterdir())
    done = run(script, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for words in (
        "python3 -I -m venv --without-pip --system-site-packages /opt/mnv2-edge/VERSION/venv",
        "mv -T /opt/mnv2-edge/.current /opt/mnv2-edge/current",
        "systemctl daemon-reload",
    ):
        assert words in done.stdout
    assert sorted(tmp_path.iterdir()) == before


def test_every_change_to_the_system_is_among_what_a_dry_run_says(script):
    """A command that changes something and does not go through `run` would be carried out by a dry run too."""
    dangerous = ("rm ", "mv ", "ln ", "cp ", "install ", "systemd-", "systemctl enable", "systemctl daemon", "userdel")
    real = ("clean_up()", "check_place()", "unpack_bundle()", "fetch_wheels()")  # which a dry run leaves at once
    guarded, inside = [], False
    for line in script.read_text().splitlines():
        words = line.strip()
        inside = (inside or words.startswith(real)) and words != "}"
        if words.startswith(dangerous) and not inside:
            guarded.append(words)
    # those stand in the branch that a dry run does not take
    assert all("$target" in words or "$work" in words for words in guarded), guarded


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (["--ofline", "x"], 2, "--ofline is not an option"),
        (["--offline"], 2, "--offline wants an archive"),
        (["--dry-run", "--offline", "/nowhere.tar"], 2, "/nowhere.tar is not there"),
    ],
)
def test_a_mistake_is_one_line(script, args, status, words):
    done = run(script, *args)
    assert done.returncode == status
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_who_is_not_root_is_told_so(script):
    if os.geteuid() != 0:
        done = run(script)
    else:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("setpriv is not there to stop being root with")
        done = subprocess.run(
            [setpriv, "--reuid=65534", "--clear-groups", "sh", "-s"],
            input=script.read_text(),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 77
    assert "only root may install a service" in done.stderr


def test_help_names_every_option(script):
    text = script.read_text()
    shown = run(script, "--help").stdout
    for option in ("--offline", "--uninstall", "--purge", "--mend", "--rollback", "--dry-run"):
        assert option in shown
        assert option in text.partition("main() {")[2]
