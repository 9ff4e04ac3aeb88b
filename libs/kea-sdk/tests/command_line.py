"""The `kea` command in this process: what it answers, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from kea_sdk.cli.main import run


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def yaml(self) -> Any:
        return yaml.safe_load(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


USAGE = 2

Kea = Callable[..., Done]


def command_line(capsys: pytest.CaptureFixture[str], *always: str) -> Kea:
    """Returns what runs a command line and returns what came of it; nothing that has none of `fails` may fail."""

    def kea(*arguments: object, fails: int = 0) -> Done:
        code = run([*always, *map(str, arguments)])
        captured = capsys.readouterr()
        done = Done(code, captured.out, captured.err)
        assert done.code == fails, done
        if fails not in {0, USAGE}:
            assert done.out == "", done  # errors are never data
        return done

    return kea
