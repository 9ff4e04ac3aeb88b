"""Use cases of device grants."""

from __future__ import annotations

from dataclasses import replace

from kea_core.audit_call import changed
from kea_core.clock import Clock

from kea_auth.login.device import MAX_GRANTS, DeviceGrant, DeviceState, Poll, grant_name, new_device
from kea_auth.login.errors import LoginRefused, TryLater
from kea_auth.login.grant import NO_GRANT, ProviderGrant, grant_from_json
from kea_auth.login.login_call import APPROVE_DEVICE, DENY_DEVICE, doing, known, shown_by
from kea_auth.login.ports import LoginStorage
from kea_auth.login.session import digest
from kea_auth.login.sessions import Issued, Sessions

GONE = "there is no such code, or it has expired"


class Devices:
    """Lets a program ask, and a person answer."""

    def __init__(self, storage: LoginStorage, sessions: Sessions, *, clock: Clock) -> None:
        self._storage = storage
        self._sessions = sessions
        self._clock = clock

    async def begin(self, client: str) -> tuple[DeviceGrant, str]:
        """Returns a grant that nobody has answered, and its device code.

        Raises:
            TryLater: too many are waiting for an answer.
        """
        grant, code = new_device(client, self._clock())
        async with self._storage.transaction() as transaction:
            await transaction.devices.remove_expired(self._clock())
            if await transaction.devices.count() >= MAX_GRANTS:
                problem = "too many devices wait to be logged in"
                raise TryLater(problem, 60, limited=True)
            await transaction.devices.add(grant)
        return grant, code

    async def waiting(self, user_code: str) -> DeviceGrant:
        """Returns the grant that waits for an answer.

        Raises:
            LoginRefused: there is none.
        """
        async with self._storage.reading() as transaction:
            grant = await transaction.devices.of_user_code(user_code)
        return self._waiting(grant)

    async def answer(
        self, user_code: str, user: str, *, allowed: bool, provider: str = "", grant: ProviderGrant = NO_GRANT
    ) -> None:
        """Answers a grant, once.

        Raises:
            LoginRefused: there is none that waits.
        """
        async with self._storage.transaction() as transaction:
            waiting = self._waiting(await transaction.devices.of_user_code(user_code))
            state = DeviceState.APPROVED if allowed else DeviceState.DENIED
            answered = replace(waiting, state=state, user=user, provider=provider, grant=grant.to_json())
            await transaction.devices.save(answered)
            doing(APPROVE_DEVICE if allowed else DENY_DEVICE)
            changed(grant_name(waiting))

    async def poll(self, code: str, client: str) -> Issued | Poll:
        """Returns the tokens where somebody has said yes, once; else what to tell the program."""
        async with self._storage.transaction() as transaction:
            grant = await transaction.devices.get(digest(code))
            if grant is None or grant.client != client:
                return Poll.EXPIRED
            shown_by(grant_name(grant))
            told, after = grant.poll(self._clock())
            if told is not Poll.READY:
                if told is not Poll.PENDING and told is not Poll.SLOW_DOWN:
                    await transaction.devices.remove(grant.device_hash)
                else:
                    await transaction.devices.save(after)
                return told
            await transaction.devices.remove(grant.device_hash)
            user = await transaction.users.get(grant.user)
            if user is not None:
                known(user.name, account=user.uid)
            if user is None or user.disabled:
                return Poll.DENIED
            session, token = await self._sessions.begin_within(
                transaction, user, grant.provider, client, grant_from_json(grant.grant)
            )
        return await self._sessions.issued(user, session, token)

    def _waiting(self, grant: DeviceGrant | None) -> DeviceGrant:
        if grant is None or grant.state is not DeviceState.PENDING or grant.expire_time <= self._clock():
            raise LoginRefused(GONE, "no such code")
        return grant
