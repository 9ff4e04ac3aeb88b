"""What a custom resource manages: only that resource changes it, and it changes nothing else.

The operator speaks for custom resources; whatever it makes carries `managed_by`, `{namespace}/{name}` of the resource.
"""

from __future__ import annotations

from kea_core.errors import FailedPrecondition, FieldViolation, InvalidArgument
from kea_core.principal import current_principal

OPERATOR = "serviceAccounts/operator"
"""The subject of the operator's tokens."""


class ManagedByResource(FailedPrecondition):
    """A custom resource manages it."""

    reason = "MANAGED_BY_RESOURCE"

    def __init__(self, name: str, resource: str) -> None:
        super().__init__(
            f"{name} is managed by the custom resource {resource}; change that resource instead",
            name=name,
            resource=resource,
        )


class NotManaged(FailedPrecondition):
    """A custom resource wants to change what it does not manage."""

    reason = "NOT_MANAGED"

    def __init__(self, name: str) -> None:
        problem = f"{name} was not made by a custom resource; delete it, or name the resource otherwise"
        super().__init__(problem, name=name)


class ManagedByReserved(InvalidArgument):
    """Somebody but the operator says that a custom resource manages something."""

    reason = "MANAGED_BY_RESERVED"

    def __init__(self) -> None:
        description = "is the operator's to set; expected nothing"
        super().__init__(f"managed_by {description}", violations=[FieldViolation("managed_by", description)])


def check_making(managed_by: str) -> None:
    """Checks what a resource that is made says of who manages it.

    Raises:
        ManagedByReserved: the caller is not the operator.
    """
    if managed_by and current_principal().subject != OPERATOR:
        raise ManagedByReserved


def check_change(name: str, managed_by: str) -> None:
    """Checks that the caller may change or delete what has been made.

    Raises:
        ManagedByResource: a custom resource manages it, and the caller is not the operator.
        NotManaged: none does, and the caller is the operator.
    """
    operator = current_principal().subject == OPERATOR
    if managed_by and not operator:
        raise ManagedByResource(name, managed_by)
    if operator and not managed_by:
        raise NotManaged(name)
