"""Use cases of sessions: their begin, refreshes and end."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from kea_core.clock import Clock
from kea_core.principal import Principal

from kea_auth.domain.claims import MARGIN, Claims
from kea_auth.domain.ports import Signer
from kea_auth.domain.revocation import Revocation
from kea_auth.login.errors import LoginRefused
from kea_auth.login.grant import NO_GRANT, ProviderGrant
from kea_auth.login.login_call import known, made_token, shown_by
from kea_auth.login.ports import GrantEnded, LoginStorage, LoginTransaction, Renewal, Renewed
from kea_auth.login.session import (
    LONGEST_ACCESS_TTL,
    RefreshToken,
    Session,
    Verdict,
    new_secret,
    new_session,
    parse_refresh_token,
)
from kea_auth.login.user import User
from kea_auth.login.users import Users

log = logging.getLogger(__name__)

MAX_OF_USER = 50
"""Sessions of one user; with one more the oldest ends."""
ENDED = "the session has ended; log in again"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token that was just made."""

    id: str
    text: str = field(repr=False)
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class Issued:
    """Tokens that were just made."""

    subject: str
    session: str
    access_token: str = field(repr=False)
    expire_time: datetime
    refresh_token: str = field(repr=False)
    """Empty: the one before holds, or another that was made in the same moment."""
    session_expire_time: datetime


class Sessions:
    """Makes and refreshes the tokens of people."""

    def __init__(
        self,
        storage: LoginStorage,
        signer: Signer,
        users: Users,
        renewal: Renewal,
        *,
        access_ttl: timedelta,
        session_ttl: timedelta,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._signer = signer
        self._users = users
        self._renewal = renewal
        self._access_ttl = access_ttl
        self._session_ttl = session_ttl
        self._clock = clock
        self._refreshing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def begin(self, user: User, provider: str, client: str, grant: ProviderGrant = NO_GRANT) -> Issued:
        """Begins a session of somebody who has just shown who they are."""
        async with self._storage.transaction() as transaction:
            session, token = await self.begin_within(transaction, user, provider, client, grant)
        return await self._issue(user, session, token)

    async def begin_within(
        self, transaction: LoginTransaction, user: User, provider: str, client: str, grant: ProviderGrant
    ) -> tuple[Session, RefreshToken]:
        """Begins a session within a transaction; `issued` gives its first tokens after that."""
        now = self._clock()
        known(user.name, account=user.uid)
        session, token = new_session(user.id, provider, client, grant, now, self._session_ttl)
        present = await transaction.sessions.of_user(user.id)
        for old in present[: max(0, len(present) - MAX_OF_USER + 1)]:
            await self._end(transaction, old, user.name)
        known(user.name, session=session.id)
        await transaction.sessions.add(session)
        told = {"session": session.id, "user": user.id, "provider": provider or "password", "client": client}
        log.info("logged in", extra=told)
        return session, token

    async def issued(self, user: User, session: Session, token: RefreshToken) -> Issued:
        """Returns tokens of a session that was begun."""
        return await self._issue(user, session, token)

    async def refresh(self, text: str, client: str) -> Issued:
        """Returns new tokens for a client's refresh token, of what the identity provider says of the user now.

        Raises:
            LoginRefused: it is none, or was used before, or the session or the user has ended, or the provider does
                not know them any more. But for the first, the session has ended then.
            TryLater: the provider does not answer; the refresh token stays good.
        """
        shown_by("refresh token")
        token = parse_refresh_token(text)
        if token is None:
            raise LoginRefused(ENDED, "malformed")
        # One at a time: a provider that sees its own refresh token twice would end the session.
        async with self._refreshing.setdefault(token.session, asyncio.Lock()):
            return await self._refresh(token, client)

    async def _refresh(self, token: RefreshToken, client: str) -> Issued:
        async with self._storage.reading() as transaction:
            session = await transaction.sessions.get(token.session)
        verdict = self._verdict(session, token)
        if session is None or verdict is Verdict.UNKNOWN:
            raise LoginRefused(ENDED, "no such session")
        known(f"users/{session.user}", session=session.id)
        if session.client != client:
            raise LoginRefused(ENDED, "another client's")
        if verdict is Verdict.REUSED:
            log.warning("refresh token used twice; session ended", extra={"session": session.id})
            shown_by("refresh token: used twice")
            await self.end(session.id)
            raise LoginRefused(ENDED)
        renewed: Renewed | None = None
        if session.provider and verdict is Verdict.CURRENT:
            try:
                renewed = await self._renewal.renew(session.provider, session.grant)
            except (GrantEnded, LoginRefused) as error:
                shown_by(f"refresh token: provider {session.provider} says no")
                await self.end(session.id)
                raise LoginRefused(str(error) or ENDED) from error
        return await self._refreshed(token, renewed)

    async def of_token(self, text: str) -> Session | None:
        """Returns the session of a refresh token that is good."""
        token = parse_refresh_token(text)
        if token is None:
            return None
        async with self._storage.reading() as transaction:
            session = await transaction.sessions.get(token.session)
        if session is None or self._verdict(session, token) not in {Verdict.CURRENT, Verdict.JUST_USED}:
            return None
        known(f"users/{session.user}", session=session.id)
        shown_by("refresh token")
        return session

    async def end(self, session: str) -> None:
        """Ends a session: its refresh token is good for nothing, its access tokens are refused within two seconds."""
        async with self._storage.transaction() as transaction:
            present = await transaction.sessions.get(session)
            if present is not None:
                await self._end(transaction, present, f"users/{present.user}")

    async def end_of(self, caller: Principal) -> Session | None:
        """Ends the session of a caller's token, and returns it; None where the token is of none."""
        async with self._storage.transaction() as transaction:
            present = await transaction.sessions.get(caller.session) if caller.session else None
            if present is None or f"users/{present.user}" != caller.subject:
                return None
            await self._end(transaction, present, caller.subject)
            return present

    async def upkeep(self) -> None:
        """Removes what has expired."""
        async with self._storage.transaction() as transaction:
            await transaction.sessions.remove_expired(self._clock())
            await transaction.devices.remove_expired(self._clock())

    async def access_token(
        self,
        subject: str,
        account: str,
        groups: Sequence[str],
        *,
        session: str = "",
        scopes: Sequence[str] = (),
        latest: datetime | None = None,
    ) -> AccessToken:
        """Returns an access token that expires soon, and not after `latest`."""
        key = await self._signer.active()
        now = self._clock().replace(microsecond=0)
        expires = now + self._access_ttl if latest is None else min(now + self._access_ttl, latest)
        claims = Claims(
            subject=subject,
            token=str(uuid.uuid4()),
            create_time=now,
            expire_time=expires.replace(microsecond=0),
            groups=groups,
            scopes=tuple(sorted(set(scopes))),
            session=session,
            account=account,
        )
        return AccessToken(claims.token, claims.sign(key), claims.expire_time)

    def _verdict(self, session: Session | None, token: RefreshToken) -> Verdict:
        now = self._clock()
        if session is None or session.expire_time <= now:
            return Verdict.UNKNOWN
        return session.judge(token, now)

    async def _refreshed(self, token: RefreshToken, renewed: Renewed | None) -> Issued:
        """Rotates, if still nobody else has."""
        refused, why, following = "", "", None
        async with self._storage.transaction() as transaction:
            session = await transaction.sessions.get(token.session)
            verdict = self._verdict(session, token)
            user = await transaction.users.get(session.user) if session is not None else None
            if session is None or user is None or verdict not in {Verdict.CURRENT, Verdict.JUST_USED}:
                raise LoginRefused(ENDED, "no such session")
            account = user.uid
            if renewed is not None:
                try:
                    seen = await self._users.seen(transaction, renewed.identity)
                except LoginRefused as error:
                    refused, why, seen = str(error), error.rule, user
                if seen.uid != account:  # the provider answers about another
                    refused, why = ENDED, "another user"
                user = seen
            known(f"users/{session.user}", account=account)
            if user.disabled or refused:
                shown_by(f"refresh token: {why or 'user is disabled'}")
                await self._end(transaction, session, user.name)
                refused = refused or f"{user.name} is disabled"
            elif verdict is Verdict.CURRENT:
                following = RefreshToken(token.session, token.family, new_secret())
                grant = renewed.grant if renewed is not None else session.grant
                session = session.rotated(following.secret, grant, self._clock())
                await transaction.sessions.save(session)
        if refused:
            raise LoginRefused(refused)
        return await self._issue(user, session, following)

    async def _issue(self, user: User, session: Session, token: RefreshToken | None) -> Issued:
        access = await self.access_token(
            user.name, user.uid, user.groups, session=session.id, latest=session.expire_time
        )
        if token is None:
            made_token(access.id)  # the session is as it was, so there is no change that tells of this
        refresh = str(token) if token else ""
        return Issued(user.name, session.id, access.text, access.expire_time, refresh, session.expire_time)

    async def _end(self, transaction: LoginTransaction, session: Session, creator: str) -> None:
        now = self._clock()
        await transaction.sessions.remove(session.id)
        await transaction.revocations.put(Revocation(session.id, now + LONGEST_ACCESS_TTL + MARGIN, now, creator))
