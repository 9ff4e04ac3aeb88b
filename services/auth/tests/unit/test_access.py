from __future__ import annotations

from kea_auth.domain.access import explained
from kea_core.policy import Binding, Policy
from kea_core.principal import Principal

POLICY = Policy(
    roles={"caller": ("router.endpoints.invoke",)},
    bindings={
        "bindings/b1": Binding("groups/students", "caller", "projects/p", "bindings/b1"),
        "bindings/b2": Binding("everyone", "viewer", "projects/q", "bindings/b2"),
    },
)
STUDENT = Principal("users/x", frozenset({"students"}))


def told(who: Principal, permission: str, resource: str) -> tuple[bool, str]:
    answer = explained(POLICY, who, permission, resource)
    assert (answer.binding is not None) == answer.allowed
    return answer.allowed, answer.explanation


def test_every_answer_says_why() -> None:
    invoke = "router.endpoints.invoke"
    allowed = "users/x has router.endpoints.invoke by role caller through groups/students on projects/p (bindings/b1)"
    assert told(STUDENT, invoke, "projects/p/endpoints/e") == (True, allowed)
    assert told(STUDENT, invoke, "") == (
        False,
        "no binding gives users/x router.endpoints.invoke on the whole platform",
    )
    assert told(STUDENT, "router.endpoints.get", "projects/q") == (
        True,
        "users/x has router.endpoints.get by role viewer as everyone has on projects/q (bindings/b2)",
    )
    scoped = Principal("users/x", frozenset({"students"}), ("viewer",))
    assert told(scoped, invoke, "projects/p") == (
        False,
        f"{allowed}, but the token's scopes (viewer) do not contain it",
    )
    registry = Principal("serviceAccounts/registry")
    assert told(registry, "auth.policy.watch", "")[1].endswith(
        "by role service-registry on the whole platform (KEA comes with that)"
    )
