"""containerd: its configuration, and the images that are put into it by hand."""

from __future__ import annotations

import json
from pathlib import Path

from kit import images
from kit.commands import run, say, wait_until, write
from kit.layout import Layout
from kit.processes import Processes

SNAPSHOTTERS = ("btrfs", "zfs", "devmapper", "aufs")  # those that are not used, and complain


def start_containerd(layout: Layout, processes: Processes) -> None:
    """Starts it, with the images in it that no registry has."""
    _configure(layout)
    processes.start("containerd", "containerd", "--config", layout.conf / "containerd.toml")
    processes.wait_for(lambda: answers(layout), "containerd answers", 30, by="containerd")
    for name, config, extra in (
        ("pause", {"User": "65535:65535"}, {}),
        ("coredns", {}, {}),
        ("metrics-server", {"User": "65534"}, {"tmp/.keep": b""}),
    ):
        layer = images.tar({name: (layout.binaries / name).read_bytes(), **extra})
        whole = images.archive(f"kea.local/{name}:1", [layer], {"Entrypoint": [f"/{name}"], **config})
        path = layout.state / "image.tar"
        path.write_bytes(whole)
        ctr(layout, "images", "import", path)
        path.unlink()


def answers(layout: Layout) -> bool:
    """Says whether containerd can be asked."""
    return "Server" in ctr(layout, "version", check=False, timeout=10)


def end_containers(layout: Layout, processes: Processes) -> None:
    """Ends all containers; the kubelet must be gone by then, or it starts them again."""
    if not (layout.state / "containerd").exists():
        return
    if not processes.alive("containerd"):  # it died: only it can end the containers it left
        processes.start("containerd", "containerd", "--config", layout.conf / "containerd.toml", in_node=False)
        deadline = 20
        if not wait_until(lambda: answers(layout), deadline):
            say(f"containerd does not answer after {deadline} s; its containers may be left")
    if tasks := ctr(layout, "tasks", "list", "-q", check=False).split():
        ctr(layout, "tasks", "rm", "-f", *tasks, check=False)


def ctr(layout: Layout, *args: object, check: bool = True, timeout: float = 120) -> str:
    """Runs containerd's own client in the namespace of the kubelet's images."""
    return run("ctr", "--address", layout.socket, "-n", "k8s.io", *args, check=check, timeout=timeout)


def load_archive(layout: Layout, path: Path) -> list[str]:
    """Puts an image's archive on the node, and into the registry if its name says so; returns the images' names.

    A name without a registry gets that of the public default; such images run with imagePullPolicy IfNotPresent or
    Never.
    """
    names = [line.split()[1] for line in ctr(layout, "images", "import", path).splitlines()]
    for name in names:
        if name.startswith(f"{layout.registry}/"):
            ctr(layout, "images", "push", "--plain-http", name)
    return names


def _configure(layout: Layout) -> None:
    addresses = {
        "type": "host-local",
        "dataDir": str(layout.state / "cni"),  # in the common folder, addresses leak from one run to the next
        "ranges": [[{"subnet": layout.pod_cidr}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
    conflist = {"cniVersion": "1.0.0", "name": layout.name, "plugins": plugins}
    write(layout.conf / "cni" / "10-bridge.conflist", json.dumps(conflist))
    url = f"http://{layout.registry}"
    hosts = f'server = "{url}"\n[host."{url}"]\n'
    write(layout.conf / "certs.d" / layout.registry / "hosts.toml", hosts)
    write(layout.conf / "containerd.toml", _containerd_toml(layout))


def _containerd_toml(layout: Layout) -> str:
    disabled = json.dumps([f"io.containerd.snapshotter.v1.{name}" for name in SNAPSHOTTERS])
    # restrict_oom_score_adj: where a container may not lower it, as in many a CI machine, pods would not start.
    return f"""version = 2
root = "{layout.state}/containerd"
state = "{layout.state}/containerd-run"
disabled_plugins = {disabled}
[grpc]
  address = "{layout.socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{layout.state}/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "kea.local/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{layout.conf}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{layout.conf}/certs.d"
"""
