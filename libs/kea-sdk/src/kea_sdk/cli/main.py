"""The `kea` command: puts the command groups together, and turns errors into a line and a code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from kea_sdk.cli import calls, deploying, endpoints, models, platform, tokens
from kea_sdk.cli.exit_codes import EPILOG, ExitCode
from kea_sdk.cli.failures import debugging, report
from kea_sdk.cli.shared_options import Shared, shared_options

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
deploying.add_to(app)
calls.add_to(app)
tokens.add_to(app)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, the process's own where none is given, and returns the exit code."""
    try:
        app(args=arguments, prog_name="kea")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else ExitCode.OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has enough of it; Python must not write what is left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if debugging():
            raise
        return report(error)
    return ExitCode.OK


def main() -> None:
    """Runs the command and exits with its code."""
    sys.exit(run())
