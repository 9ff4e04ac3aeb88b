from __future__ import annotations

from collections.abc import Generator

import pytest
from kit.commands import KitError, wait_until
from namespaces import Namespace, Object

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def definition(group: str) -> Object:
    """A type with a rule over two of its fields."""
    fields = {
        "type": "object",
        "properties": {"minimum": {"type": "integer"}, "maximum": {"type": "integer"}},
        "x-kubernetes-validations": [
            {"rule": "self.minimum <= self.maximum", "message": "minimum above maximum"},
        ],
    }
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": fields}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"ranges.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Range", "plural": "ranges", "singular": "range"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture
def ranges(namespace: Namespace) -> Generator[str, None, None]:
    """The name of a type of which there is one object, with minimum 1 and maximum 5, applied by manager "one"."""
    group = f"{namespace.name}.example"
    name = f"ranges.{group}"
    namespace.apply(definition(group))
    try:
        namespace.wait("condition=Established", f"crd/{name}")
        assert wait_until(lambda: served(namespace, group), 20), "the type is not served"
        yield name
    finally:
        namespace("delete", "crd", name)


def served(namespace: Namespace, group: str) -> bool:
    """Says whether an object could be made: "established" comes a moment too early."""
    try:
        put(namespace, group, minimum=1, manager="one")
    except KitError:
        return False
    return True


def put(namespace: Namespace, group: str, *, minimum: int, manager: str) -> None:
    whole: Object = {
        "apiVersion": f"{group}/v1",
        "kind": "Range",
        "metadata": {"name": "mine"},
        "spec": {"minimum": minimum, "maximum": 5},
    }
    namespace.apply(whole, options=("--server-side", f"--field-manager={manager}"))


def test_a_rule_over_fields_is_enforced(namespace: Namespace, ranges: str) -> None:
    with pytest.raises(KitError, match="minimum above maximum"):
        put(namespace, ranges.partition(".")[2], minimum=6, manager="one")
    assert namespace.get(".spec.minimum", ranges, "mine") == "1"


def test_a_second_manager_of_a_field_meets_a_conflict(namespace: Namespace, ranges: str) -> None:
    with pytest.raises(KitError, match='conflict with "one"'):
        put(namespace, ranges.partition(".")[2], minimum=2, manager="two")
    assert namespace.get(".spec.minimum", ranges, "mine") == "1"


def test_a_type_is_in_the_servers_description(namespace: Namespace, ranges: str) -> None:
    command = ("explain", "ranges.spec", f"--api-version={ranges.partition('.')[2]}/v1")
    assert wait_until(lambda: "minimum" in namespace(*command, check=False), 20), namespace(*command)
