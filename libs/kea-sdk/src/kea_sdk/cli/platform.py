"""`kea up`, `kea down` and `kea status`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from kea_sdk.cli.exit_codes import ExitCode
from kea_sdk.cli.printing import print_data, print_text
from kea_sdk.cli.shared_options import Output, Shared, shared_options

_PANEL = "Platform"


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(rich_help_panel=_PANEL)(up)
    app.command(rich_help_panel=_PANEL)(down)
    app.command(rich_help_panel=_PANEL)(status)


@shared_options
def up(
    shared: Shared,
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once it is ready, and leave it running.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the gateway.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Address the gateway listens on; another than loopback shows it to others, without TLS.")
    ] = "127.0.0.1",
    processes: Annotated[bool, typer.Option("--processes", help="Run every service as a process of its own.")] = False,
) -> None:
    """Start KEA on this machine, and run it until Ctrl-C.

    Tables are kept in files, or in the PostgreSQL database that KEA_DATABASE names (postgresql://USER:PASSWORD@HOST/NAME).
    Images are built where KEA_DEPLOYER_IMAGES_REPOSITORY says where they go, and KEA_DEPLOYER_IMAGES_BASE on what.
    """
    from kea_sdk.platform import command
    from kea_sdk.platform.options import UpOptions
    from kea_sdk.settings import database_url

    options = UpOptions(
        data=shared.place(), host=host, port=port, detach=detach, processes=processes, database=database_url()
    )
    found = command.up(options)
    if detach:
        print_text(found.to_json(), f"KEA is ready at {found.url}; docs at {found.url}/docs", shared.output)


@shared_options
def down(shared: Shared) -> None:
    """Stop the KEA that runs on this machine."""
    from kea_sdk.platform import command

    stopped = command.down(shared.place())
    print_text({"stopped": stopped}, "KEA is stopped" if stopped else "KEA was not running", shared.output)


@shared_options
def status(shared: Shared) -> None:
    """Show how the KEA on this machine is doing. Exits with 7 where it is not ready."""
    from kea_sdk.platform import command
    from kea_sdk.platform.state import PlatformState

    found = command.status_of(shared.place())
    if shared.output in {Output.JSON, Output.YAML}:
        print_data(found.to_json(), (), shared.output)
    else:
        sys.stdout.write(f"KEA is {found.state.value}{f' at {found.url}' if found.url else ''}; data in {found.data}\n")
        rows = [
            {
                "process": entry.name,
                "state": entry.state.value,
                "pid": str(entry.pid or ""),
                "restarts": str(entry.restarts),
                "address": entry.address,
            }
            for entry in found.processes
        ]
        if rows:
            print_data(None, rows, shared.output)
    if found.state is not PlatformState.READY:
        raise typer.Exit(ExitCode.UNAVAILABLE)
