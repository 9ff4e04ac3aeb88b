"""`kea endpoints`."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kea_sdk.cli import limits
from kea_sdk.cli.printing import age, print_data, print_details, print_text
from kea_sdk.cli.shared_options import Shared, shared_options

if TYPE_CHECKING:
    from kea_sdk.client import Client
    from kea_sdk.resources import Deployment, Endpoint

app = typer.Typer(help="Look at what is served, and change how.", no_args_is_help=True)


class RetryOption(enum.StrEnum):
    """As `Client.update_endpoint` names them."""

    UNSENT = "unsent"
    UNANSWERED = "unanswered"


@app.command("list")
@shared_options
def list_endpoints(shared: Shared) -> None:
    """List the endpoints."""
    with shared.client() as client:
        found = client.endpoints()
        deployments = _deployments(client)
    rows = [
        {
            "endpoint": entry.name,
            "state": _state(entry),
            "serves": ", ".join(_target(entry, deployments)),
            "age": age(entry.create_time),
            "url": entry.url,
        }
        for entry in found
    ]
    print_data(found, rows, shared.output)


@app.command()
@shared_options
def get(
    shared: Shared,
    *,
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's name.", show_default=False)],
) -> None:
    """Show an endpoint and the deployments behind it."""
    with shared.client() as client:
        found = client.endpoint(endpoint)
        deployments = _deployments(client)
    seen = deployments or {}
    behind = [seen[target.deployment] for target in found.targets if target.deployment in seen]
    problems = [*found.conditions, *(condition for entry in behind for condition in entry.conditions)]
    details = {
        "endpoint": found.name,
        "state": _state(found),
        "url": found.url,
        "docs": found.docs_url,
        "serves": "\n".join(_target(found, deployments)),
        "replicas": "\n".join(f"{entry.name}: {entry.ready_replicas} of {entry.replicas} ready" for entry in behind),
        "timeout": f"{found.timeout_seconds or 60:g} s",
        "retries": f"{found.retry} requests",
        "limits": limits.shown(found.limits),
        "problems": "\n".join(
            f"{entry.type}: {entry.message} [{entry.reason}]" for entry in problems if entry.status == "FALSE"
        ),
    }
    print_details({"endpoint": found, "deployments": behind}, details, shared.output)


@app.command()
@shared_options
def update(
    shared: Shared,
    *,
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's name.", show_default=False)],
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Longest time of a request, up to 3600; 0: the default, 60.", show_default=False
        ),
    ] = None,
    retry: Annotated[
        RetryOption | None,
        typer.Option(
            help="Send requests to another replica that never reached one (unsent), or also those that a replica had "
            "in hand when it died (unanswered): the method may then run twice.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(metavar="RATE", help=f"Requests of all together, {limits.RATE_HELP}.", show_default=False),
    ] = None,
    consumer_limit: Annotated[
        str | None,
        typer.Option(
            metavar="RATE", help="Requests of each consumer by itself, written in the same way.", show_default=False
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(metavar="N", help="Most requests in progress at once; 0: no limit.", show_default=False),
    ] = None,
    consumer_concurrency: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Most requests of each consumer in progress at once; 0: no limit.", show_default=False
        ),
    ] = None,
) -> None:
    """Change an endpoint's time-out, what is retried, or its limits."""
    rates = {"total": limit, "per_consumer": consumer_limit}
    counts = {
        "max_concurrent_requests": concurrency,
        "max_concurrent_requests_per_consumer": consumer_concurrency,
    }
    changes: dict[str, Any] = {name: limits.rate(text) for name, text in rates.items() if text is not None}
    changes |= {name: count for name, count in counts.items() if count is not None}
    with shared.client() as client:
        wanted, etag = None, ""
        if changes:
            found = client.endpoint(endpoint)
            wanted, etag = dataclasses.replace(found.limits, **changes), found.etag
        changed = client.update_endpoint(endpoint, timeout_seconds=timeout, retry=retry, limits=wanted, etag=etag)
    print_text(changed, f"{changed.name} is changed", shared.output)


@app.command()
@shared_options
def revisions(
    shared: Shared,
    *,
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's name.", show_default=False)],
) -> None:
    """List what an endpoint has served, newest first; `kea rollback` goes back to one."""
    with shared.client() as client:
        found = client.revisions(endpoint)
    rows = [
        {
            "revision": str(entry.number),
            "served": str(entry),
            "asked of the cluster": ", ".join(sorted({name for part in entry.targets for name in part.pod_template})),
            "age": age(entry.create_time),
        }
        for entry in found
    ]
    print_data(found, rows, shared.output)


def _deployments(client: Client) -> dict[str, Deployment] | None:
    """Returns the deployments by name, or None where the caller may not see them, as who only calls models."""
    from kea_sdk.errors import PermissionDenied

    try:
        return {entry.name: entry for entry in client.deployments()}
    except PermissionDenied:
        return None


def _state(endpoint: Endpoint) -> str:
    return f"{endpoint.state}, reconciling" if endpoint.reconciling else endpoint.state


def _target(endpoint: Endpoint, deployments: dict[str, Deployment] | None) -> list[str]:
    lines: list[str] = []
    for target in endpoint.targets:
        found = deployments.get(target.deployment) if deployments is not None else None
        missing = "" if deployments is None else " (missing)"
        what = f"{found.model}:{found.version}" if found else f"{target.deployment}{missing}"
        lines.append(what if len(endpoint.targets) == 1 else f"{what} {target.weight / 100:g}%")
    return lines
