"""Errors as people and scripts see them: one line and a code."""

from __future__ import annotations

import os
import sys
import traceback

from typer.exceptions import TyperException

from kea_sdk.cli.exit_codes import ExitCode, exit_code_of


def debugging() -> bool:
    """Returns whether tracebacks are wanted."""
    return os.environ.get("KEA_DEBUG", "") not in ("", "0")


def report(error: Exception) -> ExitCode:
    """Writes the error to stderr, with what explains it, and returns the exit code."""
    from kea_sdk.errors import DeploymentFailed, InvalidArgument, KeaClientError

    if debugging():
        say("".join(traceback.format_exception(error)).rstrip())
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
    elif not type(error).__module__.startswith("kea_"):  # not written for whoever reads it
        text = f"{type(error).__name__}: {text}; KEA_DEBUG=1 shows more"
    say(f"error: {text}")
    return exit_code_of(error)


def report_usage(error: TyperException) -> int:
    """Writes what is wrong with the command line to stderr, and returns the exit code."""
    context = getattr(error, "ctx", None)
    text = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
    if type(error).__name__ != "NoArgsIsHelpError":  # which has printed the help already
        say(f"error: {text}" + (f"; see `{context.command_path} --help`" if context is not None else ""))
    return error.exit_code


def say(line: str) -> None:
    """Writes a line to stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
