"""`kea limits`: what a project's endpoints take together; `kea endpoints update` limits one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kea_sdk.cli.printing import print_details, print_text
from kea_sdk.cli.shared_options import Shared, shared_options

if TYPE_CHECKING:
    from kea_sdk.limits import Limits, RateLimit

NONE = "none"
RATE_HELP = "for example 100/s, 10/m, 5/30s or 10/m,burst=3; none: no limit"

app = typer.Typer(help="Limit what all endpoints of the project take together.", no_args_is_help=True)


@app.command()
@shared_options
def get(shared: Shared) -> None:
    """Show the project's limits."""
    with shared.client() as client:
        found = client.project_limits()
        project = client.settings.project
    details = {"project": project, "all endpoints": f"{found.total}" if found.total else "no limit"}
    print_details(found, details, shared.output)


@app.command()
@shared_options
def update(
    shared: Shared,
    *,
    limit: Annotated[
        str, typer.Option(metavar="RATE", help=f"Requests to all endpoints together, {RATE_HELP}.", show_default=False)
    ],
) -> None:
    """Change the project's limits. Each gateway counts by itself."""
    with shared.client() as client:
        changed = client.update_project_limits(total=rate(limit))
        project = client.settings.project
    print_text(changed, f"the limits of {project} are changed", shared.output)


def rate(text: str) -> RateLimit | None:
    """Reads a rate; None where it is written that there is none."""
    from kea_sdk.limits import RateLimit

    return None if text == NONE else RateLimit.parse(text)


def shown(limits: Limits) -> str:
    """Returns an endpoint's limits for people, a line for each."""
    lines = (
        f"{limits.total} of all requests" if limits.total else "",
        f"{limits.per_consumer} of each consumer" if limits.per_consumer else "",
        f"{limits.max_concurrent_requests} in progress" if limits.max_concurrent_requests else "",
    )
    return "\n".join(line for line in lines if line)
