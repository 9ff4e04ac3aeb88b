"""Namespaces of the cluster under test, and what tests do in them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kit.commands import KitError
from kit.kubectl import Kubectl
from kit.registry import NAME

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace that one test has for itself."""

    name: str
    kubectl: Kubectl
    registry: str
    """HOST:PORT; pushed to from here, pulled from by the cluster's nodes."""

    @property
    def image(self) -> str:
        """Debian 12 with Python 3.11."""
        return f"{self.registry}/{NAME}"

    def __call__(self, *args: object, check: bool = True, timeout: float = 60, stdin: str | None = None) -> str:
        """Runs kubectl in the namespace."""
        return self.kubectl("-n", self.name, *args, check=check, timeout=timeout, stdin=stdin)

    def apply(self, *objects: Object, options: tuple[str, ...] = ()) -> None:
        """Makes these objects, or changes them."""
        whole = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self("apply", *options, "-f", "-", stdin=json.dumps(whole))

    def get(self, path: str, *what: str) -> str:
        """One value of an object, by its JSON path."""
        return self("get", *what, "-o", f"jsonpath={{{path}}}")

    def wait(self, condition: str, *what: str, seconds: int = 60) -> None:
        """Waits until objects have a condition.

        Raises:
            KitError: one did not get it within `seconds`; the message tells of the namespace's pods and events.
        """
        try:
            self("wait", *what, f"--for={condition}", f"--timeout={seconds}s", timeout=seconds + 30)
        except KitError as error:
            pods = self("get", "pods", "-o", "wide", check=False)
            events = self("get", "events", "--sort-by=.lastTimestamp", check=False)
            problem = f"{error}\n{pods}\n{events}"
            raise KitError(problem) from error

    def run(self, pod: Object) -> str:
        """Runs a pod of one container to its end; returns what it printed."""
        self.apply(pod)
        name = pod["metadata"]["name"]
        self.wait("jsonpath={.status.containerStatuses[0].state.terminated}", f"pod/{name}")
        printed = self("logs", name)
        assert self.get(".status.containerStatuses[0].state.terminated.exitCode", f"pod/{name}") == "0", printed
        return printed

    def exec(self, *args: object, stdin: str | None = None) -> str:
        """Runs a command in a pod; one that fails is an answer like others."""
        return self("exec", *(["-i"] if stdin else []), *args, check=False, stdin=stdin)

    @contextmanager
    def lines(self, *args: str) -> Generator[Iterator[str], None, None]:
        """Runs kubectl as long as the block; yields its lines as they come."""
        command = [str(self.kubectl.program), "-n", self.name, *args]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - kubectl
            assert process.stdout is not None
            try:
                yield process.stdout
            finally:
                process.terminate()
