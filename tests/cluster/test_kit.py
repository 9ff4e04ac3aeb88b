"""What the kit does where there is no cluster; needs no root, and is part of `make test`."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from kit.commands import KitError, run
from kit.golang import fits
from kit.layout import MOST_CLUSTERS, Layout

COMMAND_LINE = Path(__file__).with_name("cluster.py")


def start(*args: str, **environ: str) -> subprocess.Popen[str]:
    """Starts the kit's command line with Python's standard library alone, and with nothing in PATH."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("KEA_", "KUBE"))}
    return subprocess.Popen(  # noqa: S603 - the command itself is what is tested
        [sys.executable, "-S", str(COMMAND_LINE), *args],
        env={**clean, "PATH": "/nowhere", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def call(*args: str, **environ: str) -> tuple[int, str, str]:
    """Runs the command line to its end: exit code, output, errors."""
    with start(*args, **environ) as process:
        out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_run_without_a_cluster_says_what_a_node_lacks_here() -> None:
    code, out, err = call("run", "/bin/true")
    assert (code, out) == (1, "")
    assert err.startswith("cluster: no cluster: KUBECONFIG is not set, and a node of our own needs ")
    assert "apt" in err


def test_run_on_anothers_cluster_asks_for_a_registry() -> None:
    code, _, err = call("run", "/bin/true", KUBECONFIG="/some")
    assert code == 1
    assert "KEA_TEST_REGISTRY" in err


def test_run_on_anothers_cluster_hands_over_and_returns_the_commands_exit_code() -> None:
    given = {"KUBECONFIG": "/some", "KEA_TEST_REGISTRY": "there:5000"}
    code, out, _ = call("run", "/bin/sh", "-c", 'echo "$KUBECONFIG $KEA_TEST_REGISTRY"; exit 5', **given)
    assert (code, out) == (5, "/some there:5000\n")


def test_run_passes_on_the_request_to_end() -> None:
    script = "trap 'echo cleared; exit 7' TERM; echo ready; while :; do read -r line; done"
    with start("run", "/bin/bash", "-c", script, KUBECONFIG="/some", KEA_TEST_REGISTRY="there:5000") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30)[0] == "cleared\n"
    assert process.returncode == 7


def test_an_unknown_cluster_is_refused() -> None:
    code, _, err = call("status", KEA_CLUSTER=str(MOST_CLUSTERS))
    assert (code, err) == (1, "cluster: KEA_CLUSTER is '16'; it is the number of a cluster, 0 to 15\n")


def test_clusters_beside_one_another_share_no_address_and_no_name(tmp_path: Path) -> None:
    layouts = [replace(Layout(tmp_path), number=number) for number in range(MOST_CLUSTERS)]
    for name in ("name", "state", "host_link", "node_link", "host_ip", "node_ip", "registry", "api"):
        assert len({getattr(layout, name) for layout in layouts}) == MOST_CLUSTERS, name
    assert max(len(layout.host_link) for layout in layouts) <= 15  # the longest name of a link
    networks = [ipaddress.IPv4Network(cidr) for layout in layouts for cidr in (layout.pod_cidr, layout.service_cidr)]
    assert len(list(ipaddress.collapse_addresses(networks))) == 2  # each is a part of 10.244.0.0/16 or 10.96.0.0/16
    assert sum(network.num_addresses for network in networks) == 2 * 2**16
    for layout in layouts:
        services = ipaddress.IPv4Network(layout.service_cidr)
        assert {ipaddress.IPv4Address(layout.api_service_ip), ipaddress.IPv4Address(layout.dns_ip)} <= set(services)


@pytest.mark.parametrize(
    ("version", "fit"),
    [
        ("go1.26.3", False),
        ("go1.26.4", True),
        ("go1.26.12", True),
        ("go1.27.0", False),
        ("go1.27rc1", False),
        ("", False),
    ],
)
def test_only_a_go_that_builds_all_of_it_is_taken(version: str, fit: bool) -> None:  # noqa: FBT001 - a parameter
    assert fits(version) == fit


def test_a_program_that_takes_too_long_is_ended_with_its_children() -> None:
    begun = time.monotonic()
    with pytest.raises(KitError, match="not done after 1 s"):
        run("sh", "-c", "sleep 60 & wait", timeout=1)
    assert time.monotonic() - begun < 30  # a child that lived on would have held the pipe that is read to its end


def test_a_program_that_is_not_there_is_a_failure_like_others() -> None:
    with pytest.raises(KitError, match="nosuch: No such file or directory"):
        run("nosuch")
    assert run("nosuch", check=False) == ""
