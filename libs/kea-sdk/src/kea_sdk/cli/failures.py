"""Errors as people and scripts see them: one line and a code."""

from __future__ import annotations

import os
import sys

from kea_sdk.cli.exit_codes import ExitCode, exit_code_of


def debugging() -> bool:
    """Returns whether tracebacks are wanted."""
    return os.environ.get("KEA_DEBUG", "") not in ("", "0")


def report(error: Exception) -> ExitCode:
    """Writes the error to stderr, with what explains it, and returns the exit code."""
    from kea_sdk.errors import DeploymentFailed, InvalidArgument, KeaClientError

    if isinstance(error, DeploymentFailed):
        for line in error.logs:
            say(f"  {line}")
    if isinstance(error, InvalidArgument):
        for violation in error.violations:
            if violation.description not in str(error):
                say(f"  {violation.field or 'input'}: {violation.description}")
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, KeaClientError):
        text += f" [{error.reason}]"
    say(f"error: {text}")
    return exit_code_of(error)


def say(line: str) -> None:
    """Writes a line to stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
