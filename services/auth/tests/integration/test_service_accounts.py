from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import pytest
from google.protobuf import field_mask_pb2
from kea.auth.v1 import (
    access_service_pb2,
    binding_service_pb2,
    service_account_pb2,
    service_account_service_pb2,
    token_service_pb2,
)
from kea_auth.domain import service_accounts
from kea_core.roles import SERVICE_ACCOUNTS

CREATE = service_account_service_pb2.CreateServiceAccountRequest
GET = service_account_service_pb2.GetServiceAccountRequest
LIST = service_account_service_pb2.ListServiceAccountsRequest
UPDATE = service_account_service_pb2.UpdateServiceAccountRequest
DELETE = service_account_service_pb2.DeleteServiceAccountRequest
KEYS = service_account_service_pb2.ListApiKeysRequest
CALLER = access_service_pb2.GetCallerRequest()
Account = service_account_pb2.ServiceAccount
NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "SERVICE_ACCOUNT_NOT_FOUND")
INVALID = (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
BOT = "serviceAccounts/bot"


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def update(auth: Any, *paths: str, **fields: Any) -> service_account_pb2.ServiceAccount:
    request = UPDATE(service_account=Account(name=BOT, **fields), update_mask=field_mask_pb2.FieldMask(paths=paths))
    return await auth.accounts.UpdateServiceAccount(request, metadata=auth.as_admin())


async def next_change(watch: Any) -> access_service_pb2.WatchPolicyResponse:
    """Returns the next message that tells a change: also others' changes, such as new signing keys, are synced."""
    while True:
        message = await watch.read()
        if message.WhichOneof("change") is not None:
            return message


async def derived(auth: Any, token: str) -> str:
    made = await auth.tokens.CreateToken(token_service_pb2.CreateTokenRequest(), metadata=bearer(token))
    return made.access_token


async def test_an_account_is_read_as_it_was_made_and_may_do_nothing(start_auth: Any) -> None:
    async with start_auth() as auth:
        request = CREATE(service_account_id="bot", service_account=Account(description="Builds."))
        made = await auth.accounts.CreateServiceAccount(request, metadata=auth.as_admin())
        assert (made.name, made.description, made.disabled) == (BOT, "Builds.", False)
        assert uuid.UUID(made.uid)
        assert await auth.accounts.GetServiceAccount(GET(name=BOT), metadata=auth.as_admin()) == made
        key = await auth.make_key("bot")
        caller = await auth.access.GetCaller(CALLER, metadata=bearer(key.token))
        assert caller.subject == BOT
        call = auth.accounts.ListServiceAccounts(LIST(), metadata=bearer(key.token))
        assert await auth.refused(call) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
        await auth.bind(BOT, "viewer")
        await auth.accounts.ListServiceAccounts(LIST(), metadata=bearer(key.token))


async def test_ids_of_keas_own_services_are_reserved(start_auth: Any) -> None:
    async with start_auth() as auth:
        for account in SERVICE_ACCOUNTS:
            reserved = (grpc.StatusCode.INVALID_ARGUMENT, "SERVICE_ACCOUNT_RESERVED")
            assert await auth.refused(auth.make_account(account)) == reserved
            name = f"serviceAccounts/{account}"
            call = auth.accounts.GetServiceAccount(GET(name=name), metadata=auth.as_admin())
            assert await auth.refused(call) == NOT_FOUND
            assert await auth.refused(auth.make_key(account)) == NOT_FOUND


async def test_an_id_is_taken_once(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        exists = (grpc.StatusCode.ALREADY_EXISTS, "SERVICE_ACCOUNT_EXISTS")
        assert await auth.refused(auth.make_account("bot")) == exists


async def test_accounts_are_listed_by_name(start_auth: Any) -> None:
    async with start_auth() as auth:
        for account in ("b", "a-1", "a", "c"):
            await auth.make_account(account)
        first = await auth.accounts.ListServiceAccounts(LIST(page_size=3), metadata=auth.as_admin())
        assert [one.name.partition("/")[2] for one in first.service_accounts] == ["a", "a-1", "b"]
        rest = LIST(page_size=3, page_token=first.next_page_token)
        last = await auth.accounts.ListServiceAccounts(rest, metadata=auth.as_admin())
        assert [one.name for one in last.service_accounts] == ["serviceAccounts/c"]
        assert last.next_page_token == ""


async def test_the_same_request_again_gives_the_first_answer_again(start_auth: Any) -> None:
    async with start_auth() as auth:
        request = CREATE(service_account_id="bot", request_id=str(uuid.uuid4()))
        answers = await asyncio.gather(
            *(auth.accounts.CreateServiceAccount(request, metadata=auth.as_admin()) for _ in range(4))
        )
        assert answers == [answers[0]] * 4


async def test_an_update_changes_what_it_says_and_knows_older_states(start_auth: Any) -> None:
    async with start_auth() as auth:
        made = await auth.make_account("bot")
        changed = await update(auth, description="New.", disabled=True)
        assert (changed.description, changed.disabled, changed.uid) == ("New.", True, made.uid)
        assert (await update(auth, "description")).description == ""
        assert (await update(auth, description="x")).disabled
        stale = update(auth, description="y", etag=made.etag)
        assert await auth.refused(stale) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
        wrong = update(auth, "uid", uid="x")
        assert await auth.refused(wrong) == (grpc.StatusCode.INVALID_ARGUMENT, "UPDATE_MASK_INVALID")
        delete = auth.accounts.DeleteServiceAccount(DELETE(name=BOT, etag=made.etag), metadata=auth.as_admin())
        assert await auth.refused(delete) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")


async def test_a_disabled_accounts_tokens_are_refused_until_it_is_enabled(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        key = await auth.make_key("bot")
        tokens = [key.token, await derived(auth, key.token)]
        for _ in range(2):
            await update(auth, disabled=True)
            await update(auth, description="disabled twice is disabled", disabled=True)
            for token in tokens:
                assert await auth.refused(auth.access.GetCaller(CALLER, metadata=bearer(token))) == INVALID
            refused = auth.make_key("bot")
            assert await auth.refused(refused) == (grpc.StatusCode.FAILED_PRECONDITION, "SERVICE_ACCOUNT_DISABLED")
            await update(auth, "disabled", disabled=False)
            for token in tokens:
                await auth.access.GetCaller(CALLER, metadata=bearer(token))


async def test_an_account_can_be_disabled_from_the_first(start_auth: Any) -> None:
    async with start_auth() as auth:
        request = CREATE(service_account_id="bot", service_account=Account(disabled=True))
        made = await auth.accounts.CreateServiceAccount(request, metadata=auth.as_admin())
        token = await auth.as_user(BOT, account=made.uid)
        assert await auth.refused(auth.access.GetCaller(CALLER, metadata=token)) == INVALID


async def test_an_account_made_anew_has_nothing_of_the_one_that_was_deleted(start_auth: Any) -> None:
    async with start_auth() as auth:
        before = await auth.make_account("bot")
        await auth.bind(BOT, "viewer")
        await auth.bind(BOT, "consumer", "projects/p")
        old = await auth.make_key("bot")
        old_tokens = [old.token, await derived(auth, old.token)]
        await auth.accounts.DeleteServiceAccount(DELETE(name=BOT), metadata=auth.as_admin())
        assert await auth.refused(auth.access.GetCaller(CALLER, metadata=bearer(old.token))) == INVALID
        assert await auth.refused(auth.accounts.GetServiceAccount(GET(name=BOT), metadata=auth.as_admin())) == NOT_FOUND

        after = await auth.make_account("bot")
        assert after.uid != before.uid
        bound = binding_service_pb2.ListBindingsRequest(member=BOT)
        assert not (await auth.bindings.ListBindings(bound, metadata=auth.as_admin())).bindings
        listed = await auth.accounts.ListApiKeys(KEYS(parent=BOT), metadata=auth.as_admin())
        assert not listed.api_keys
        await auth.bind(BOT, "viewer")
        new = await auth.make_key("bot")
        await auth.accounts.ListServiceAccounts(LIST(), metadata=bearer(new.token))
        for token in old_tokens:
            assert await auth.refused(auth.access.GetCaller(CALLER, metadata=bearer(token))) == INVALID


async def test_a_deleted_account_that_was_disabled_is_forgotten_once_its_tokens_have_expired(start_auth: Any) -> None:
    async with start_auth() as auth:
        made = await auth.make_account("bot")
        await auth.make_key("bot")
        await update(auth, disabled=True)
        await auth.accounts.DeleteServiceAccount(DELETE(name=BOT), metadata=auth.as_admin())
        watch = auth.access.WatchPolicy(access_service_pb2.WatchPolicyRequest(), metadata=auth.as_admin())
        assert (await watch.read()).revocation.name == f"revocations/{made.uid}"
        assert (await watch.read()).WhichOneof("change") is None
        change = asyncio.ensure_future(next_change(watch))
        auth.clock.advance(days=89)
        await asyncio.sleep(0.3)  # several rounds of upkeep, which leave it
        assert not change.done()
        auth.clock.advance(days=1, minutes=1)
        async with asyncio.timeout(10):
            assert (await change).deleted == f"revocations/{made.uid}"
        watch.cancel()


async def test_a_dry_run_checks_everything_and_changes_nothing(start_auth: Any) -> None:
    async with start_auth() as auth:
        request = CREATE(service_account_id="bot", validate_only=True)
        await auth.accounts.CreateServiceAccount(request, metadata=auth.as_admin())
        made = await auth.make_account("bot")
        key = await auth.make_key("bot")
        dry = UPDATE(service_account=Account(name=BOT, disabled=True), validate_only=True)
        assert (await auth.accounts.UpdateServiceAccount(dry, metadata=auth.as_admin())).disabled
        await auth.accounts.DeleteServiceAccount(DELETE(name=BOT, validate_only=True), metadata=auth.as_admin())
        assert await auth.accounts.GetServiceAccount(GET(name=BOT), metadata=auth.as_admin()) == made
        await auth.access.GetCaller(CALLER, metadata=bearer(key.token))


async def test_there_are_so_many_accounts_and_no_more(start_auth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_accounts, "MAX_ACCOUNTS", 1)
    async with start_auth() as auth:
        await auth.make_account("a")
        exhausted = (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVICE_ACCOUNTS_EXHAUSTED")
        assert await auth.refused(auth.make_account("b")) == exhausted
