"""`kea token`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from kea_sdk.cli.durations import duration
from kea_sdk.cli.printing import print_text
from kea_sdk.cli.shared_options import Shared, shared_options


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(rich_help_panel="Access")(token)


@shared_options
def token(
    shared: Shared,
    *,
    ttl: Annotated[
        timedelta, typer.Option(parser=duration, metavar="DURATION", help="How long it is accepted: 1m to 24h.")
    ] = "1h",  # pyright: ignore[reportArgumentType] - typer parses defaults too
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE",
            help="A role that it is limited to; may be repeated. Default: it may do what yours may.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a token for yourself and print it, and nothing else."""
    with shared.client() as client:
        made = client.token(ttl, scope or ())
    print_text(made, made.access_token, shared.output)
