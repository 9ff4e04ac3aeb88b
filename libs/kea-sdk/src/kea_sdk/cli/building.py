"""`kea build`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kea_sdk.cli.failures import say
from kea_sdk.cli.printing import print_data, size
from kea_sdk.cli.progress import download_progress, line_progress
from kea_sdk.cli.shared_options import Output, Shared, shared_options

if TYPE_CHECKING:
    from kea_sdk.client import Client

_PANEL = "Models and endpoints"
LAST_LINES_SECONDS = 2.0
"""Longest wait for the last lines of a build that has ended."""
PAUSE_SECONDS = 0.5
MOST_LINES = 10_000
"""As many as KEA gives at once."""


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(rich_help_panel=_PANEL)(build)


@shared_options
def build(
    shared: Shared,
    *,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="NAME[:N|@ALIAS]", help="The model; its newest version, a number or an alias.", show_default=False
        ),
    ],
    platform: Annotated[
        list[str] | None,
        typer.Option(help="What the image is for, for example linux/arm64; may be repeated.", show_default=False),
    ] = None,
    layout: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.tar",
            help="Also download the image, as the tar of an OCI image layout.",
            show_default=False,
        ),
    ] = None,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="Download it without TLS.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the image is there.")] = True,
    timeout: Annotated[float, typer.Option(min=1, help="Longest wait, in seconds.")] = 1800.0,
) -> None:
    """Make the container image of a model version, without deploying it. Ctrl-C cancels it."""
    if layout is not None and not wait:
        problem = "--layout needs the image, and --no-wait does not wait for it"
        raise typer.BadParameter(problem)
    with shared.client() as client:
        found = client.build(reference, platforms=platform or (), wait=False)
        if wait:
            _follow(client, found.name, reference, timeout)
            found = client.find_build(found.name)
    if layout is not None:
        from kea_sdk.image_download import download_image

        with download_progress(found.destination) as progress:
            download_image(found.image, layout, plain_http=plain_http, progress=progress)
    if shared.output in {Output.JSON, Output.YAML}:
        print_data(found, (), shared.output)
    elif not wait:
        sys.stdout.write(f"building {found.model}:{found.version} as {found.name}\n")
    else:
        sys.stdout.write(f"{found.image}\n")
        say(f"{found.model}:{found.version} for {', '.join(found.platforms)}, {size(found.bytes_pushed)} pushed")


def _follow(client: Client, name: str, reference: str, timeout: float) -> None:
    """Waits for a build, showing its steps and its lines; whoever interrupts this does not want it any more."""
    with line_progress(f"building {reference}") as (report, show):
        # A daemon: it holds nothing that must be closed, and lines are no reason to wait for ever.
        lines = threading.Thread(target=_show_lines, args=(client, name, show), name="build log", daemon=True)
        lines.start()
        try:
            client.wait_for_build(name, timeout=timeout, report=report)
        except KeyboardInterrupt:
            client.cancel_build(name)
            say(f"cancelling build {name}")
            raise
        finally:
            lines.join(LAST_LINES_SECONDS)


def _show_lines(client: Client, name: str, show: Callable[[str], None]) -> None:
    """Shows a build's lines until it has ended; a stream that breaks off is taken up where it was."""
    from kea_sdk.errors import KeaClientError, NotFound, PermissionDenied

    last = None
    while True:
        seen = last
        try:
            for line in client.build_logs(name, follow=True, tail=MOST_LINES):
                if seen is None or line.time is None or line.time > seen:
                    show(line.text)
                    last = line.time
        except (NotFound, PermissionDenied, ValueError):  # ValueError: the client was closed meanwhile
            return
        except KeaClientError:
            time.sleep(PAUSE_SECONDS)
        else:
            return
