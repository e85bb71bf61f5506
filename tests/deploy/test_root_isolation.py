"""install.sh in namespaces of its own: it runs nothing that others have planted.

tests/service shows the same of a whole system.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.laid_over import HOME, act
from support.planted import run_by

pytestmark = pytest.mark.timeout(600)  # pip, several times, on a machine that may be busy

INSTALLED = "/opt/mnv2-edge/current"
AS_SUDO = "/usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin"
"""What leaves nothing but the current folder to be found things in."""
ACTIONS = {
    "control": "cd /tmp && /usr/bin/python3 -c 'import json'",
    "dry-run": "cd /tmp && sh /run/given/tree/deploy/install.sh --dry-run",
    "dry-run by sudo": f"cd /tmp && {AS_SUDO} sh /run/given/tree/deploy/install.sh --dry-run",
    "install": "cd /tmp && sh /run/given/one/install.sh --offline /run/given/one.tar",
    "command": f"cd /tmp && /usr/local/bin/mnv2-edge && {INSTALLED}/venv/bin/mnv2-edge",
    "mend nothing": f"cd /var/lib/mnv2-edge && {INSTALLED}/install.sh --mend",
    "mend nothing by systemd": f"cd /var/lib/mnv2-edge && {AS_SUDO} {INSTALLED}/install.sh --mend",
    "mend": f"cd /var/lib/mnv2-edge && /usr/bin/rm -r {INSTALLED}/venv/lib && {INSTALLED}/install.sh --mend",
    "upgrade": f"cd {HOME} && sh /run/given/two/install.sh --offline ../../run/given/two.tar",
    "rollback": f"cd /var/cache/mnv2-edge && {INSTALLED}/install.sh --rollback",
    "network": "cd /tmp && sh /run/given/tree/deploy/install.sh",
    "uninstall": f"cd /tmp && {INSTALLED}/install.sh --uninstall",
    "purge": f"cd {HOME} && sh /run/given/one/install.sh --purge",
}
NO_NETWORK = {"network"}
"""What goes as far as pip, or the missing parts of it, and then cannot go on."""


@pytest.fixture(scope="module")
def found(given: Path) -> Mapping[str, tuple[int, str, str]]:
    """Return of every action its exit status, what it said, and what of the planted files was run."""
    return act(given, ACTIONS)


def test_what_is_planted_would_tell(found):
    assert run_by(0, found["control"][2])


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"control"}))
def test_nothing_that_is_planted_is_run(found, action):
    status, said, told = found[action]
    assert run_by(0, told) == []
    assert status == 0 or action in NO_NETWORK, said


def test_it_did_what_it_was_to_do(found):
    assert "making its environment again" in found["mend"][1]
    assert "2.0 is installed" in found["upgrade"][1]
    assert "1.0 runs again" in found["rollback"][1]
    assert "fetching wheels" in found["network"][1]


TREE, BUNDLE = "sh /run/given/tree/deploy/install.sh", "sh /run/given/one/install.sh --offline /run/given/one.tar"
WRITABLE = {
    "a folder of the tree": ("/run/given/tree/deploy", TREE),
    "a file of the tree": ("/run/given/tree/pyproject.toml", TREE),
    "what the tree lies in": ("/run/given", TREE),
    "the bundle": ("/run/given/one.tar", BUNDLE),
    "what the bundle lies in": ("/run/given", BUNDLE),
    "where it goes": ("/opt/mnv2-edge", BUNDLE),
}
"""What others may write, and what is refused then."""


@pytest.fixture(scope="module")
def refused(given):
    change = "[ -e {0} ] || mkdir {0}; chmod o+w {0}; {1}; status=$?; chmod o-w {0}; exit $status"
    return act(given, {name: change.format(*what) for name, what in WRITABLE.items()})


@pytest.mark.parametrize("name", WRITABLE)
def test_what_others_may_write_root_does_not_run(refused, name):
    status, said, _ = refused[name]
    assert status == 77, said
    assert "install.sh: error: others may write " in said.splitlines()[-1]


@pytest.fixture(scope="module")
def told(given):
    """Return what became of a tree of ann's with mode 775, by who typed: 77, or 69 for want of a network."""
    users = "echo ann:x:61112: >> /etc/group; echo bob:x:61113:ann >> /etc/group; "
    for name, number in (("ann", 61112), ("bob", 61113)):
        users += f"echo {name}:x:{number}:{number}::/home/{name}:/bin/sh >> /etc/passwd; "
    tree = "chown -R 61112:{0} /run/given/tree; chmod -R g+w /run/given/tree; "
    run = "/usr/bin/env -i {1} sh /run/given/tree/deploy/install.sh"
    typed = {
        "ann": ("61112", "SUDO_UID=61112 SUDO_GID=61112"),
        "bob": ("61112", "SUDO_UID=61113 SUDO_GID=61113"),
        "root": ("61112", ""),
        "nobody knows": ("61112", "SUDO_UID=x SUDO_GID=y"),
        "ann, group of others": ("61113", "SUDO_UID=61112 SUDO_GID=61113"),
    }
    commands = {who: (users if who == "ann" else "") + (tree + run).format(*what) for who, what in typed.items()}
    return {who: what[:2] for who, what in act(given, commands).items()}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
class TestATreeOfWhoTypedSudo:
    """A checkout is somebody's; what they type is trusted, and so is what they own."""

    def test_is_taken(self, told):
        status, said = told["ann"]
        assert (status, "others may write" in said) == (69, False), said

    @pytest.mark.parametrize("who", ["bob", "root", "nobody knows", "ann, group of others"])
    def test_is_refused_to_anybody_else(self, told, who):
        status, said = told[who]
        assert status == 77, said
        assert "others may write /run/given/tree, and root would run it" in said
