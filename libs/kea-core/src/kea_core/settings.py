"""Settings: frozen dataclasses, read once from the environment, checked before anything starts.

A field `max_body_bytes` of a class read with prefix `KEA_DEPLOYER` is set by `KEA_DEPLOYER_MAX_BODY_BYTES`; a field
that is
itself a settings class adds its name to the prefix. A key with the prefix that names no field is an error, because a
misspelt setting that is silently ignored is worse than none.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

S = TypeVar("S")


class SettingsError(ValueError):
    """A setting is missing, unknown or not of its type; the message names the environment variable."""


class Secret(str):
    """A string that does not show itself in logs, reprs and tracebacks; `reveal()` gives it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def reveal(self) -> str:
        """Returns the secret itself."""
        return str.__str__(self)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrainSettings:
    """How a service stops."""

    unready_seconds: float = 0.0
    """Time between answering NOT_SERVING and refusing new calls. In a cluster it must exceed one readiness probe
    period."""
    grace_seconds: float = 10.0
    """Longest time an accepted call may still run."""


def _boolean(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in words:
        problem = "expected true or false"
        raise ValueError(problem)
    return words[text.lower()]


READERS: dict[Any, Callable[[str], Any]] = {
    bool: _boolean,
    str: str,
    int: int,
    float: float,
    Path: Path,
    Secret: Secret,
    tuple[str, ...]: lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
}


def read_settings(settings: type[S], prefix: str, environ: Mapping[str, str]) -> S:
    """Returns `settings` filled from the variables of `environ` that begin with `prefix`.

    Raises:
        SettingsError: a variable is unknown, missing, or not of its field's type.
    """
    known: set[str] = set()
    made = _read(settings, prefix, environ, known)
    unknown = sorted(key for key in environ if key.startswith(f"{prefix}_") and key not in known)
    if unknown:
        problem = f"{unknown[0]} is not a setting; known are {', '.join(sorted(known))}"
        raise SettingsError(problem)
    return made


def _read(settings: type[S], prefix: str, environ: Mapping[str, str], known: set[str]) -> S:
    types = typing.get_type_hints(settings)
    values: dict[str, Any] = {}
    for entry in dataclasses.fields(typing.cast("Any", settings)):
        kind = types[entry.name]
        key = f"{prefix}_{entry.name.upper()}"
        if dataclasses.is_dataclass(kind):
            values[entry.name] = _read(typing.cast("type[Any]", kind), key, environ, known)
            continue
        known.add(key)
        text = environ.get(key)
        if text is not None:
            try:
                values[entry.name] = READERS[kind](text)
            except ValueError as error:
                problem = f"{key} is not a valid {getattr(kind, '__name__', kind)}: {error}"
                raise SettingsError(problem) from None
        elif entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING:
            problem = f"{key} must be set"
            raise SettingsError(problem)
    return settings(**values)


def to_environment(settings: object, prefix: str) -> dict[str, str]:
    """Returns the variables from which `read_settings` makes equal settings; those at their default are left out.

    Secrets are revealed: the result is for a child process, never for a log.
    """
    found: dict[str, str] = {}
    for entry in dataclasses.fields(typing.cast("Any", settings)):
        value = getattr(settings, entry.name)
        key = f"{prefix}_{entry.name.upper()}"
        if dataclasses.is_dataclass(value):
            found |= to_environment(value, key)
        elif value != entry.default:
            found[key] = _written(value)
    return found


def _written(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(str(part) for part in typing.cast("tuple[object, ...]", value))
    return str(value)
