from __future__ import annotations

import contextvars
from collections.abc import Generator

import pytest
from kea_core.managed import (
    OPERATOR,
    ManagedByReserved,
    ManagedByResource,
    NotManaged,
    check_change,
    check_making,
)
from kea_core.principal import ANONYMOUS, Principal, set_principal

NAME = "projects/default/models/iris"
RESOURCE = "team-a/iris"
ADMIN = "users/admin"


@pytest.fixture(autouse=True)
def nobody() -> Generator[None, None, None]:
    """Each test says who calls; the next begins with nobody again."""
    yield
    set_principal(ANONYMOUS)


def calling(subject: str) -> None:
    set_principal(Principal(subject))


@pytest.mark.parametrize("subject", [ADMIN, "serviceAccounts/deployer", "users/operator"])
def test_only_the_operator_says_that_a_resource_manages_something(subject: str) -> None:
    calling(subject)
    check_making("")
    with pytest.raises(ManagedByReserved) as caught:
        check_making(RESOURCE)
    assert [violation.field for violation in caught.value.violations] == ["managed_by"]
    calling(OPERATOR)
    check_making(RESOURCE)


def test_the_operator_may_make_what_no_resource_manages() -> None:
    calling(OPERATOR)
    check_making("")


def test_what_a_resource_manages_is_not_changed_by_others_not_even_the_admin() -> None:
    calling(ADMIN)
    check_change(NAME, "")
    with pytest.raises(ManagedByResource, match=f"{NAME} is managed by the custom resource {RESOURCE}") as caught:
        check_change(NAME, RESOURCE)
    assert caught.value.metadata == {"name": NAME, "resource": RESOURCE}


def test_the_operator_changes_nothing_but_what_resources_manage() -> None:
    calling(OPERATOR)
    check_change(NAME, RESOURCE)
    with pytest.raises(NotManaged, match=NAME):
        check_change(NAME, "")


def test_who_calls_is_known_per_call() -> None:
    calling(ADMIN)
    other = contextvars.copy_context()
    other.run(calling, OPERATOR)
    other.run(check_change, NAME, RESOURCE)
    with pytest.raises(ManagedByResource):
        check_change(NAME, RESOURCE)
