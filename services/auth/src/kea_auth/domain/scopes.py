"""What tokens are limited to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kea_core.permission import covers
from kea_core.principal import Principal

from kea_auth.domain.errors import ScopeNotHeld, ScopeUnknown
from kea_auth.domain.ports import Transaction
from kea_auth.domain.role import BUILT_IN_ROLES


async def grants_of(transaction: Transaction, roles: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Returns what roles give, by id; those that are not there are left out."""
    wanted = sorted(set(roles))
    built_in = {role: BUILT_IN_ROLES[role].permissions for role in wanted if role in BUILT_IN_ROLES}
    return dict(await transaction.grants([role for role in wanted if role not in built_in])) | built_in


def check_known(grants: Mapping[str, tuple[str, ...]], scopes: Sequence[str], field: str) -> None:
    """Checks that all scopes are ids of roles.

    Raises:
        ScopeUnknown: one is not.
    """
    for scope in scopes:
        if scope not in grants:
            raise ScopeUnknown(field, scope)


def check_held(grants: Mapping[str, tuple[str, ...]], scopes: Sequence[str], caller: Principal) -> None:
    """Checks that none of the scopes goes beyond those of the caller's token, if that has any.

    Raises:
        ScopeNotHeld: one does.
    """
    if not caller.scopes:
        return
    held = [grant for scope in caller.scopes for grant in grants.get(scope, ())]
    for scope in scopes:
        if scope not in caller.scopes and not covers(held, grants[scope]):
            raise ScopeNotHeld(scope, caller.subject)
