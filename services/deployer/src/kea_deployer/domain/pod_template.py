"""What is asked of a cluster for each replica."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kea_core.errors import FieldOutOfBounds, FieldViolation

from kea_deployer.domain.quantity import EXPECTED, read_quantity

_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}")
_LABEL = re.compile(rf"({_NAME})?")
_RESERVED_DOMAINS = ("kubernetes.io", "k8s.io", "kea.dev")
_RESERVED_VARIABLES = re.compile(r"(KEA_|PYTHON|LD_).*|HOME")
MOST_ANNOTATION_BYTES = 8192
KEY_EXPECTED = "a name of at most 63 characters, after a domain and a slash if need be"
FIELD = "deployment.pod_template"


@dataclass(frozen=True, slots=True)
class SecretKey:
    """An entry of a Kubernetes Secret."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the model's environment: its value, or where that is kept."""

    name: str
    value: str = ""
    secret: SecretKey | None = None


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint that is put up with; what is empty stands for all."""

    key: str = ""
    value: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What is asked beyond what the platform asks for all replicas. The empty one asks for nothing."""

    resource_requests: Mapping[str, str] = field(default_factory=dict[str, str])
    resource_limits: Mapping[str, str] = field(default_factory=dict[str, str])
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    tolerations: tuple[Toleration, ...] = ()
    environment: tuple[Variable, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])

    def check(self) -> None:
        """Checks what every cluster would refuse, and what is not the caller's to say.

        Raises:
            FieldOutOfBounds: with each field that is wrong.
        """
        violations = [*self._resources(), *self._keys(), *self._values(), *self._tolerations(), *self._environment()]
        if violations:
            raise FieldOutOfBounds(violations)

    def _resources(self) -> Iterator[FieldViolation]:
        for where, resources in (
            ("resource_requests", self.resource_requests),
            ("resource_limits", self.resource_limits),
        ):
            for key, value in resources.items():
                if read_quantity(value) is None:
                    yield _violation(f'{where}["{key}"]', f"is {value!r}; expected {EXPECTED}")
        for key, value in self.resource_requests.items():
            limit = self.resource_limits.get(key)
            asked, most = read_quantity(value), None if limit is None else read_quantity(limit)
            if asked is not None and most is not None and asked > most:
                yield _violation(f'resource_requests["{key}"]', f"is {value}; expected at most the limit, {limit}")

    def _keys(self) -> Iterator[FieldViolation]:
        for where in ("resource_requests", "resource_limits", "node_selector", "labels", "annotations"):
            for key in getattr(self, where):
                if not _KEY.fullmatch(key):
                    yield _violation(f'{where}["{key}"]', f"is no key; expected {KEY_EXPECTED}")
                elif where in ("labels", "annotations") and _is_reserved(key):
                    yield _violation(
                        f'{where}["{key}"]', f"is reserved; expected none of {', '.join(_RESERVED_DOMAINS)}"
                    )

    def _values(self) -> Iterator[FieldViolation]:
        for where in ("node_selector", "labels"):
            for key, value in getattr(self, where).items():
                if not _LABEL.fullmatch(value):
                    yield _violation(f'{where}["{key}"]', f"is {value[:80]!r}; expected the value of a label")
        size = sum(len(key.encode()) + len(value.encode()) for key, value in self.annotations.items())
        if size > MOST_ANNOTATION_BYTES:
            yield _violation("annotations", f"have {size} bytes; expected at most {MOST_ANNOTATION_BYTES}")

    def _tolerations(self) -> Iterator[FieldViolation]:
        for index, toleration in enumerate(self.tolerations):
            where = f"tolerations[{index}]"
            if toleration.value and not toleration.key:
                yield _violation(f"{where}.value", "has no key; expected a key beside it, or nothing")
            if toleration.key and not _KEY.fullmatch(toleration.key):
                yield _violation(f"{where}.key", f"is {toleration.key!r}; expected {KEY_EXPECTED}")
            if not _LABEL.fullmatch(toleration.value):
                yield _violation(f"{where}.value", f"is {toleration.value!r}; expected the value of a taint")

    def _environment(self) -> Iterator[FieldViolation]:
        seen = set[str]()
        for index, variable in enumerate(self.environment):
            where = f"environment[{index}].name"
            if _RESERVED_VARIABLES.fullmatch(variable.name):
                yield _violation(where, f"is {variable.name}, which is reserved; expected another name")
            if variable.name in seen:
                yield _violation(where, f"is {variable.name} once more; expected each name once")
            seen.add(variable.name)


def _is_reserved(key: str) -> bool:
    domain = key.rpartition("/")[0]
    return any(domain == reserved or domain.endswith(f".{reserved}") for reserved in _RESERVED_DOMAINS)


def _violation(where: str, description: str) -> FieldViolation:
    return FieldViolation(f"{FIELD}.{where}", description)
