"""Following auth's signing keys and policy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
from kea.auth.v1 import (
    access_service_pb2,
    access_service_pb2_grpc,
    signing_key_service_pb2,
    signing_key_service_pb2_grpc,
)

from kea_core.authority import Authority
from kea_core.policy import Binding, Policy
from kea_core.watching import follow


class PolicyMirror:
    """The policy as messages have told it so far."""

    def __init__(self) -> None:
        self._roles: dict[str, tuple[str, ...]] = {}
        self._bindings: dict[str, Binding] = {}
        self._revoked: set[str] = set()

    def apply(self, message: access_service_pb2.WatchPolicyResponse) -> None:
        """Takes in one change."""
        match message.WhichOneof("change"):
            case "role":
                self._roles[_id(message.role.name)] = tuple(message.role.permissions)
            case "binding":
                told = message.binding
                self._bindings[told.name] = Binding(told.member, _id(told.role), told.resource, told.name)
            case "revocation":
                self._revoked.add(_id(message.revocation.name))
            case "deleted":
                self._forget(message.deleted)
            case _:
                pass

    def _forget(self, name: str) -> None:
        match name.partition("/")[0]:
            case "roles":
                self._roles.pop(_id(name), None)
            case "bindings":
                self._bindings.pop(name, None)
            case _:
                self._revoked.discard(_id(name))

    def policy(self) -> Policy:
        """Returns the policy as it is now."""
        return Policy(dict(self._roles), dict(self._bindings), frozenset(self._revoked))


class AuthFollower:
    """Keeps an authority's keys and policy as auth has them. While auth is down, the last ones stay.

    Args:
        auth: a channel without a token: a verifier has none before it has keys.
        trusted: a channel to auth with the token of an account that may follow the policy.
        authority: what is kept up to date.
        keys_changed: called with each key set (JSON) once the authority has it.
        policy_changed: called with each policy once the authority has it.
    """

    def __init__(
        self,
        auth: grpc.aio.Channel,
        trusted: grpc.aio.Channel,
        authority: Authority,
        *,
        keys_changed: Callable[[str], None] | None = None,
        policy_changed: Callable[[Policy], None] | None = None,
    ) -> None:
        self._keys = signing_key_service_pb2_grpc.SigningKeyServiceStub(auth)
        self._access = access_service_pb2_grpc.AccessServiceStub(trusted)
        self._authority = authority
        self._keys_changed = keys_changed
        self._policy_changed = policy_changed
        self._mirror = PolicyMirror()
        self._keys_known = self._policy_known = False
        self.known = asyncio.Event()
        """Set once both are known."""

    async def run(self) -> None:
        """Follows for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow("signing keys", self._watch_keys))
            tasks.create_task(follow("policy", self._watch_policy))

    async def _watch_keys(self, since: int) -> AsyncIterator[int]:
        request = signing_key_service_pb2.WatchSigningKeysRequest(since_revision=since)
        async for response in self._keys.WatchSigningKeys(request, wait_for_ready=True):
            self._authority.use_keys(response.jwks)
            if self._keys_changed is not None:
                self._keys_changed(response.jwks)
            self._keys_known = True
            self._note()
            yield response.revision

    async def _watch_policy(self, since: int) -> AsyncIterator[int]:
        # From 0 all is told anew. Until it is, what was known holds: it is not replaced by a part.
        mirror = self._mirror if since else PolicyMirror()
        whole = since > 0
        request = access_service_pb2.WatchPolicyRequest(since_revision=since)
        async for response in self._access.WatchPolicy(request, wait_for_ready=True):
            mirror.apply(response)
            whole = whole or response.WhichOneof("change") is None
            if not whole:
                continue
            self._mirror = mirror
            policy = mirror.policy()
            self._authority.use_policy(policy)
            if self._policy_changed is not None:
                self._policy_changed(policy)
            self._policy_known = True
            self._note()
            yield response.revision

    def _note(self) -> None:
        if self._keys_known and self._policy_known:
            self.known.set()


def _id(name: str) -> str:
    return name.partition("/")[2]
