"""What watchers are told adds up to what is in the database, whatever was done."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import kea_auth.main
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kea_auth.convert_policy import change_to_proto
from kea_auth.domain import binding, revocations
from kea_auth.domain.api_key import WantedKey
from kea_auth.domain.api_keys import ApiKeys
from kea_auth.domain.bindings import Bindings
from kea_auth.domain.ports import Once
from kea_auth.domain.revocations import Revocations
from kea_auth.domain.role import new_role
from kea_auth.domain.roles import Roles
from kea_auth.domain.service_account import new_account
from kea_auth.domain.service_accounts import ServiceAccounts
from kea_auth.domain.signing_keys import SigningKeys
from kea_auth.own_policy import OwnPolicy
from kea_auth.store import tables
from kea_auth.store.key_store import SqlKeyStore
from kea_auth.store.policy_store import SqlPolicyStore
from kea_auth.store.storage import SqlStorage
from kea_core.authority import Authority
from kea_core.change_feed import ChangeFeed
from kea_core.database import DatabaseSettings, Sessions, migrate, open_database
from kea_core.errors import KeaError
from kea_core.following_auth import PolicyMirror
from kea_core.idempotency import SeenRequests
from kea_core.policy import Binding, Policy
from kea_core.principal import Principal
from kea_core.testing.databases import database_settings

MIGRATIONS = Path(kea_auth.main.__file__).parent / "migrations"
ADMIN = Principal("users/admin", token="admin-token", expires_at=4e9)
NEW = Once("", "")


class FakeClock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class UseCases:
    """One process's worth of use cases."""

    clock: FakeClock
    sessions: Sessions
    authority: Authority
    own: OwnPolicy
    policy: SqlPolicyStore
    storage: SqlStorage
    roles: Roles
    bindings: Bindings
    accounts: ServiceAccounts
    keys: ApiKeys
    revocations: Revocations
    feed: ChangeFeed


@asynccontextmanager
async def use_cases(database: DatabaseSettings) -> AsyncGenerator[UseCases, None]:
    await migrate(database, MIGRATIONS)
    clock = FakeClock()
    async with open_database(database) as sessions:
        feed = ChangeFeed(sessions, tables.FEED, clock=clock)
        signing = SigningKeys(
            SqlKeyStore(sessions, feed),
            activation_delay=timedelta(seconds=5),
            rotate_after=timedelta(days=3650),
            clock=clock,
        )
        await signing.upkeep()
        policy, authority = SqlPolicyStore(sessions, feed), Authority()
        own = OwnPolicy(policy, authority)
        await own.catch_up()
        storage = SqlStorage(sessions, feed, SeenRequests(tables.REQUESTS, clock=clock), own.committed)
        yield UseCases(
            clock=clock,
            sessions=sessions,
            authority=authority,
            own=own,
            policy=policy,
            storage=storage,
            roles=Roles(storage, clock=clock),
            bindings=Bindings(storage, clock=clock),
            accounts=ServiceAccounts(storage, clock=clock),
            keys=ApiKeys(storage, signing, clock=clock),
            revocations=Revocations(storage, clock=clock),
            feed=feed,
        )


async def policy_in_the_database(sessions: Sessions) -> Policy:
    """Returns the policy as its tables say it, read by no code of auth's."""
    async with sessions.reading() as session:
        roles = {row.role: tuple(row.permissions) for row in await session.execute(sa.select(tables.ROLES))}
        rows = (await session.execute(sa.select(tables.BINDINGS))).all()
        bindings = {
            f"bindings/{r.binding}": Binding(r.member, r.role, r.resource, f"bindings/{r.binding}") for r in rows
        }
        revoked = frozenset((await session.execute(sa.select(tables.REVOCATIONS.c.id))).scalars())
    return Policy(roles, bindings, revoked)


async def told_to_who_begins_now(policy: SqlPolicyStore) -> Policy:
    mirror = PolicyMirror()
    async with aclosing(policy.watch(0)) as changes:
        async for change in changes:
            mirror.apply(change_to_proto(change))
            if change.synced:
                break
    return mirror.policy()


ROLES = st.sampled_from(["r1", "r2", "viewer"])
MEMBERS = st.sampled_from(["users/ada", "groups/a|b", "everyone", "serviceAccounts/bot", "serviceAccounts/two"])
RESOURCES = st.sampled_from(["", "projects/p", "projects/p/endpoints/e"])
ACCOUNTS = st.sampled_from(["bot", "two"])
PERMISSIONS = st.lists(st.sampled_from(["a.b.c", "router.*.get"]), min_size=1, max_size=2)
STEPS = st.one_of(
    st.tuples(st.just("make role"), ROLES, PERMISSIONS),
    st.tuples(st.just("change role"), ROLES, PERMISSIONS),
    st.tuples(st.just("delete role"), ROLES),
    st.tuples(st.just("bind"), MEMBERS, ROLES, RESOURCES),
    st.tuples(st.just("unbind"), MEMBERS, ROLES, RESOURCES),
    st.tuples(st.just("make account"), ACCOUNTS, st.booleans()),
    st.tuples(st.just("disable"), ACCOUNTS, st.booleans()),
    st.tuples(st.just("delete account"), ACCOUNTS),
    st.tuples(st.just("make key"), ACCOUNTS),
    st.tuples(st.just("revoke keys"), ACCOUNTS),
    st.tuples(st.just("revoke token"), st.sampled_from(["token-001", "token-002"])),
    st.tuples(st.just("wait"), st.sampled_from([1, 25, 100])),
)


async def do(it: UseCases, step: tuple[Any, ...], *, dry: bool) -> None:  # noqa: C901, PLR0912 - a table of steps
    kind, *given_ = step
    match kind, given_:
        case "make role", [role, permissions]:
            await it.roles.create(new_role(role, it.clock(), permissions, ""), ADMIN, NEW, dry=dry)
        case "change role", [role, permissions]:
            await it.roles.update(role, {"permissions": permissions}, "", ADMIN, dry=dry)
        case "delete role", [role]:
            await it.roles.delete(role, "", dry=dry)
        case "bind", [member, role, resource]:
            await it.bindings.create(member, role, resource, ADMIN, dry=dry)
        case "unbind", [member, role, resource]:
            await it.bindings.delete(member, role, resource, dry=dry)
        case "make account", [account, disabled]:
            made = new_account(account, str(uuid.uuid4()), it.clock(), "", disabled=disabled)
            await it.accounts.create(made, ADMIN, NEW, dry=dry)
        case "disable", [account, disabled]:
            await it.accounts.update(account, {"disabled": disabled}, "", ADMIN, dry=dry)
        case "delete account", [account]:
            await it.accounts.delete(account, "", ADMIN, dry=dry)
        case "make key", [account]:
            await it.keys.create(account, WantedKey("", (), None), ADMIN, NEW, dry=dry)
        case "revoke keys", [account]:
            for key in await it.keys.of_account(account):
                await it.keys.revoke(account, key.id, ADMIN)
        case "revoke token", [token]:
            await it.revocations.revoke(token, ADMIN)
        case _:
            it.clock.now += timedelta(hours=given_[0])
            await it.revocations.upkeep()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(STEPS, st.integers(0, 9)), min_size=1, max_size=25))
def test_what_is_told_is_what_is_in_the_database(steps: list[tuple[tuple[Any, ...], int]]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as directory:
            database = database_settings("sqlite", Path(directory), None)
            async with use_cases(database) as it:
                follower, told = PolicyMirror(), 0
                for step, chance in steps:
                    try:
                        await do(it, step, dry=chance == 0)
                    except KeaError:
                        continue
                    expected = await policy_in_the_database(it.sessions)
                    assert it.authority.policy == expected  # at once, as soon as the use case has ended
                    if chance > 5:  # who follows hears of several changes at once, or of one
                        told = await catch_up(it, follower, told)
                        assert follower.policy() == expected
                expected = await policy_in_the_database(it.sessions)
                await catch_up(it, follower, told)
                assert follower.policy() == expected
                assert await told_to_who_begins_now(it.policy) == expected
                await holds_together(it.sessions)

    asyncio.run(run())


async def catch_up(it: UseCases, mirror: PolicyMirror, since: int) -> int:
    async with aclosing(it.policy.watch(since)) as changes:
        async for change in changes:
            mirror.apply(change_to_proto(change))
            since = change.revision
            if change.synced:
                break
    return since


async def holds_together(sessions: Sessions) -> None:
    """Checks what is true after every transaction."""
    async with sessions.reading() as session:
        accounts = {row.service_account: row for row in await session.execute(sa.select(tables.SERVICE_ACCOUNTS))}
        bindings = (await session.execute(sa.select(tables.BINDINGS))).all()
        keys = (await session.execute(sa.select(tables.API_KEYS))).all()
        roles = set((await session.execute(sa.select(tables.ROLES.c.role))).scalars())
        revoked = {row.id: row for row in await session.execute(sa.select(tables.REVOCATIONS))}
        feed = {
            row.name: row.deleted
            for row in await session.execute(sa.select(tables.FEED.changes))
            if row.collection == tables.POLICY
        }
    for bound in bindings:
        kind, _, account = bound.member.partition("/")
        assert kind != "serviceAccounts" or account in accounts
        assert bound.role in roles or bound.role == "viewer"
    for account in accounts.values():
        assert account.disabled == (account.uid in revoked)
        assert not account.disabled or revoked[account.uid].expire_time is None
    for key in keys:
        assert key.service_account in accounts
        assert (key.revoke_time is not None) == (key.api_key in revoked)
    present = {
        *(f"bindings/{bound.binding}" for bound in bindings),
        *(f"roles/{role}" for role in roles),
        *(f"revocations/{one}" for one in revoked),
    }
    assert {name for name, deleted in feed.items() if not deleted} == present


async def test_more_than_a_batch_is_told_whole_while_it_changes(database: DatabaseSettings) -> None:
    async with use_cases(database) as it:
        async with it.storage.transaction() as transaction:
            for number in range(230):
                await transaction.bindings.add(binding.Binding(f"users/u{number}", "viewer", "", it.clock(), ""))
        mirror = PolicyMirror()
        async with aclosing(it.policy.watch(0)) as changes:
            first = await anext(changes)
            mirror.apply(change_to_proto(first))
            # Told already, and gone while the rest is being told.
            await it.bindings.delete("users/u0", "viewer", "", dry=False)
            await it.bindings.create("users/new", "viewer", "", ADMIN, dry=False)
            async for change in changes:
                mirror.apply(change_to_proto(change))
                if change.synced:
                    break
        assert mirror.policy() == await policy_in_the_database(it.sessions)
        assert "users/u0" not in {binding.member for binding in mirror.policy().bindings.values()}


async def test_one_upkeep_ends_all_that_has_expired_in_batches(
    database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "BATCH", 2)
    async with use_cases(database) as it:
        for number in range(5):
            await it.revocations.revoke(f"token-{number:03}", ADMIN)
        it.clock.now += timedelta(hours=24)
        await it.revocations.upkeep()
        assert len(it.authority.policy.revoked) == 5  # clocks may differ
        it.clock.now += timedelta(minutes=1)
        await it.revocations.upkeep()
        assert it.authority.policy.revoked == frozenset()


async def test_who_was_away_for_long_is_told_to_begin_anew_and_auth_itself_does(database: DatabaseSettings) -> None:
    async with use_cases(database) as it, use_cases(database) as other:
        await it.bindings.create("users/ada", "viewer", "", ADMIN, dry=False)
        await other.own.catch_up()
        await it.bindings.create("users/bob", "viewer", "", ADMIN, dry=False)
        await it.bindings.delete("users/ada", "viewer", "", dry=False)
        it.clock.now += timedelta(days=8)
        await it.bindings.create("users/eve", "viewer", "", ADMIN, dry=False)
        await it.feed.forget_old()
        # The other process slept all the while.
        await other.own.catch_up()
        assert other.authority.policy == it.authority.policy == await policy_in_the_database(it.sessions)


async def test_a_change_holds_though_the_policy_cannot_be_read_after_it(
    database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_store: SqlPolicyStore, _since: int) -> Any:
        problem = "the database went away"
        raise OSError(problem)

    async with use_cases(database) as it:
        with monkeypatch.context() as patched:
            patched.setattr(SqlPolicyStore, "watch", broken)
            made = await it.bindings.create("users/ada", "viewer", "", ADMIN, dry=False)
        assert made.name not in it.authority.policy.bindings
        await it.own.catch_up()
        assert made.name in it.authority.policy.bindings


async def churn(database: DatabaseSettings) -> None:
    """Makes accounts with all they can have, changes and deletes them, for ever; tells each round."""
    random, number = Random(), 0  # noqa: S311 - it decides what to do, and keeps no secret
    async with use_cases(database) as it:
        while True:
            number += 1
            account = f"a{number % 3}"
            steps: list[tuple[Any, ...]] = [
                ("make account", account, random.random() < 0.3),
                *(("bind", f"serviceAccounts/{account}", "viewer", place) for place in ("", "projects/p")),
                ("make key", account),
                ("make key", account),
                ("disable", account, random.random() < 0.5),
                ("revoke keys", account),
                ("make role", "r1", ["a.b.c"]),
                ("delete role", "r1"),
                ("delete account", account),
            ]
            for step in steps:
                with contextlib.suppress(KeaError):
                    await do(it, step, dry=False)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


async def test_a_process_that_is_killed_leaves_whole_transactions(database: DatabaseSettings) -> None:
    random = Random(11)  # noqa: S311 - as above
    await migrate(database, MIGRATIONS)
    for _ in range(4):
        child = await asyncio.create_subprocess_exec(
            sys.executable, __file__, database.url, database.schema, stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        async with asyncio.timeout(60):
            assert await child.stdout.readline()
            await asyncio.sleep(random.uniform(0.0, 0.3))
            child.kill()
            await child.wait()
        async with use_cases(database) as it:
            await holds_together(it.sessions)
            assert await told_to_who_begins_now(it.policy) == await policy_in_the_database(it.sessions)
            # Nothing that it held locked stays so.
            with contextlib.suppress(KeaError):
                await it.accounts.delete("a0", "", ADMIN, dry=False)


if __name__ == "__main__":  # what is killed
    asyncio.run(churn(DatabaseSettings(url=sys.argv[1], schema=sys.argv[2])))
