"""The chart as helm renders it, and ways of looking at it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
CHART = HERE.parents[1] / "deploy" / "chart"
CASES = sorted(path.stem for path in (HERE / "values").glob("*.yaml"))
NAMESPACE = "kea"
HELM_SECONDS = 60
KUBERNETES = ("--kube-version", "1.31.0")
"""A helm that was built from its module takes the cluster it does not ask for a very old one."""

Object = dict[str, Any]


class HelmError(Exception):
    """Helm refuses; the message is its own words."""


def run_helm(*arguments: str) -> str:
    """Runs helm, as tests/cluster builds it or as it is on this machine."""
    program = shutil.which("helm")
    assert program is not None, "helm is needed: `make test-cluster` builds one, or install it"
    done = subprocess.run(  # noqa: S603 - helm
        [program, *arguments], capture_output=True, text=True, check=False, timeout=HELM_SECONDS
    )
    if done.returncode:
        raise HelmError(done.stderr)
    return done.stdout


def render(case: str, *more: str, namespace: str = NAMESPACE) -> list[Object]:
    """Returns the objects of a case in the order of kind and name."""
    trial = ["--values", str(CHART / "values-trial.yaml")] if case == "trial" else []
    values = [*trial, "--values", str(HERE / "values" / f"{case}.yaml")]
    text = run_helm("template", "kea", str(CHART), "--namespace", namespace, *KUBERNETES, *values, *more)
    objects = [document for document in yaml.safe_load_all(text) if document]
    return sorted(objects, key=lambda it: (it["kind"], it["metadata"]["name"]))


def written(objects: list[Object]) -> str:
    """Returns objects as a golden file has them: secrets that are made anew each time are left out."""
    for found in objects:
        if found["kind"] == "Secret":
            found["data"] = dict.fromkeys(found["data"], "made")
    return yaml.safe_dump_all(objects, width=160, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Pod:
    """What a workload makes pods from."""

    kind: str
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: Object

    @property
    def containers(self) -> list[Object]:
        return self.spec["containers"]

    @property
    def component(self) -> str:
        return self.labels["app.kubernetes.io/component"]

    def variables(self, container: Object, objects: list[Object]) -> dict[str, str]:
        """Returns a container's environment; what comes out of Secrets and fields is told as `<name>`."""
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            if "configMapRef" in source:
                found |= one(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
        for entry in container.get("env", ()):
            found[entry["name"]] = entry.get("value", f"<{entry['name']}>")
        return found


def pods(objects: list[Object]) -> list[Pod]:
    """Returns the pods of all workloads."""
    return [
        Pod(
            found["kind"],
            found["metadata"]["name"],
            found["spec"]["template"]["metadata"]["labels"],
            found["spec"]["template"]["metadata"].get("annotations", {}),
            found["spec"]["template"]["spec"],
        )
        for found in objects
        if found["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job"}
    ]


def of_kind(objects: list[Object], kind: str) -> Iterator[Object]:
    """Yields the objects of a kind."""
    return (found for found in objects if found["kind"] == kind)


def one(objects: list[Object], kind: str, name: str) -> Object:
    """Returns one object."""
    (found,) = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == name]
    return found


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Returns whether labels are selected."""
    return selector.items() <= labels.items()
