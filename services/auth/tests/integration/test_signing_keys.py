from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import jwt
import pytest
from kea.auth.v1 import signing_key_pb2, signing_key_service_pb2, token_service_pb2
from kea_auth.domain.key_ring import MAX_KEYS
from kea_core import status

LIST = signing_key_service_pb2.ListSigningKeysRequest()
ROTATE = signing_key_service_pb2.RotateSigningKeyRequest
WATCH = signing_key_service_pb2.WatchSigningKeysRequest
KEY = signing_key_pb2.SigningKey


async def listed(auth: Any) -> list[signing_key_pb2.SigningKey]:
    return list((await auth.keys.ListSigningKeys(LIST, metadata=auth.as_admin())).signing_keys)


def kid_of(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


async def new_token(auth: Any) -> str:
    made = await auth.tokens.CreateToken(token_service_pb2.CreateTokenRequest(), metadata=auth.as_admin())
    return made.access_token


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.02)


async def test_the_first_key_signs_at_once(start_auth: Any) -> None:
    async with start_auth() as auth:
        (key,) = await listed(auth)
        assert key.state == KEY.STATE_ACTIVE
        assert key.name == f"signingKeys/{kid_of(auth.admin_token())}"
        assert key.activate_time == key.create_time
        assert not key.HasField("expire_time")
        assert json.loads(key.public_jwk)["kid"] == kid_of(auth.admin_token())


async def test_a_rotated_key_is_published_first_and_signs_later(start_auth: Any) -> None:
    async with start_auth() as auth:
        old = kid_of(auth.admin_token())
        made = await auth.keys.RotateSigningKey(ROTATE(), metadata=auth.as_admin())
        assert made.state == KEY.STATE_PENDING
        assert made.activate_time.seconds - made.create_time.seconds == 5
        assert kid_of(await new_token(auth)) == old
        auth.clock.advance(seconds=5)
        assert f"signingKeys/{kid_of(await new_token(auth))}" == made.name
        newest, retired = await listed(auth)
        assert (newest.state, retired.state) == (KEY.STATE_ACTIVE, KEY.STATE_RETIRED)
        assert retired.expire_time.seconds - newest.activate_time.seconds == 86_400 + 60


async def test_a_dry_rotation_changes_nothing(start_auth: Any) -> None:
    async with start_auth() as auth:
        shown = await auth.keys.RotateSigningKey(ROTATE(validate_only=True), metadata=auth.as_admin())
        assert shown.state == KEY.STATE_PENDING
        assert len(await listed(auth)) == 1


async def test_keys_rotate_and_end_by_themselves(start_auth: Any) -> None:
    # Watched, not listed: tokens made by a clock of next month are not yet good for the verifier's clock.
    async with start_auth() as auth, asyncio.timeout(20):
        watch = auth.keys.WatchSigningKeys(WATCH())
        first = json.loads((await watch.read()).jwks)["keys"]
        auth.clock.advance(days=30)
        second = json.loads((await watch.read()).jwks)["keys"]
        assert second[1:] == first
        auth.clock.advance(days=2)
        assert json.loads((await watch.read()).jwks)["keys"] == second[:1]
        watch.cancel()


async def test_a_watcher_gets_the_whole_set_after_each_change_and_resumes(start_auth: Any) -> None:
    async with start_auth() as auth, asyncio.timeout(20):
        watch = auth.keys.WatchSigningKeys(WATCH())
        first = await watch.read()
        await auth.keys.RotateSigningKey(ROTATE(), metadata=auth.as_admin())
        second = await watch.read()
        watch.cancel()
        assert [len(json.loads(message.jwks)["keys"]) for message in (first, second)] == [1, 2]
        resumed = auth.keys.WatchSigningKeys(WATCH(since_revision=second.revision))
        await auth.keys.RotateSigningKey(ROTATE(), metadata=auth.as_admin())
        third = await resumed.read()
        resumed.cancel()
        assert third.revision > second.revision
        assert len(json.loads(third.jwks)["keys"]) == 3


async def test_too_many_rotations_are_refused(start_auth: Any) -> None:
    async with start_auth(upkeep_seconds=5.0) as auth:
        for _ in range(MAX_KEYS - 1):
            await auth.keys.RotateSigningKey(ROTATE(), metadata=auth.as_admin())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await auth.keys.RotateSigningKey(ROTATE(), metadata=auth.as_admin())
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        info = status.error_info(caught.value)
        assert info is not None
        assert info.reason == "SIGNING_KEYS_EXHAUSTED"


async def test_processes_that_start_together_make_one_first_key(start_auth: Any) -> None:
    async with AsyncExitStack() as stack:
        # Entered one after another, started together below by rotations: TaskGroups do not nest across tasks.
        both = [await stack.enter_async_context(start_auth()) for _ in range(2)]
        assert len(await listed(both[0])) == 1
        assert await listed(both[0]) == await listed(both[1])
        await asyncio.gather(
            *(auth.keys.RotateSigningKey(ROTATE(), metadata=auth.as_admin()) for auth in both for _ in range(3))
        )
        assert len(await listed(both[0])) == 7


async def test_a_key_of_one_process_is_known_to_the_other(start_auth: Any) -> None:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(start_auth()) for _ in range(2)]
        await one.keys.RotateSigningKey(ROTATE(), metadata=one.as_admin())
        one.clock.advance(seconds=5)
        token = await new_token(one)

        async def accepted() -> bool:
            try:
                await other.keys.ListSigningKeys(LIST, metadata=(("authorization", f"Bearer {token}"),))
            except grpc.aio.AioRpcError:
                return False
            return True

        await eventually(accepted)


async def test_keys_survive_a_restart(start_auth: Any) -> None:
    async with start_auth() as auth:
        before = await listed(auth)
        token = auth.admin_token()
    async with start_auth() as auth:
        assert await listed(auth) == before
        await auth.keys.ListSigningKeys(LIST, metadata=(("authorization", f"Bearer {token}"),))
