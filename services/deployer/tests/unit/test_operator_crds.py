from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from kea_deployer.cluster.api import PLURALS
from kea_deployer.operator.deployment_spec import read_deployment_spec
from kea_deployer.operator.model_spec import read_model_spec
from kea_deployer.operator.names import API_VERSION

ROOT = Path(__file__).parents[4]
OF_OTHERS = {"$ref", "readOnly", "writeOnly", "examples", "contentEncoding", "format"}
"""What protos' schemas have and structural ones must not; formats are few that Kubernetes knows."""
FORMATS = {"int32", "int64", "date-time"}


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("crds", ROOT / "tools" / "crds.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def definitions(tool: Any) -> dict[str, Any]:
    return {made["spec"]["names"]["kind"]: made for made in tool.definitions().values()}


def schema_of(definition: Any) -> Any:
    return definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def check(tool: Any, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["crds.py", *arguments])
    return int(tool.main())


def test_the_definitions_in_the_chart_are_what_the_protos_say(tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(tool, monkeypatch, "--check") == 0, "run `make generate`"


def test_a_definition_that_is_old_missing_or_left_over_is_told(
    tool: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "TARGET", tmp_path / "made")
    assert check(tool, monkeypatch, "--check") == 1
    assert check(tool, monkeypatch) == 0
    assert check(tool, monkeypatch, "--check") == 0
    (tmp_path / "made" / "left.yaml").write_text("")
    (tmp_path / "made" / "mlmodels.yaml").write_text("old")
    capsys.readouterr()
    assert check(tool, monkeypatch, "--check") == 1
    told = capsys.readouterr().out
    assert "left.yaml" in told
    assert "mlmodels.yaml" in told
    assert check(tool, monkeypatch) == 0
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["mldeployments.yaml", "mlmodels.yaml"]


def test_kinds_are_those_that_the_operator_asks_for(definitions: dict[str, Any]) -> None:
    for kind, made in definitions.items():
        spec = made["spec"]
        version = spec["versions"][0]
        assert PLURALS[kind] == (f"apis/{spec['group']}/{version['name']}", spec["names"]["plural"])
        assert f"{spec['group']}/{version['name']}" == API_VERSION
        assert made["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"


def walk(schema: Any, path: str = "") -> Any:
    """Yields each schema in a schema with its path."""
    yield path, schema
    for name, inner in (schema.get("properties") or {}).items():
        yield from walk(inner, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from walk(schema[name], f"{path}.{name}")


@pytest.mark.parametrize("kind", ["MLModel", "MLDeployment"])
def test_schemas_are_structural(kind: str, definitions: dict[str, Any]) -> None:
    for path, schema in walk(schema_of(definitions[kind])):
        assert not (schema.keys() & OF_OTHERS) - ({"format"} if schema.get("format") in FORMATS else set()), path
        typed = schema.keys() & {"type", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"}
        assert typed, path
        inner = path.endswith((".items", ".additionalProperties")) or path in ("", ".apiVersion", ".kind", ".metadata")
        assert inner or schema.get("description"), f"{path} is not described"


def test_what_is_read_of_a_spec_is_in_its_schema(definitions: dict[str, Any]) -> None:
    for kind, read in (
        ("MLModel", read_model_spec),
        ("MLDeployment", lambda spec: read_deployment_spec("iris", spec)),
    ):
        asked = set[str]()

        class Spy(dict[str, Any]):
            def get(self, key: str, default: Any = None) -> Any:
                asked.add(key)  # noqa: B023 - it lives as long as the loop's body
                return super().get(key, default)

        base = {"modelName": "iris", "modelFramework": "onnx", "s3Path": "s3://a/b"}
        read(Spy(base))
        assert asked == schema_of(definitions[kind])["properties"]["spec"]["properties"].keys(), kind


def test_old_manifests_need_no_more_than_they_had(definitions: dict[str, Any]) -> None:
    required = {kind: schema_of(made)["properties"]["spec"]["required"] for kind, made in definitions.items()}
    assert required == {"MLModel": ["modelName", "modelFramework", "s3Path"], "MLDeployment": ["modelName"]}


def test_the_files_are_plain_yaml_that_anyone_can_apply(tool: Any) -> None:
    for name, content in tool.written().items():
        assert "&id" not in content, name
        assert "{{" not in content, name
        assert yaml.safe_load(content) == tool.definitions()[name]
