"""The programs that are built from Go modules."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kit.commands import step, write
from kit.golang import Go
from kit.layout import TOOLS, Layout

NAMES = (
    "kubernetes",
    "etcd",
    "helm",
    "kwok",
    "metrics-server",
    "prometheus-adapter",
    "coredns",
    "versitygw",
    "pause",
)
BUILD_SECONDS = 2400
LIST_SECONDS = 300
STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")


def build_all(layout: Layout) -> None:
    """Builds what is not in the cache yet.

    Raises:
        KitError: there is no Go for it, or something did not compile.
    """
    go = Go.of(layout)
    for name in NAMES:
        _build(layout, go, name)


def _build(layout: Layout, go: Go, name: str) -> None:
    """Builds a folder of `tools` into the cache, unless the same source was built last, with the same flags and Go."""
    source = TOOLS / name
    flags = f"-s -w{_versions(go)}" if name == "kubernetes" else "-s -w"
    content = b"".join(path.read_bytes() for path in sorted(source.iterdir()) if path.is_file())
    digest = hashlib.sha256(b"\0".join((content, flags.encode(), go.version.encode()))).hexdigest()
    stamp = layout.cache / "stamps" / name
    if stamp.exists() and stamp.read_text() == digest:
        return
    layout.binaries.mkdir(parents=True, exist_ok=True)
    what = "." if name == "pause" else "tool"
    with step(f"building {name} (the first time only)", BUILD_SECONDS):
        command = ("build", "-trimpath", "-ldflags", flags, "-o", f"{layout.binaries}/", what)
        go(*command, cwd=source, timeout=BUILD_SECONDS)
    if name == "kwok":
        _keep_stages(layout, go)
    write(stamp, digest)


def _keep_stages(layout: Layout, go: Go) -> None:
    """Copies kwok's stages, without which it exits; they lie in its module, which may be gone when they are needed."""
    stages = Path(_module(go, "kwok", "sigs.k8s.io/kwok", "{{.Dir}}"), "kustomize", "stage")
    layout.kwok_stages.mkdir(exist_ok=True)
    for stage in STAGES:
        for path in (stages / stage).glob("[np]*-*.yaml"):
            write(layout.kwok_stages / f"{stage.replace('/', '-')}-{path.name}", path.read_text())


def _versions(go: Go) -> str:
    """Linker flags without which Kubernetes calls itself v0.0.0."""
    version = _module(go, "kubernetes", "k8s.io/kubernetes", "{{.Version}}")
    major, minor = version.removeprefix("v").split(".")[:2]
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return "".join(f" -X {package}.{name}={value}" for package in packages for name, value in values.items())


def _module(go: Go, tool: str, path: str, template: str) -> str:
    """Asks about a module that a tool requires."""
    return go("list", "-m", "-f", template, path, cwd=TOOLS / tool, timeout=LIST_SECONDS).strip()
