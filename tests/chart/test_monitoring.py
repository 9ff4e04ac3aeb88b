"""Dashboards and alerts as the chart renders them. What they ask Prometheus is tested in tests/integration."""

from __future__ import annotations

import json

import pytest
import yaml
from rendering import CHART, HelmError, of_kind, one, render

pytestmark = pytest.mark.cluster
BOARDS = sorted((CHART / "dashboards").glob("*.json"))
RULES = yaml.safe_load((CHART / "alerts" / "rules.yaml").read_text())


def test_dashboards_lie_where_the_sidecar_looks_and_are_those_of_the_chart() -> None:
    objects = render("monitoring")
    found = {
        name: (config_map["metadata"], json.loads(text))
        for config_map in of_kind(objects, "ConfigMap")
        for name, text in config_map["data"].items()
        if name.endswith(".json")
    }
    assert {name: board for name, (_, board) in found.items()} == {
        f"kea-{path.name}": json.loads(path.read_text()) for path in BOARDS
    }
    for metadata, _ in found.values():
        assert metadata["namespace"] == "grafana"
        assert metadata["annotations"] == {"grafana_folder": "KEA"}
        assert {"grafana_dashboard": "1", "team": "ml"}.items() <= metadata["labels"].items()


def test_the_sidecars_label_may_be_another() -> None:
    labels = ("--set", "dashboards.label=example.com/board", "--set-string", "dashboards.labelValue=true")
    objects = render("monitoring", *labels, "--set", "dashboards.namespace=")
    metadata = one(objects, "ConfigMap", "kea-dashboard-models")["metadata"]
    assert metadata["namespace"] == "kea"
    assert metadata["labels"]["example.com/board"] == "true"
    assert "grafana_dashboard" not in metadata["labels"]


def test_alerts_are_of_the_releases_own_namespace_and_otherwise_as_written() -> None:
    rule = one(render("monitoring", namespace="ml-platform"), "PrometheusRule", "kea-alerts")
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    (written,), (rendered,) = RULES["groups"], rule["spec"]["groups"]
    assert rendered["name"] == written["name"]
    for before, after in zip(written["rules"], rendered["rules"], strict=True):
        expected = before | {"expr": before["expr"].replace("$namespace", "ml-platform")}
        assert after == expected | {"labels": before["labels"] | {"team": "ml"}}


def test_without_being_asked_there_are_neither() -> None:
    objects = render("default")
    assert not list(of_kind(objects, "PrometheusRule"))
    assert not [each for each in of_kind(objects, "ConfigMap") if "dashboard" in each["metadata"]["name"]]


@pytest.mark.parametrize("part", ["dashboards", "alerts"])
def test_without_metrics_they_are_refused(part: str) -> None:
    with pytest.raises(HelmError, match=f"{part}.enabled is set, and metrics.enabled is not"):
        render("default", "--set", "metrics.enabled=false", "--set", f"{part}.enabled=true")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("dashboards.label=grafana dashboard", "/dashboards/label"),
        ("dashboards.namespace=Grafana", "/dashboards/namespace"),
        ("dashboards.folder=KEA", "folder"),
        ("alerts.enabled=maybe", "/alerts/enabled"),
        ("alerts.ruleLabels.team=1", "/alerts/ruleLabels/team"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(value: str, told: str) -> None:
    with pytest.raises(HelmError) as refused:
        render("monitoring", "--set", value)
    assert told in str(refused.value).replace(".", "/")
