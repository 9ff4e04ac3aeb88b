"""What can go wrong in auth."""

from __future__ import annotations

from kea_core.errors import Aborted, PermissionDenied, ResourceExhausted, Unauthenticated


class RoleNotHeld(PermissionDenied):
    """A token is asked for with a role that its caller does not hold."""

    reason = "ROLE_NOT_HELD"

    def __init__(self, role: str, subject: str) -> None:
        super().__init__(f"{subject} does not hold role {role!r}", role=role, subject=subject)


class ServiceCredentialInvalid(Unauthenticated):
    """No such service account, or not its secret; which of the two is not told."""

    reason = "SERVICE_CREDENTIAL_INVALID"

    def __init__(self) -> None:
        super().__init__("the service account or its secret is not right")


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
