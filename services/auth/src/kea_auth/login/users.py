"""Use cases of users."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kea_core.clock import Clock
from kea_core.pages import Page
from kea_core.principal import Principal

from kea_auth.domain.claims import LONGEST_TTL, MARGIN
from kea_auth.domain.description import checked
from kea_auth.domain.escalation import check_may_give
from kea_auth.domain.ports import Once
from kea_auth.domain.revocation import Revocation
from kea_auth.domain.scopes import grants_of
from kea_auth.login.errors import LoginRefused, UserExists, UserFederated, UserNotFound, UsersExhausted
from kea_auth.login.identity import Identity
from kea_auth.login.login_call import claimed, known
from kea_auth.login.ports import LoginStorage, LoginTransaction, PasswordHasher
from kea_auth.login.user import (
    MAX_PASSWORD,
    MAX_USERS,
    User,
    checked_groups,
    checked_password,
    federated_user,
    user_name,
)


class Users:
    """Makes, reads, changes and deletes users, and says who somebody is. `dry` checks all and changes nothing."""

    def __init__(self, storage: LoginStorage, hasher: PasswordHasher, *, clock: Clock) -> None:
        self._storage = storage
        self._hasher = hasher
        self._clock = clock

    async def create(self, user: User, password: str, caller: Principal, once: Once, *, dry: bool) -> User:
        """Makes a user who logs in with a password; the same request again gives the first answer again.

        Raises:
            UserExists: there is one of that id.
            UsersExhausted: there are too many.
            RoleNotHeld: the user would have what the caller has not.
            FieldOutOfBounds: the password is too short or too long.
        """
        checked("user.email", user.email)
        kept = await self._hasher.hash(checked_password(password)) if password else ""
        made = replace(user, password_hash=kept)
        async with self._storage.transaction(commit=not dry) as transaction:
            if await transaction.requests.result(once) is not None:
                return await found(transaction, user.id)
            await _check_free(transaction, user.id)
            await check_may_act_as(transaction, made, caller)
            await transaction.users.add(made)
            if made.disabled:
                await self._refuse(transaction, made, caller)
            await transaction.requests.remember(once, made.name)
            return made

    async def get(self, user: str) -> User:
        """Returns a user.

        Raises:
            UserNotFound: there is none.
        """
        async with self._storage.reading() as transaction:
            return await found(transaction, user)

    async def page(self, page: Page) -> tuple[list[User], str]:
        """Returns users by id, and the last one's id where there are more."""
        async with self._storage.reading() as transaction:
            users = await transaction.users.page(page)
        shown = users[: page.size]
        return shown, shown[-1].id if len(users) > page.size else ""

    async def update(self, user: str, changes: Mapping[str, Any], etag: str, caller: Principal, *, dry: bool) -> User:
        """Changes a user. Another password, or other groups, end the sessions that there are.

        Raises:
            UserNotFound: there is none.
            EtagMismatch: it has changed since the caller read it.
            UserFederated: what is to be changed is an identity provider's to say.
            RoleNotHeld: the user, whose password or groups these are, would have what the caller has not.
            FieldOutOfBounds: the password is too short or too long, or the groups are too many.
        """
        values = dict(changes)
        if "password" in values:
            values["password_hash"] = await self._hasher.hash(checked_password(values.pop("password")))
        if "groups" in values:
            values["groups"] = checked_groups(values["groups"])
        async with self._storage.transaction(commit=not dry) as transaction:
            present = await found(transaction, user, etag)
            if present.issuer and values.keys() - {"disabled"}:
                raise UserFederated(present.name)
            changed = present.changed(self._clock(), **values)
            if (changed.groups, changed.password_hash) != (present.groups, present.password_hash):
                await check_may_act_as(transaction, changed, caller)
            await transaction.users.save(changed)
            if changed.disabled and not present.disabled:
                await self._refuse(transaction, changed, caller)
            elif present.disabled and not changed.disabled:
                await transaction.revocations.remove(changed.uid)
            if (changed.groups, changed.password_hash) != (present.groups, present.password_hash):
                await self._end_sessions(transaction, changed, caller)
            return changed

    async def delete(self, user: str, etag: str, caller: Principal, *, dry: bool) -> None:
        """Deletes a user with their bindings; their tokens are refused from now on.

        Raises:
            UserNotFound: there is none.
            EtagMismatch: it has changed since the caller read it.
        """
        async with self._storage.transaction(commit=not dry) as transaction:
            present = await found(transaction, user, etag)
            now = self._clock()
            for binding in await transaction.bindings.of_member(present.name):
                await transaction.bindings.remove(binding.id)
            for session in await transaction.sessions.of_user(user):
                await transaction.sessions.remove(session.id)
            await transaction.revocations.put(Revocation(present.uid, now + LONGEST_TTL + MARGIN, now, caller.subject))
            await transaction.users.remove(user)

    async def with_password(self, user: str, password: str) -> User:
        """Returns the user of an id and a password; it takes as long where there is none.

        Raises:
            LoginRefused: there is none, or that is not the password, or the user is disabled. Which is not told.
        """
        async with self._storage.reading() as transaction:
            present = await transaction.users.get(user)
        if present is not None:
            # A name that is nobody's is told nowhere: it may be a password in the wrong field.
            known(present.name)
        kept = present.password_hash if present is not None else ""
        good = await self._hasher.verify(kept, password[: MAX_PASSWORD + 1])
        problem = "the name or the password is not right"
        if present is None or not good:
            raise LoginRefused(problem, "no such user" if present is None else "wrong")
        if present.disabled:
            raise LoginRefused(problem, "user is disabled")
        return present

    async def with_identity(self, identity: Identity) -> User:
        """Returns whom an identity provider tells of, made or brought up to date.

        Raises:
            LoginRefused: the user is disabled, or the name is another's already.
        """
        async with self._storage.transaction() as transaction:
            return await self.seen(transaction, identity)

    async def seen(self, transaction: LoginTransaction, identity: Identity) -> User:
        """Does what `with_identity` does, within a transaction."""
        present = await transaction.users.of_subject(identity.issuer, identity.subject)
        if present is None:
            claimed(identity.user)
            made = federated_user(identity, str(uuid.uuid4()), self._clock())
            # A name is whose it was first: else a second provider could make itself anybody.
            if await transaction.users.get(made.id) is not None:
                problem = f"{made.name} is somebody else already; an administrator can set user_prefix of the provider"
                raise LoginRefused(problem, "id is taken")
            if await transaction.users.count() >= MAX_USERS:
                problem = "there are too many users"
                raise LoginRefused(problem, "too many users")
            known(made.name, account=made.uid)
            await transaction.users.add(made)
            return made
        known(present.name, account=present.uid)
        if present.disabled:
            problem = f"{present.name} is disabled"
            raise LoginRefused(problem, "user is disabled")
        if (present.email, present.groups) == (identity.email, identity.groups):
            return present
        changed = present.changed(self._clock(), email=identity.email, groups=identity.groups)
        await transaction.users.save(changed)
        return changed

    async def _refuse(self, transaction: LoginTransaction, user: User, caller: Principal) -> None:
        """Has all tokens of a user refused until that is taken back."""
        await transaction.revocations.put(Revocation(user.uid, None, self._clock(), caller.subject))

    async def _end_sessions(self, transaction: LoginTransaction, user: User, caller: Principal) -> None:
        now = self._clock()
        for session in await transaction.sessions.of_user(user.id):
            await transaction.sessions.remove(session.id)
            revocation = Revocation(session.id, now + LONGEST_TTL + MARGIN, now, caller.subject)
            await transaction.revocations.put(revocation)


async def found(transaction: LoginTransaction, user: str, etag: str = "") -> User:
    """Returns a user, where there is one and as the caller knows them.

    Raises:
        UserNotFound: there is none.
        EtagMismatch: it has changed since the caller read it.
    """
    present = await transaction.users.get(user)
    if present is None:
        raise UserNotFound(user_name(user))
    present.check_etag(etag)
    return present


async def _check_free(transaction: LoginTransaction, user: str) -> None:
    if await transaction.users.get(user) is not None:
        raise UserExists(user_name(user))
    if await transaction.users.count() >= MAX_USERS:
        raise UsersExhausted(MAX_USERS)


async def check_may_act_as(transaction: LoginTransaction, user: User, caller: Principal) -> None:
    """Checks that a caller could give everything that a user's bindings give, directly and through groups.

    Raises:
        RoleNotHeld: there is something that it could not.
    """
    policy = await transaction.policy_of(caller)
    members = [user.name, *(f"groups/{group}" for group in user.groups)]
    bindings = [binding for member in members for binding in await transaction.bindings.of_member(member)]
    grants = await grants_of(transaction, [binding.role for binding in bindings])
    for binding in bindings:
        check_may_give(policy, caller, grants.get(binding.role, ()), binding.resource)
