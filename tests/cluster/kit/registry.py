"""The registry on the host's end of the link, and the base image in it."""

from __future__ import annotations

import json
import shutil
import socket

from kit import images
from kit.commands import run, step, write
from kit.layout import Layout
from kit.processes import Processes

DEBOOTSTRAP_SECONDS = 900
SUITE = "bookworm"
NAME = "debian:12"
JUNK = ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")


def start_registry(layout: Layout, processes: Processes) -> None:
    """Starts it: pushed to from here, pulled from by the node, under one name."""
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(layout.state / "registry")}, "delete": {"enabled": True}},
        "http": {"addr": layout.registry},
        "log": {"level": "warn"},
    }
    path = write(layout.conf / "registry.json", json.dumps(config))
    processes.start("registry", "docker-registry", "serve", path, in_node=False)
    processes.wait_for(lambda: _listens(layout.registry), "the registry listens", 20, by="registry")


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True


def push_debian(layout: Layout, registry: str) -> str:
    """Pushes the image that others are built on, Debian 12 with Python 3.11; returns its name."""
    image = f"{registry}/{NAME}"
    images.push(image, [debian_layer(layout)], {"Env": [images.PATH], "Cmd": ["/bin/sh"]})
    return image


def debian_layer(layout: Layout) -> bytes:
    """The base image's only layer: minbase with python3, made once, from the machine's own mirror."""
    whole = layout.debian_layer
    if not whole.exists():
        tree, part = whole.with_suffix(".tree"), whole.with_suffix(".part")
        shutil.rmtree(tree, ignore_errors=True)
        whole.parent.mkdir(parents=True, exist_ok=True)
        with step("making the Debian base image (the first time only)", DEBOOTSTRAP_SECONDS):
            command = ("debootstrap", "--variant=minbase", "--include=ca-certificates,python3", SUITE, tree)
            run(*command, *_mirror(), timeout=DEBOOTSTRAP_SECONDS)
            for folder in JUNK:
                shutil.rmtree(tree / folder, ignore_errors=True)
            same = ("--numeric-owner", "--sort=name", "--mtime=@0")
            run("tar", "-C", tree, *same, "-cf", part, ".", timeout=DEBOOTSTRAP_SECONDS)
        part.replace(whole)
        shutil.rmtree(tree)
    return whole.read_bytes()


def _mirror() -> list[str]:
    """The mirror from which apt itself takes this suite; none where it does not, then debootstrap knows one."""
    wanted = ("Created-By: Packages", f"Codename: {SUITE}", "Component: main")
    return run("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted, check=False).split()[:1]
