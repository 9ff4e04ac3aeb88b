"""`kea builds`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kea_sdk.cli.printing import age, print_data, print_details, print_lines, print_text, size
from kea_sdk.cli.shared_options import Shared, shared_options

if TYPE_CHECKING:
    from kea_sdk.resources import Build

app = typer.Typer(help="Look at how images were made.", no_args_is_help=True)

_Build = Annotated[str, typer.Argument(metavar="BUILD", help="The build's id.", show_default=False)]


@app.command("list")
@shared_options
def list_builds(shared: Shared) -> None:
    """List the builds, newest first."""
    with shared.client() as client:
        found = client.builds()
    rows = [
        {
            "build": entry.name,
            "model": f"{entry.model}:{entry.version}",
            "state": entry.state,
            "platforms": ", ".join(entry.platforms),
            "age": age(entry.create_time),
            "image": entry.destination,
        }
        for entry in found
    ]
    print_data(found, rows, shared.output)


@app.command()
@shared_options
def get(shared: Shared, *, build: _Build) -> None:
    """Show a build, with what its requirements came to."""
    with shared.client() as client:
        found = client.find_build(build)
    details = {
        "build": found.name,
        "model": f"{found.model}:{found.version}",
        "state": found.state,
        "step": found.step,
        "platforms": ", ".join(found.platforms),
        "image": found.image or found.destination,
        "base": found.base,
        "pushed": size(found.bytes_pushed) if found.image else "",
        "problem": f"{found.error_message} [{found.error_reason}]" if found.error_reason else "",
        "took": _took(found),
        "age": age(found.create_time),
        "packages": "\n".join(_packages(found)),
    }
    print_details(found, details, shared.output)


@app.command()
@shared_options
def logs(
    shared: Shared,
    *,
    build: _Build,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Stay, and print the lines to come until it has ended.")
    ] = False,
    tail: Annotated[int, typer.Option(min=1, max=10_000, help="Lines of the past.")] = 1000,
) -> None:
    """Print what a build has to tell."""
    with shared.client() as client:
        print_lines(client.build_logs(build, follow=follow, tail=tail), shared.output)


@app.command()
@shared_options
def cancel(shared: Shared, *, build: _Build) -> None:
    """Cancel a build; one that runs ends soon after."""
    with shared.client() as client:
        found = client.cancel_build(build)
    print_text(found, f"{build} is {'cancelled' if found.ended else 'being cancelled'}", shared.output)


@app.command()
@shared_options
def delete(shared: Shared, *, build: _Build) -> None:
    """Forget a build that has ended. Its image stays."""
    with shared.client() as client:
        client.delete_build(build)
    print_text({"build": build, "deleted": True}, f"deleted {build}", shared.output)


def _took(build: Build) -> str:
    if build.start_time is None or build.end_time is None:
        return ""
    return f"{(build.end_time - build.start_time).total_seconds():.1f} s"


def _packages(build: Build) -> list[str]:
    """Returns a line for each package of a platform; the hashes are in the data."""
    return [
        f"{target.partition(',')[0]}: {line.partition(' ')[0]}" if len(build.locks) > 1 else line.partition(" ")[0]
        for target, lock in build.locks.items()
        for line in lock.splitlines()
        if line and not line.startswith((" ", "#"))
    ]
