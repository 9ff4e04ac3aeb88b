"""The `kea` command: puts the command groups together, and turns errors into a line and a code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from kea_sdk.cli import (
    audit,
    auth,
    building,
    builds,
    calls,
    deploying,
    endpoints,
    limits,
    login,
    models,
    platform,
    tokens,
)
from kea_sdk.cli.exit_codes import EPILOG, ExitCode
from kea_sdk.cli.failures import report, report_usage
from kea_sdk.cli.shared_options import OutputClosed, Shared, shared_options

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

app = typer.Typer(
    name="kea",
    help="KEA: push a model, get a versioned, routed, access-controlled and documented API.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        sys.stdout.write(f"kea {importlib.metadata.version('kea-sdk')}\n")
        raise typer.Exit


@app.callback()
@shared_options
def root(
    _shared: Shared,
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """KEA: push a model, get a versioned, routed, access-controlled and documented API."""


platform.add_to(app)
app.add_typer(models.app, name="models", rich_help_panel="Models and endpoints")
app.add_typer(endpoints.app, name="endpoints", rich_help_panel="Models and endpoints")
app.add_typer(limits.app, name="limits", rich_help_panel="Models and endpoints")
app.add_typer(builds.app, name="builds", rich_help_panel="Models and endpoints")
building.add_to(app)
deploying.add_to(app)
calls.add_to(app)
login.add_to(app)
tokens.add_to(app)
app.add_typer(auth.app, name="auth", rich_help_panel="Access")
app.add_typer(audit.app, name="audit", rich_help_panel="Access")


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, the process's own where none is given, and returns the exit code."""
    code = _run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
    except OSError as error:  # a full disk
        _drop_output()
        return report(error)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        # Commands give nothing back; what comes back is the code of those that end early.
        code = app(args=arguments, prog_name="kea", standalone_mode=False)
    except TyperException as error:
        return report_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except (OutputClosed, SystemExit):  # the latter is how typer ends where the reader of help is gone
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 - this is where all of them end
        return report(error)
    return code if isinstance(code, int) else ExitCode.OK


def _drop_output() -> None:
    """Sends what is still to be written nowhere: Python would try once more at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Runs the command and exits with its code."""
    sys.exit(run())
