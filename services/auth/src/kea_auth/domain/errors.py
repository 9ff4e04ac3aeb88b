"""What can go wrong in auth."""

from __future__ import annotations

from collections.abc import Sequence

from kea_core.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
)


class RoleNotFound(NotFound):
    """There is no such role."""

    reason = "ROLE_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not there", name=name)


class RoleExists(AlreadyExists):
    """There is such a role already."""

    reason = "ROLE_EXISTS"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is there already", name=name)


class RoleBuiltIn(FailedPrecondition):
    """KEA comes with the role, and it stays as it is."""

    reason = "ROLE_BUILT_IN"

    def __init__(self, name: str) -> None:
        super().__init__(f"KEA comes with {name}, which cannot be changed; make another", name=name)


class RoleBound(FailedPrecondition):
    """Bindings give the role."""

    reason = "ROLE_BOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"bindings give {name}; delete those first", name=name)


class RoleNotHeld(PermissionDenied):
    """Somebody would give what they do not have there themselves."""

    reason = "ROLE_NOT_HELD"

    def __init__(self, subject: str, permissions: Sequence[str], resource: str) -> None:
        missing = ", ".join(permissions)
        super().__init__(
            f"{subject} cannot give {missing} on {resource or 'the whole platform'} without having it there",
            subject=subject,
            permissions=missing,
            resource=resource,
        )


class RolesExhausted(ResourceExhausted):
    """There are as many roles as there may be."""

    reason = "ROLES_EXHAUSTED"

    def __init__(self, limit: int) -> None:
        super().__init__(f"there are {limit} roles; delete some first", limit=str(limit))


class BindingNotFound(NotFound):
    """There is no such binding."""

    reason = "BINDING_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not there", name=name)


class BindingExists(AlreadyExists):
    """There is a binding that says the same."""

    reason = "BINDING_EXISTS"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} says this already", name=name)


class BindingsExhausted(ResourceExhausted):
    """There are as many bindings as there may be."""

    reason = "BINDINGS_EXHAUSTED"

    def __init__(self, limit: int) -> None:
        super().__init__(f"there are {limit} bindings; delete some, or bind groups instead", limit=str(limit))


class ServiceAccountNotFound(NotFound):
    """There is no such service account."""

    reason = "SERVICE_ACCOUNT_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not there", name=name)


class ServiceAccountExists(AlreadyExists):
    """There is such a service account already."""

    reason = "SERVICE_ACCOUNT_EXISTS"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is there already", name=name)


class ServiceAccountReserved(InvalidArgument):
    """One of KEA's own services uses the account of that id."""

    reason = "SERVICE_ACCOUNT_RESERVED"

    def __init__(self, account: str) -> None:
        description = f"is {account!r}, which one of KEA's own services uses; expected another"
        violations = [FieldViolation("service_account_id", description)]
        super().__init__(f"service_account_id {description}", violations=violations, account=account)


class ServiceAccountDisabled(FailedPrecondition):
    """The service account is disabled: a key of it would be refused."""

    reason = "SERVICE_ACCOUNT_DISABLED"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is disabled; enable it first", name=name)


class ServiceAccountsExhausted(ResourceExhausted):
    """There are as many service accounts as there may be."""

    reason = "SERVICE_ACCOUNTS_EXHAUSTED"

    def __init__(self, limit: int) -> None:
        super().__init__(f"there are {limit} service accounts; delete some first", limit=str(limit))


class ApiKeyNotFound(NotFound):
    """There is no such API key, or none any more."""

    reason = "API_KEY_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not there", name=name)


class ApiKeysExhausted(ResourceExhausted):
    """The account has as many API keys as it may have."""

    reason = "API_KEYS_EXHAUSTED"

    def __init__(self, account: str, limit: int, counted: str) -> None:
        super().__init__(
            f"{account} has {limit} API keys that {counted}", account=account, limit=str(limit), counted=counted
        )


class ScopeNotHeld(PermissionDenied):
    """A token is asked for with a scope that goes beyond those of its caller's token."""

    reason = "SCOPE_NOT_HELD"

    def __init__(self, scope: str, subject: str) -> None:
        super().__init__(f"scope {scope!r} goes beyond those of {subject}'s token", scope=scope, subject=subject)


class ScopeUnknown(InvalidArgument):
    """A scope is the id of no role."""

    reason = "SCOPE_UNKNOWN"

    def __init__(self, field: str, scope: str) -> None:
        description = f"has {scope!r}, which is no role; expected ids of roles"
        super().__init__(f"{field} {description}", violations=[FieldViolation(field, description)], field=field)


class ServiceCredentialInvalid(Unauthenticated):
    """No such service account, or not its secret; which of the two is not told."""

    reason = "SERVICE_CREDENTIAL_INVALID"

    def __init__(self) -> None:
        super().__init__("the service account or its secret is not right")


class RevocationsExhausted(ResourceExhausted):
    """The caller has revoked so many tokens that all who check tokens would be burdened."""

    reason = "REVOCATIONS_EXHAUSTED"

    def __init__(self, subject: str, limit: int) -> None:
        super().__init__(
            f"{subject} has revoked {limit} tokens that have not expired yet; disable the account, or take its roles",
            subject=subject,
            limit=str(limit),
        )


class TooManySigningKeys(ResourceExhausted):
    """Keys were rotated so often that too many are still needed to verify tokens."""

    reason = "SIGNING_KEYS_EXHAUSTED"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} keys still verify tokens; rotate again when some have expired", limit=str(limit))


class SigningKeyRaced(Aborted):
    """Another process made a key in the same moment."""

    reason = "SIGNING_KEY_RACED"

    def __init__(self) -> None:
        super().__init__("another key was made in the same moment; try again")
