"""The node's network namespace, and the link by which the host reaches pods, Services and NodePorts."""

from __future__ import annotations

from kit.commands import run
from kit.layout import Layout


def make_network(layout: Layout) -> None:
    """Makes the namespace, a veth into it, and the host's routes to pods and Services."""
    run("ip", "netns", "add", layout.name)
    run("ip", "link", "add", layout.host_link, "type", "veth", "peer", "name", layout.node_link)
    run("ip", "link", "set", layout.node_link, "netns", layout.name)
    run("ip", "addr", "add", f"{layout.host_ip}/24", "dev", layout.host_link)
    run("ip", "link", "set", layout.host_link, "up")
    inside = ("ip", "-n", layout.name)
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "addr", "add", f"{layout.node_ip}/24", "dev", layout.node_link)
    run(*inside, "link", "set", layout.node_link, "up")
    run(*inside, "route", "add", "default", "via", layout.host_ip)
    for cidr in (layout.pod_cidr, layout.service_cidr):
        run("ip", "route", "replace", cidr, "via", layout.node_ip)
    run(*enter(layout), "sysctl", "-qw", "net.ipv4.ip_forward=1")


def enter(layout: Layout) -> list[str]:
    """What a command begins with to run in the node's network.

    Only the network is separate: `ip netns exec` would also remount /sys and hide the cgroups.
    """
    return ["nsenter", f"--net=/run/netns/{layout.name}"]


def remove_network(layout: Layout) -> None:
    """Removes both; with the namespace go the node's iptables rules, its bridge and the pods' veths."""
    run("ip", "link", "del", layout.host_link, check=False)
    run("ip", "netns", "del", layout.name, check=False)
