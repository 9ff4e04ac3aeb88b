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
    from kea_sdk.limits import Limits

    with shared.client() as client:
        found = client.project_limits()
        project = client.settings.project
    together = Limits(total=found.total, max_concurrent_requests=found.max_concurrent_requests)
    details = {"project": project, "all endpoints": shown(together) or "no limit"}
    print_details(found, details, shared.output)


@app.command()
@shared_options
def update(
    shared: Shared,
    *,
    limit: Annotated[
        str | None,
        typer.Option(metavar="RATE", help=f"Requests to all endpoints together, {RATE_HELP}.", show_default=False),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Most requests to all endpoints in progress at once; 0: no limit.", show_default=False
        ),
    ] = None,
) -> None:
    """Change the project's limits; what is not given stays."""
    if limit is None and concurrency is None:
        problem = "nothing to change; expected --limit or --concurrency"
        raise typer.BadParameter(problem)
    with shared.client() as client:
        now = client.project_limits()
        changed = client.update_project_limits(
            total=now.total if limit is None else rate(limit),
            max_concurrent_requests=now.max_concurrent_requests if concurrency is None else concurrency,
            etag=now.etag,
        )
        project = client.settings.project
    print_text(changed, f"the limits of {project} are changed", shared.output)


def rate(text: str) -> RateLimit | None:
    """Reads a rate; None where it is written that there is none."""
    from kea_sdk.limits import RateLimit

    return None if text == NONE else RateLimit.parse(text)


def shown(limits: Limits) -> str:
    """Returns limits for people, a line for each."""
    lines = (
        f"{limits.total} of all requests" if limits.total else "",
        f"{limits.per_consumer} of each consumer" if limits.per_consumer else "",
        f"{limits.max_concurrent_requests} in progress" if limits.max_concurrent_requests else "",
        f"{limits.max_concurrent_requests_per_consumer} of each consumer in progress"
        if limits.max_concurrent_requests_per_consumer
        else "",
    )
    return "\n".join(line for line in lines if line)
