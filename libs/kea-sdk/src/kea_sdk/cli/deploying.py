"""`kea deploy` and `kea undeploy`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from kea_sdk.cli.printing import print_data
from kea_sdk.cli.progress import step_progress
from kea_sdk.cli.shared_options import Output, Shared, shared_options

_PANEL = "Models and endpoints"


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(rich_help_panel=_PANEL)(deploy)
    app.command(rich_help_panel=_PANEL)(undeploy)


@shared_options
def deploy(
    shared: Shared,
    *,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="NAME[:N|@ALIAS]", help="The model; its newest version, a number or an alias.", show_default=False
        ),
    ],
    replicas: Annotated[
        int, typer.Option(min=0, max=64, help="How many serve it; with 0 it answers 503 until there are more.")
    ] = 1,
    endpoint: Annotated[
        str | None, typer.Option(help="The name callers use. Default: the model's.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it serves.")] = True,
    timeout: Annotated[float, typer.Option(min=1, help="Longest wait, in seconds.")] = 600.0,
) -> None:
    """Deploy a model version. What serves the endpoint now does so until the new one is ready."""
    with shared.client() as client, step_progress(f"deploying {reference}") as report:
        done = client.deploy(reference, replicas=replicas, endpoint=endpoint, wait=wait, timeout=timeout, report=report)
    if shared.output in {Output.JSON, Output.YAML}:
        print_data(done, (), shared.output)
        return
    served = f"{done.deployment.model}:{done.deployment.version}"
    if not wait:
        sys.stdout.write(f"bringing {served} up as {done.deployment.name}\n")
        return
    sys.stdout.write(f"{served} serves {done.endpoint.url}\ndocs: {done.endpoint.docs_url}\n")
    if done.replaced:
        sys.stdout.write(f"replaced: {', '.join(done.replaced)}\n")


@shared_options
def undeploy(
    shared: Shared,
    *,
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's name.", show_default=False)],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until its replicas have ended.")] = True,
) -> None:
    """Take an endpoint and its deployments down."""
    with shared.client() as client, step_progress(f"taking {endpoint} down"):
        taken = client.undeploy(endpoint, wait=wait)
    if shared.output in {Output.JSON, Output.YAML}:
        print_data({"endpoint": endpoint, "deployments": taken}, (), shared.output)
        return
    sys.stdout.write(f"{endpoint} is down ({', '.join(taken) or 'it had no deployments'})\n")
