"""What tells the audit log of requests to auth's pages and endpoints.

Sessions that begin, go on and end are told with the change (`kea_core.audit_outbox`), as the rest of what auth changes.
Refusals change nothing and are told when the request has ended, by way of a queue of bounded length: no row is written
for them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from kea_core.access_log import MAX_REQUEST_ID, REQUEST_ID
from kea_core.audit_call import ALLOWED, DENIED, DONE, LIMITED, UNDECIDED, begin_call, event_of
from kea_core.audit_trail import Tell
from kea_core.errors import KeaError, Unavailable
from kea_core.principal import ANONYMOUS, set_principal
from starlette.requests import Request
from starlette.responses import Response

from kea_auth.login.errors import LoginRefused, TryLater
from kea_auth.login.login_call import CREATE_SESSION, LoginCall
from kea_auth.login.oauth import UNAVAILABLE, OAuthError
from kea_auth.login.refusals import Refusals
from kea_auth.login.web import address_of

Handler = Callable[[Request], Awaitable[Response]]
UPKEEP_SECONDS = 60.0
UNKNOWN_CALLER = "UNAUTHENTICATED"
REFUSED = {
    "access_denied": UNKNOWN_CALLER,
    "expired_token": UNKNOWN_CALLER,
    "invalid_client": UNKNOWN_CALLER,
    "invalid_grant": UNKNOWN_CALLER,
    "invalid_scope": "PERMISSION_DENIED",
}
"""OAuth's words for refusals, and how those end; its others are of what is malformed."""
WAITING = frozenset({"authorization_pending", "slow_down"})
"""Nothing has happened yet."""


class LoginTrail:
    """Stands around handlers, inside of what makes answers of errors.

    Args:
        tell: takes what no transaction tells; None: there is no audit log.
        refusals: says which refusals are told.
        now: nanoseconds since 1970.
    """

    def __init__(self, tell: Tell | None, refusals: Refusals, *, now: Callable[[], int] = time.time_ns) -> None:
        self._tell = tell
        self._refusals = refusals
        self._now = now

    def around(self, handler: Handler, request_line: str, action: str) -> Handler:
        """Returns a handler of which the audit log is told.

        Args:
            handler: answers requests.
            request_line: how the audit log calls them.
            action: what they are for.
        """

        async def audited(request: Request) -> Response:
            call = LoginCall(
                request_line,
                self._now(),
                mutates=True,
                request_id=request.headers.get(REQUEST_ID, "")[:MAX_REQUEST_ID],
                address=address_of(request),
                action=action,
            )
            # A connection's requests may share a context, so who asked before must not stand here.
            begin_call(call)
            set_principal(ANONYMOUS)
            error: BaseException | None = None
            try:
                return await handler(request)
            except BaseException as problem:
                error = problem
                raise
            finally:
                self._end(call, error or call.refusal)
                call.mutates = False

        return audited

    async def upkeep(self) -> None:
        """Tells how many refusals were told no other way."""
        count = self._refusals.untold()
        if count and self._tell is not None:
            rule = f"{count} more refusals within {UPKEEP_SECONDS:.0f} s"
            call = LoginCall("", self._now(), mutates=False, action=CREATE_SESSION, rule=rule)
            self._tell(event_of(call, LIMITED, "RESOURCE_EXHAUSTED"))

    def _end(self, call: LoginCall, error: BaseException | None) -> None:
        if self._tell is None or (isinstance(error, OAuthError) and error.error in WAITING):
            return
        if error is None:
            if call.made:
                self._tell(event_of(call, ALLOWED, DONE, resource=f"tokens/{call.made}"))
            return
        decision, outcome, why = _ending(error)
        if self._refusals.take(call.address, limited=decision == LIMITED):
            call.rule = ": ".join(filter(None, (call.rule, why)))
            self._tell(event_of(call, decision, outcome))


def _ending(error: BaseException) -> tuple[str, str, str]:
    """Returns what was decided, how the request ended, and why, in words that are ours."""
    match error:
        case LoginRefused():
            return DENIED, UNKNOWN_CALLER, error.rule
        case TryLater(limited=True):
            return LIMITED, "RESOURCE_EXHAUSTED", str(error)
        case OAuthError():
            return _ending_of(error)
        case TryLater() | Unavailable():
            outcome = "UNAVAILABLE"
        case KeaError():
            outcome = "INVALID_ARGUMENT"
        case asyncio.CancelledError():
            outcome = "CANCELLED"
        case _:
            outcome = "INTERNAL"
    return UNDECIDED, outcome, ""


def _ending_of(error: OAuthError) -> tuple[str, str, str]:
    if isinstance(error.__cause__, LoginRefused):
        return DENIED, UNKNOWN_CALLER, error.__cause__.rule
    if error.error in REFUSED:
        return DENIED, REFUSED[error.error], error.error
    return UNDECIDED, "UNAVAILABLE" if error.error == UNAVAILABLE else "INVALID_ARGUMENT", error.error
