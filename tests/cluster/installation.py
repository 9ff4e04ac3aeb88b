"""KEA as its users install it: images from their source, the chart by deploy/cluster-install.sh."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kea.sdk import Client
from kit.commands import run, wait_until
from namespaces import Namespace

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "chart"
USER = 65532
"""Who KEA's containers run as."""
NOT_OURS = frozenset({"configmap/kube-root-ca.crt", "serviceaccount/default"})
"""Kubernetes' own, in every namespace."""
EVENTS = frozenset({"events", "events.events.k8s.io"})

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Installation:
    """A release of KEA, called as its namespace."""

    namespace: Namespace
    models: Namespace
    directory: Path
    """Where its values are."""
    url: str
    token: str

    def client(self) -> Client:
        """Returns a client of the administrator's."""
        return Client(self.url, self.token)

    def kea(self, *arguments: str, seconds: float = 110) -> subprocess.CompletedProcess[str]:
        """Runs the `kea` command; one that fails is an answer like others."""
        program = str(Path(sys.executable).with_name("kea"))
        clean = {key: value for key, value in os.environ.items() if not key.startswith("KEA_")}
        environment = clean | {"KEA_URL": self.url, "KEA_TOKEN": self.token, "KEA_HOME": str(self.directory)}
        return subprocess.run(  # noqa: S603 - our own command line
            [program, *arguments], capture_output=True, text=True, check=False, timeout=seconds, env=environment
        )

    def pods(self) -> list[Pod]:
        """Returns KEA's own pods that are not on their way out."""
        return [pod for pod in pods_of(self.namespace) if not pod.ending]

    def restart(self, pod: Pod) -> None:
        """Deletes a pod and waits until another one is ready in its place; the old one may still be draining."""
        self.namespace("delete", "pod", pod.name, "--wait=false")

        def replaced() -> bool:
            found = [other for other in self.pods() if other.component == pod.component and other.uid != pod.uid]
            return any(other.ready for other in found)

        assert wait_until(replaced, 120), self.namespace("get", "pods", "-o", "wide")

    def helm(self, *arguments: object) -> str:
        """Runs helm in the release's namespace."""
        return helm("--namespace", self.namespace.name, *arguments)


@dataclass(frozen=True, slots=True)
class Pod:
    """One of a namespace's pods."""

    name: str
    uid: str
    component: str
    """Of KEA it is; empty for models."""
    deployment: str
    """Of KEA's that it is a replica of; empty for KEA's own."""
    ready: bool
    ending: bool


def pods_of(namespace: Namespace) -> list[Pod]:
    """Returns a namespace's pods in the order of their names."""
    return [
        Pod(
            found["metadata"]["name"],
            found["metadata"]["uid"],
            found["metadata"].get("labels", {}).get("app.kubernetes.io/component", ""),
            found["metadata"].get("labels", {}).get("kea.dev/deployment", ""),
            any(one["type"] == "Ready" and one["status"] == "True" for one in found["status"].get("conditions", ())),
            "deletionTimestamp" in found["metadata"],
        )
        for found in json.loads(namespace("get", "pods", "-o", "json"))["items"]
    ]


def helm(*arguments: object) -> str:
    """Runs helm; what it says of a failure is the error's text."""
    program = shutil.which("helm")
    assert program, "helm is not in PATH; `make test-cluster` puts it there for a node of its own"
    return run(program, *arguments, timeout=600)


def build_images(registry: str, values: Path) -> None:
    """Does what `make images` does; the chart's values for them go where they disturb nobody."""
    where = ("--registry", registry, "--plain-http", "--base", f"{registry}/debian:12", "--values", values)
    run(sys.executable, ROOT / "tools" / "images", *where, timeout=900)


def install(namespace: Namespace, directory: Path, values: Values) -> Installation:
    """Does what `make cluster-install` does, with some values of our own."""
    models = Namespace(f"{namespace.name}-models", namespace.kubectl, namespace.registry)
    own = directory / "values.json"
    own.write_text(json.dumps({**values, "models": {"namespace": models.name}}))
    build_images(namespace.registry, directory / "images.yaml")
    said = run(
        *(ROOT / "deploy" / "cluster-install.sh", namespace.registry, directory / "images.yaml"),
        *("--values", own, "--timeout", "3m"),
        env={"KEA_RELEASE": namespace.name, "KEA_NAMESPACE": namespace.name},
        timeout=300,
    )
    told = dict(line.split(": ", 1) for line in said.splitlines())
    return Installation(namespace, models, directory, told["address"], told["token"])


@contextmanager
def temporary(namespace: Namespace) -> Generator[Namespace, None, None]:
    """Makes a namespace for as long as the block; at its end all in it is gone."""
    namespace.kubectl("create", "namespace", namespace.name)
    try:
        namespace.wait("create", "serviceaccount/default")
        yield namespace
    finally:
        namespace.kubectl("delete", "namespace", namespace.name, "--timeout=180s", timeout=200)


def lasting_storage(namespace: Namespace, directory: Path, *names: str) -> dict[str, Values]:
    """Returns values, by name, that keep what is stored beyond its pod.

    Where the cluster has no provisioner, as our own node, they are folders of the host.
    """
    classes = json.loads(namespace.kubectl("get", "storageclasses", "-o", "json"))["items"]
    default = "storageclass.kubernetes.io/is-default-class"
    if any(found["metadata"].get("annotations", {}).get(default) == "true" for found in classes):
        return {name: {"kind": "claim"} for name in names}
    return {name: _claim_of_host(namespace, name, directory / name) for name in names}


def _claim_of_host(namespace: Namespace, name: str, directory: Path) -> Values:
    directory.mkdir()
    os.chown(directory, USER, USER)
    volume = f"{namespace.name}-{name}"
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    size = {"storage": "1Gi"}
    namespace.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume, "labels": {"kea.dev/test": namespace.name}},
            "spec": {**common, "capacity": size, "hostPath": {"path": str(directory)}},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name},
            "spec": {**common, "volumeName": volume, "resources": {"requests": size}},
        },
    )
    return {"kind": "claim", "existingClaim": name}


def objects_in(namespace: Namespace) -> set[str]:
    """Returns all objects of a namespace, of whatever kind, but for what Kubernetes itself puts into every one."""
    kinds = namespace("api-resources", "--verbs=list", "--namespaced", "-o", "name").split()
    asked = ",".join(kind for kind in kinds if kind not in EVENTS)
    return {*namespace("get", asked, "-o", "name", "--ignore-not-found").split()} - NOT_OURS


def objects_of_release(namespace: Namespace) -> set[str]:
    """Returns objects without a namespace that a release made."""
    kinds = namespace("api-resources", "--verbs=list", "--namespaced=false", "-o", "name").split()
    label = f"app.kubernetes.io/instance={namespace.name}"
    return {*namespace("get", ",".join(kinds), "-l", label, "-o", "name", "--ignore-not-found").split()}
