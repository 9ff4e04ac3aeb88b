"""Use cases of bindings."""

from __future__ import annotations

from kea_core.clock import Clock
from kea_core.pages import Page
from kea_core.principal import Principal
from kea_core.roles import SERVICE_ACCOUNTS

from kea_auth.domain import roles
from kea_auth.domain.binding import MAX_BINDINGS, Binding, binding_id, binding_name
from kea_auth.domain.errors import BindingExists, BindingNotFound, BindingsExhausted, ServiceAccountNotFound
from kea_auth.domain.escalation import check_may_give
from kea_auth.domain.ports import Storage, Transaction

ACCOUNTS = "serviceAccounts/"


class Bindings:
    """Makes, reads and deletes bindings. `dry` checks everything and changes nothing."""

    def __init__(self, storage: Storage, *, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def create(self, member: str, role_id: str, resource: str, caller: Principal, *, dry: bool) -> Binding:
        """Makes a binding.

        Raises:
            RoleNotFound: there is no such role.
            ServiceAccountNotFound: the member would be a service account that there is not.
            RoleNotHeld: the caller does not have on the resource what the role gives.
            BindingExists: there is one that says the same.
            BindingsExhausted: there are too many.
        """
        binding = Binding(member, role_id, resource, self._clock(), caller.subject)
        async with self._storage.transaction(commit=not dry) as transaction:
            role = await roles.found(transaction, role_id)
            await _check_member(transaction, member)
            check_may_give(await transaction.policy_of(caller), caller, role.permissions, resource)
            if await transaction.bindings.get(binding.id) is not None:
                raise BindingExists(binding.name)
            if await transaction.bindings.count() >= MAX_BINDINGS:
                raise BindingsExhausted(MAX_BINDINGS)
            await transaction.bindings.add(binding)
            return binding

    async def get(self, binding: str) -> Binding:
        """Returns the binding of an id.

        Raises:
            BindingNotFound: there is none.
        """
        found = await self.find(binding)
        if found is None:
            raise BindingNotFound(binding_name(binding))
        return found

    async def find(self, binding: str) -> Binding | None:
        """Returns the binding of an id, or None."""
        async with self._storage.reading() as transaction:
            return await transaction.bindings.get(binding)

    async def page(self, page: Page, resource: str, member: str) -> tuple[list[Binding], str]:
        """Returns bindings by id, on a resource and under it, of a member, and the last one's id where there are more.

        An empty resource or member is any.
        """
        async with self._storage.reading() as transaction:
            found = await transaction.bindings.page(page, resource, member)
        shown = found[: page.size]
        return shown, shown[-1].id if len(found) > page.size else ""

    async def delete(self, member: str, role_id: str, resource: str, *, dry: bool) -> None:
        """Deletes the binding that says exactly this.

        Raises:
            BindingNotFound: there is none.
        """
        binding = binding_id(member, role_id, resource)
        async with self._storage.transaction(commit=not dry) as transaction:
            if await transaction.bindings.get(binding) is None:
                raise BindingNotFound(binding_name(binding))
            await transaction.bindings.remove(binding)


async def _check_member(transaction: Transaction, member: str) -> None:
    """Checks that a member that KEA must know is there.

    Raises:
        ServiceAccountNotFound: it is not.
    """
    account = member.removeprefix(ACCOUNTS)
    if account == member or account in SERVICE_ACCOUNTS:
        return
    if await transaction.accounts.get(account) is None:
        raise ServiceAccountNotFound(member)
