"""What is wanted (`golden/in`) to what Envoy is told (`golden/out`), in readable JSON.

After a change that is meant, run this file with `--update-golden` and read the diff.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from kea_core.policy import Binding, Policy
from kea_router.domain.deployment import Deployment, Replica
from kea_router.domain.endpoint import Endpoint, Retry, Target
from kea_router.domain.invokers import Invokers
from kea_router.domain.limits import ProjectLimits
from kea_router.store.limits_rows import limits_of, rate_of
from kea_router.translate.authentication import jwt_filter
from kea_router.translate.clusters import deployment_clusters, deployment_endpoints
from kea_router.translate.endpoint_routes import endpoint_resources
from kea_router.translate.in_progress import MODULE, concurrency_filter, project_concurrency_filter
from kea_router.translate.limits import project_limits_filter
from kea_router.translate.management_routes import Backends, management_resources
from kea_router.translate.policy import RBAC_FILTER
from kea_router.translate.revocations import revocation_filter
from kea_router.xds.resource import CLUSTER, ENDPOINTS, ROUTES, Resource
from kea_router.xds.snapshot import Delta, Snapshot

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.stem for path in (GOLDEN / "in").glob("*.json"))
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def translate(case: dict[str, Any]) -> list[Resource]:
    """Returns everything that a case's endpoints, deployments, keys and backends come to."""
    deployments = {entry["name"]: deployment_of(entry) for entry in case.get("deployments", ())}
    gateways = case.get("gateways", 0)
    found: list[Resource] = []
    if "jwks" in case:
        found.append(jwt_filter(json.dumps(case["jwks"])))
    if "revoked" in case:
        found.append(revocation_filter(case["revoked"]))
    if "project_limits" in case:
        limits = [ProjectLimits(name, rate_of(value)) for name, value in case["project_limits"].items()]
        found.append(project_limits_filter(limits, gateways=gateways))
    if "concurrency" in case:
        found.append(concurrency_filter(in_use=case["concurrency"]))
    if "project_concurrency" in case:
        at_once = [ProjectLimits(name, None, most) for name, most in case["project_concurrency"].items()]
        found.append(project_concurrency_filter(at_once))
    if "backends" in case:
        found += management_resources(Backends(**case["backends"]))
    for name in case.get("clusters", ()):
        found += [*deployment_clusters(name), *deployment_endpoints(name, deployments.get(name))]
    bindings = {str(number): Binding(**entry) for number, entry in enumerate(case.get("bindings", ()))}
    invokers = Invokers(Policy(bindings=bindings))
    for entry in case.get("endpoints", ()):
        found += endpoint_resources(endpoint_of(entry), deployments, invokers.of(entry["name"]), gateways=gateways)
    return found


def deployment_of(entry: dict[str, Any]) -> Deployment:
    replicas = tuple(Replica(**replica) for replica in entry["replicas"])
    version = f"projects/default/models/iris/versions/{entry['version']}"
    return Deployment(entry["name"], version, replicas, EPOCH)


def endpoint_of(entry: dict[str, Any]) -> Endpoint:
    made = Endpoint(
        name=entry["name"],
        targets=tuple(Target(deployment, weight) for deployment, weight in entry["targets"].items()),
        timeout_seconds=entry.get("timeout_seconds", 0.0),
        retry=Retry(entry.get("retry", "UNSENT")),
        limits=limits_of(entry.get("limits", {})),
        revision=1,
        create_time=EPOCH,
        update_time=EPOCH,
    )
    made.check()
    return made


def read(case: str) -> dict[str, Any]:
    return json.loads((GOLDEN / "in" / f"{case}.json").read_text())


def written(resources: Iterable[Resource]) -> str:
    documents = [
        {
            "name": resource.key.name,
            "references": sorted(f"{key.type_url.rpartition('.')[2]} {key.name}" for key in resource.references),
            "body": json_format.MessageToDict(resource.body, preserving_proto_field_name=True),
        }
        | ({"alone": json_format.MessageToDict(resource.alone)} if resource.alone is not None else {})
        for resource in resources
    ]
    module = base64.b64encode(MODULE).decode()
    return json.dumps(documents, indent=2, sort_keys=True).replace(module, "in_progress.wasm") + "\n"


def test_translations_are_as_they_were(request: pytest.FixtureRequest) -> None:
    found = {f"{case}.json": written(translate(read(case))) for case in CASES}
    out = GOLDEN / "out"
    if request.config.getoption("--update-golden", default=False):
        for left_over in {path.name for path in out.iterdir()} - found.keys():
            (out / left_over).unlink()
        for name, text in found.items():
            (out / name).write_text(text)
    assert {path.name: path.read_text() for path in out.iterdir()} == found


@pytest.mark.parametrize("case", CASES)
def test_translating_twice_gives_the_same_bytes(case: str) -> None:
    assert translate(read(case)) == translate(read(case))


@pytest.mark.parametrize("case", CASES)
def test_every_route_has_a_policy_and_every_split_adds_up(case: str) -> None:
    for document in json.loads(written(translate(read(case)))):
        for host in document["body"].get("virtual_hosts", ()):
            assert RBAC_FILTER in host["typed_per_filter_config"]
            for route in host["routes"]:
                assert RBAC_FILTER not in route.get("typed_per_filter_config", {})
                weights = route.get("route", {}).get("weighted_clusters", {}).get("clusters", ())
                assert not weights or sum(cluster["weight"] for cluster in weights) == 10_000
                assert all(cluster["weight"] for cluster in weights)


def test_an_endpoint_and_its_deployments_are_whole_together() -> None:
    case = read("split")
    snapshot = Snapshot().apply(Delta(tuple(translate(case))))
    assert len(snapshot.of_type(ROUTES)) == 1
    assert snapshot.of_type(CLUSTER).keys() == snapshot.of_type(ENDPOINTS).keys()
