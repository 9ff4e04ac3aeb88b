"""`kea deploy`, `kea rollback` and `kea undeploy`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from kea_sdk.cli.printing import print_data, print_text
from kea_sdk.cli.progress import step_progress
from kea_sdk.cli.shared_options import Output, Shared, shared_options
from kea_sdk.errors import InvalidArgument
from kea_sdk.running import pod_template_of

if TYPE_CHECKING:
    from kea_sdk.resources import Rollout

_PANEL = "Models and endpoints"
_PODS = "On Kubernetes"
_CLUSTER: dict[str, Any] = {"show_default": False, "rich_help_panel": _PODS}


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(rich_help_panel=_PANEL)(deploy)
    app.command(rich_help_panel=_PANEL)(rollback)
    app.command(rich_help_panel=_PANEL)(undeploy)


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    import yaml

    try:
        found = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        problem = f"{path}: {' '.join(str(error).split())}"
        raise InvalidArgument(problem) from error
    if not isinstance(found, dict):
        problem = f"{path} holds a {type(found).__name__}; expected the fields of a PodTemplate"
        raise InvalidArgument(problem)
    return cast("dict[str, Any]", found)


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
        int | None,
        typer.Option(
            min=0,
            max=64,
            help="How many serve it; with 0 it answers 503 until there are more. Default: 1, or as many as there are.",
            show_default=False,
        ),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="The name callers use. Default: the model's.", show_default=False)
    ] = None,
    cpu: Annotated[str | None, typer.Option(help="CPU each replica is sure of, as 500m or 2.", **_CLUSTER)] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory each replica is sure of, and gets at most, as 1Gi.", **_CLUSTER)
    ] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="NVIDIA GPUs for each replica.", **_CLUSTER)] = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable of the model's.", **_CLUSTER)
    ] = None,
    env_secret: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SECRET/KEY", help="A variable from a Kubernetes Secret.", **_CLUSTER),
    ] = None,
    pod_template: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            exists=True,
            metavar="FILE",
            help="More of the kind, as node selectors and tolerations: a kea.deployer.v1.PodTemplate in YAML or JSON.",
            **_CLUSTER,
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(help="An image of your own that serves the version, in place of one that is built.", **_CLUSTER),
    ] = None,
    min_replicas: Annotated[
        int, typer.Option(min=1, max=64, help="Fewest replicas, with --max-replicas.", rich_help_panel=_PODS)
    ] = 1,
    max_replicas: Annotated[
        int | None, typer.Option(min=1, max=64, help="Have their number follow the load, up to this.", **_CLUSTER)
    ] = None,
    target_cpu: Annotated[
        int,
        typer.Option(
            min=1, max=1000, help="Add replicas beyond this percentage of the CPU they request.", rich_help_panel=_PODS
        ),
    ] = 80,
    target_requests: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Add replicas beyond so many requests a second for each, too; needs an adapter for metrics.",
            **_CLUSTER,
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it serves.")] = True,
    timeout: Annotated[float, typer.Option(min=1, help="Longest wait, in seconds.")] = 600.0,
) -> None:
    """Deploy a model version. What serves the endpoint now does so until the new one is ready."""
    template = pod_template_of(
        _read(pod_template), cpu=cpu, memory=memory, gpus=gpus, environment=env or (), secrets=env_secret or ()
    )
    if target_requests is not None and max_replicas is None:
        problem = "--target-requests needs --max-replicas"
        raise InvalidArgument(problem)
    scaling = {
        "min_replica_count": min_replicas,
        "max_replica_count": max_replicas,
        "target_cpu_percent": target_cpu,
        **({} if target_requests is None else {"target_requests_per_second": target_requests}),
    }
    with shared.client() as client, step_progress(f"deploying {reference}") as report:
        done = client.deploy(
            reference,
            replicas=replicas,
            endpoint=endpoint,
            pod_template=template,
            autoscaling=None if max_replicas is None else scaling,
            image=image,
            wait=wait,
            timeout=timeout,
            report=report,
        )
    if not wait and shared.output not in {Output.JSON, Output.YAML}:
        sys.stdout.write(f"bringing {_served(done)} up as {done.deployment.name}\n")
        return
    _tell(done, shared.output)


@shared_options
def rollback(
    shared: Shared,
    *,
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's name.", show_default=False)],
    to: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="The revision, as `kea endpoints revisions` lists them. Default: the one before.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Longest wait, in seconds.")] = 600.0,
) -> None:
    """Serve what was served before. What serves now does so until that is ready."""
    with shared.client() as client, step_progress(f"rolling {endpoint} back") as report:
        done = client.rollback(endpoint, to=to, timeout=timeout, report=report)
    _tell(done, shared.output)


def _tell(done: Rollout, output: Output | None) -> None:
    if output in {Output.JSON, Output.YAML}:
        print_data(done, (), output)
        return
    sys.stdout.write(f"{_served(done)} serves {done.endpoint.url}\ndocs: {done.endpoint.docs_url}\n")
    if done.replaced:
        sys.stdout.write(f"replaced: {', '.join(done.replaced)}\n")


def _served(done: Rollout) -> str:
    return f"{done.deployment.model}:{done.deployment.version}"


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
    told = f"{endpoint} is down ({', '.join(taken) or 'it had no deployments'})"
    print_text({"endpoint": endpoint, "deployments": taken}, told, shared.output)
