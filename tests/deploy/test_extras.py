"""install.sh brings what a configuration of the service may name: PyAV for RTSP, on a Jetson a package for CUDA."""

import pytest

from support.laid_over import act

pytestmark = pytest.mark.timeout(600)  # pip, several times, on a machine that may be busy

JETSON = "echo '# R36 (release), REVISION: 4.0' > /etc/nv_tegra_release; "
OTHER = "rm -f /etc/nv_tegra_release; "
ONE = "sh /run/given/one/install.sh --offline /run/given/one.tar && "
TWO = "sh /run/given/two/install.sh --offline /run/given/two.tar && "
IMPORTED = (
    "/opt/mnv2-edge/current/venv/bin/python -I -c "
    '\'import importlib.util as u; print([name for name in ("av", "cuda") if u.find_spec(name)])\''
)
PURGE = "; status=$?; sh /run/given/one/install.sh --purge; exit $status"
TREE = "sh /run/given/tree/deploy/install.sh --dry-run"


@pytest.fixture(scope="module")
def told(given):
    return act(
        given,
        {
            "jetson": f"{JETSON}{ONE}{IMPORTED}{PURGE}",
            "other": f"{OTHER}{ONE}{IMPORTED}{PURGE}",
            "does not fit": f"{JETSON}{TWO}{IMPORTED}{PURGE}",
            "over the network on a jetson": f"{JETSON}{TREE}",
            "over the network": f"{OTHER}{TREE}",
        },
    )


@pytest.mark.parametrize(
    ("system", "modules"), [("jetson", "['av', 'cuda']"), ("other", "['av']"), ("does not fit", "['av']")]
)
def test_a_bundle_brings_what_fits(told, system, modules):
    status, said, _ = told[system]
    assert status == 0, said
    assert modules in said.splitlines()
    assert ("mnv2-edge[cuda] do not fit" in said) == (system == "does not fit")


@pytest.mark.parametrize(
    ("system", "extras"), [("over the network on a jetson", "[rtsp,cuda]"), ("over the network", "[rtsp]")]
)
def test_pip_is_asked_for_them(told, system, extras):
    status, said, _ = told[system]
    assert status == 0, said
    assert f"pip wheel --wheel-dir WHEELS pip /run/given/tree{extras}" in said
