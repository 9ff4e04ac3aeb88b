"""`kea token`."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import Annotated

import typer

from kea_sdk.cli.printing import print_data
from kea_sdk.cli.shared_options import Output, Shared, shared_options

_UNITS = {"s": 1, "m": 60, "h": 3600}


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(rich_help_panel="Access")(token)


def duration(text: str) -> timedelta:
    """Reads `90s`, `30m` or `12h`.

    Raises:
        typer.BadParameter: it is none of these.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smh])", text)
    if found is None:
        problem = f"{text!r} is no duration; expected for example 90s, 30m or 12h"
        raise typer.BadParameter(problem)
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


@shared_options
def token(
    shared: Shared,
    *,
    ttl: Annotated[
        timedelta, typer.Option(parser=duration, metavar="DURATION", help="How long it is accepted: 1m to 24h.")
    ] = "1h",  # pyright: ignore[reportArgumentType] - typer parses defaults too
    role: Annotated[
        list[str] | None,
        typer.Option(help="A role it carries; may be repeated. Default: all of yours.", show_default=False),
    ] = None,
) -> None:
    """Make a token for yourself and print it, and nothing else."""
    with shared.client() as client:
        made = client.token(ttl, role or ())
    if shared.output in {Output.JSON, Output.YAML}:
        print_data(made, (), shared.output)
    else:
        sys.stdout.write(f"{made.access_token}\n")
