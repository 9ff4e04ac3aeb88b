"""`kea endpoints`."""

from __future__ import annotations

import enum
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from kea_sdk.cli.printing import age, print_data, print_details
from kea_sdk.cli.shared_options import Output, Shared, shared_options

if TYPE_CHECKING:
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
        deployments = {entry.name: entry for entry in client.deployments()}
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
        deployments = {entry.name: entry for entry in client.deployments()}
    behind = [deployments[target.deployment] for target in found.targets if target.deployment in deployments]
    problems = [*found.conditions, *(condition for entry in behind for condition in entry.conditions)]
    details = {
        "endpoint": found.name,
        "state": _state(found),
        "url": found.url,
        "docs": found.docs_url,
        "serves": "\n".join(_target(found, deployments)),
        "replicas": "\n".join(f"{entry.name}: {entry.ready_replicas} of {entry.replicas} ready" for entry in behind),
        "roles": ", ".join(found.allowed_roles) or "admin, editor, invoker",
        "timeout": f"{found.timeout_seconds or 60:g} s",
        "retries": f"{found.retry} requests",
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
    role: Annotated[
        list[str] | None,
        typer.Option(
            help="Who may call it; may be given several times. Once and empty: admin, editor, invoker.",
            show_default=False,
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
) -> None:
    """Change an endpoint's time-out, its roles, or what is retried."""
    roles = None if role is None else [name for name in role if name]
    with shared.client() as client:
        changed = client.update_endpoint(endpoint, timeout_seconds=timeout, allowed_roles=roles, retry=retry)
    if shared.output in {Output.JSON, Output.YAML}:
        print_data(changed, (), shared.output)
        return
    sys.stdout.write(f"{changed.name} is changed\n")


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


def _state(endpoint: Endpoint) -> str:
    return f"{endpoint.state}, reconciling" if endpoint.reconciling else endpoint.state


def _target(endpoint: Endpoint, deployments: dict[str, Deployment]) -> list[str]:
    lines: list[str] = []
    for target in endpoint.targets:
        found = deployments.get(target.deployment)
        what = f"{found.model}:{found.version}" if found else f"{target.deployment} (missing)"
        lines.append(what if len(endpoint.targets) == 1 else f"{what} {target.weight / 100:g}%")
    return lines
