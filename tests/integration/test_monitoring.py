"""The chart's dashboards and alert rules: what they ask Prometheus is PromQL, and of metrics that there are."""

from __future__ import annotations

import json
import re
import socket
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest
import yaml
from kea.router.v1 import endpoint_pb2
from kea_auth.audit.journal import JournalMetrics
from kea_core.audit_shipper import AuditShipper
from kea_core.metrics_server import serve_metrics
from kea_deployer.cluster.api_metrics import ApiMetrics
from kea_deployer.operator.metrics import SETTLED, OperatorMetrics
from prometheus_client import CollectorRegistry, generate_latest

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "chart"
BOARDS: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in (CHART / "dashboards").iterdir()}
RULES: list[Any] = [
    rule for group in yaml.safe_load((CHART / "alerts" / "rules.yaml").read_text())["groups"] for rule in group["rules"]
]
DURATIONS = {"$__rate_interval": "5m", "$__range": "1h"}
"""What Grafana puts in; other variables stand in strings."""
BUILT_IN = {"datasource", "namespace"}
OF_TARGETS = {"job", "namespace", "pod"}
"""Labels that Prometheus adds: the ServiceMonitor has it name the job after the component."""
MADE = {"deployment"}
"""Labels that expressions make."""

SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Exported = Mapping[str, set[str]]
"""Labels of each metric."""


def asked() -> Iterator[tuple[str, str]]:
    """Yields everything that Prometheus is asked, with its place."""
    for name, board in BOARDS.items():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                found = re.fullmatch(r"label_values\((.+), \w+\)", variable["definition"])
                assert found, variable["definition"]
                yield f"{name}, variable {variable['name']}", found[1]
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield f"{name}, {panel['title']}, {target['refId']}", target["expr"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]


ASKED = dict(asked())


def parse(text: str) -> promql_parser.Expr:
    for variable, value in DURATIONS.items():
        text = text.replace(f"[{variable}]", f"[{value}]")
    return promql_parser.parse(text)


def unknown(text: str, exported: Exported) -> set[str]:
    """Returns the metrics and labels of an expression that nobody exports, as `metric` or `metric{label}`."""
    found = set[str]()
    labels = OF_TARGETS | MADE | {label for each in exported.values() for label in each}

    def visit(expression: promql_parser.Expr) -> None:
        if isinstance(expression, promql_parser.MatrixSelector):
            visit(expression.vector_selector)
        elif isinstance(expression, promql_parser.VectorSelector):
            name = expression.name or ""
            if name not in exported:
                found.add(name)
                return
            for matcher in expression.matchers.matchers:
                if matcher.name not in exported[name] | OF_TARGETS:
                    found.add(f"{name}{{{matcher.name}}}")
        elif isinstance(expression, promql_parser.AggregateExpr) and expression.modifier:
            found.update(f"{{{label}}}" for label in expression.modifier.labels if label not in labels)

    promql_parser.walk(parse(text), visit)
    return found


def samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yields what was scraped, under the names that Prometheus stores: its client would rename counters."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            found = SAMPLE.match(line)
            assert found, line
            yield found["name"], dict(LABEL.findall(found["labels"] or "")), float(found["value"])


def labels_of(*texts: str) -> Exported:
    """Returns the labels of each metric of what was scraped."""
    found = defaultdict[str, set[str]](set)
    for text in texts:
        for name, labels, _ in samples(text):
            found[name] |= labels.keys()
    return dict(found)


async def nowhere(batch: bytes) -> None:
    """Takes no audit events."""
    raise AssertionError(batch)


def of_others() -> str:
    """Returns what is only told on Kubernetes or by the audit log, from what tells it there."""
    registry = CollectorRegistry()
    JournalMetrics(registry)
    AuditShipper("test", nowhere, registry)
    ApiMetrics(registry).called("GET", "pods", 200)
    OperatorMetrics(registry).looked("MLModel", SETTLED)
    return generate_latest(registry).decode()


@pytest.fixture
def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def envoy_metrics(directory: Path) -> str:
    transport = httpx.AsyncHTTPTransport(uds=str(directory / "admin.sock"))
    async with httpx.AsyncClient(transport=transport, base_url="http://admin") as admin:
        return (await admin.get("/stats/prometheus")).text


@pytest.mark.parametrize("place", ASKED)
def test_every_expression_is_promql(place: str) -> None:
    parse(ASKED[place])


def test_a_metric_or_a_label_that_nobody_exports_is_found() -> None:
    exported = {"a_total": {"code"}}
    assert unknown('sum by (code) (rate(a_total{code="1", job="x"}[5m])) > 0', exported) == set()
    assert unknown("rate(b_total[$__rate_interval]) or a_total", exported) == {"b_total"}
    assert unknown('sum by (size) (a_total{colour="red"}) / a_total', exported) == {"a_total{colour}", "{size}"}


async def test_every_metric_that_is_asked_for_is_exported(start_plane: Any, free_address: str) -> None:
    async with start_plane(audit_address="unix:/nowhere") as plane:
        plane.deploy("v1", await plane.upstream("a"))
        await plane.create("iris", v1=10_000)
        await plane.settled("iris")
        assert (await plane.call()).status_code == 200
        with serve_metrics(free_address, plane.metrics):
            async with httpx.AsyncClient(trust_env=False) as client:
                of_a_service = (await client.get(f"http://{free_address}/metrics")).text
        exported = labels_of(of_a_service, await envoy_metrics(plane.directory), of_others())
    assert {place: found for place, text in ASKED.items() if (found := unknown(text, exported))} == {}


async def test_a_retry_is_not_counted_as_a_request_and_no_replica_is_counted_as_a_failure(start_plane: Any) -> None:
    async with start_plane() as plane:
        good, dead = await plane.upstream("good"), await plane.upstream("dead")
        dead.die()
        plane.deploy("v1", good, dead)
        await plane.create("iris", v1=10_000)
        await plane.settled("iris")

        async def told(name: str, **labels: str) -> float:
            labels["envoy_cluster_name"] = "projects/default/deployments/v1/http"
            wanted = (f"envoy_cluster_{name}", labels)
            found = samples(await envoy_metrics(plane.directory))
            return sum(value for metric, its_labels, value in found if (metric, its_labels) == wanted)

        calls = 0
        while not await told("upstream_rq_retry_success"):
            assert (await plane.call()).status_code == 200
            calls += 1
        assert await told("upstream_rq_completed") == calls
        plane.deploy("v1")
        await plane.settled("iris", state=endpoint_pb2.Endpoint.STATE_UNAVAILABLE)
        assert (await plane.call()).status_code == 503
        assert await told("membership_healthy") == 0
        assert await told("upstream_rq_xx", envoy_response_code_class="5") == 1


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_such_as_grafana_takes_and_people_read(name: str) -> None:
    board = BOARDS[name]
    panels = board["panels"]
    assert board["uid"] == f"kea-{name}"
    assert "id" not in board, "of one Grafana"
    assert board["title"].startswith("KEA: ")
    assert len({panel["id"] for panel in panels}) == len(panels) <= 13
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]
    taken = [cell for panel in panels for cell in cells(panel["gridPos"])]
    assert len(set(taken)) == len(taken), "panels lie on one another"


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_names_no_data_source_and_uses_every_variable_it_has(name: str) -> None:
    board = BOARDS[name]
    text = json.dumps(board)
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {board["uid"], "${datasource}"}
    known = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", text))
    assert used == known >= BUILT_IN
    for panel in board["panels"]:
        assert all('namespace="$namespace"' in target["expr"] for target in panel["targets"]), panel["title"]


def cells(place: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_says_what_is_wrong_and_the_documents_what_to_do(rule: Any) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    told = (ROOT / "docs" / "operations.md").read_text()
    assert f"| `{rule['alert']}` |" in told
    assert rule["annotations"]["runbook"] == "docs/operations.md, Dashboards and alerts"
    assert "\n## Dashboards and alerts\n" in told


def test_every_expression_of_an_alert_is_of_one_release() -> None:
    for rule in RULES:
        selectors = re.findall(r"\{[^{}]*\}", rule["expr"])
        assert selectors, rule["alert"]
        assert all('namespace="$namespace"' in selector for selector in selectors), rule["alert"]


def test_what_the_documents_tell_of_alerts_is_there() -> None:
    told = re.findall(r"^\| `(Kea\w+)` \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert told == [rule["alert"] for rule in RULES]
