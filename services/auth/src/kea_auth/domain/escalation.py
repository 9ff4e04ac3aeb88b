"""Nobody gives what they do not have themselves."""

from __future__ import annotations

from collections.abc import Iterable

from kea_core.errors import TokenInvalid
from kea_core.policy import Policy
from kea_core.principal import Principal

from kea_auth.domain.errors import RoleNotHeld


def check_may_give(policy: Policy, caller: Principal, wanted: Iterable[str], resource: str) -> None:
    """Checks that a caller has these grants on a resource.

    Args:
        policy: as of the transaction that gives: what this process decides by may be a moment old.
        caller: who gives.
        wanted: permissions and patterns.
        resource: on what.

    Raises:
        RoleNotHeld: some are not the caller's to give.
        TokenInvalid: the caller's token has been revoked.
    """
    if policy.is_revoked(caller):
        problem = "it has been revoked"
        raise TokenInvalid(problem)
    missing = [grant for grant in wanted if not policy.may_give(caller, [grant], resource)]
    if missing:
        raise RoleNotHeld(caller.subject, missing, resource)
