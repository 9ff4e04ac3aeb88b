"""The cookies of a browser's session. Envoy turns the first into a bearer token; the second is for `/login` only.

Scripts can read neither. A third tells them that there is a session, and until when the first is good.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from http.cookies import CookieError, SimpleCookie

from starlette.requests import Request
from starlette.responses import Response

from kea_auth.login.sessions import Issued

ACCESS, REFRESH, FLOW = "kea_session", "kea_refresh", "kea_flow_"
EXPIRES = "kea_session_expires"
"""Cookie that scripts can read: when the access token expires, in seconds since 1970. It lasts as the session does."""
LOGIN_PATH = "/login"
FLOW_SECONDS = 600
MAX_COOKIE = 4096
"""What browsers keep."""


class Cookies:
    """Sets, reads and takes back cookies.

    Args:
        secure: whether the gateway is reached by https, so that no cookie may go without.
    """

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure

    @property
    def access(self) -> str:
        """Name of the session's cookie; with this prefix browsers take it from this very host only."""
        return f"__Host-{ACCESS}" if self._secure else ACCESS

    @property
    def refresh(self) -> str:
        """Name of the refresh token's cookie."""
        return f"__Secure-{REFRESH}" if self._secure else REFRESH

    def set_session(self, response: Response, issued: Issued, now: datetime) -> None:
        """Gives a browser its session's tokens."""
        left = int((issued.expire_time - now).total_seconds())
        self._set(response, self.access, issued.access_token, "/", left)
        session_left = int((issued.session_expire_time - now).total_seconds())
        if issued.refresh_token:
            self._set(response, self.refresh, issued.refresh_token, LOGIN_PATH, session_left)
        expires = str(int(issued.expire_time.timestamp()))
        self._set(response, EXPIRES, expires, "/", session_left, readable=True)

    def drop_session(self, response: Response) -> None:
        """Takes them back."""
        self._set(response, self.access, "", "/", 0)
        self._set(response, self.refresh, "", LOGIN_PATH, 0)
        self._set(response, EXPIRES, "", "/", 0, readable=True)

    def set_flow(self, response: Response, state: str, value: str) -> None:
        """Remembers in a browser what it is about to be asked at an identity provider; one cookie for each tab."""
        self._set(response, _flow_name(state), value, LOGIN_PATH, FLOW_SECONDS)

    def drop_flow(self, response: Response, state: str) -> None:
        """Forgets it."""
        self._set(response, _flow_name(state), "", LOGIN_PATH, 0)

    def flow(self, request: Request, state: str) -> str:
        """Returns what was remembered; empty where nothing was."""
        return request.cookies.get(_flow_name(state), "")

    def refresh_token(self, request: Request) -> str:
        """Returns a browser's refresh token; empty where it has none."""
        return request.cookies.get(self.refresh, "")

    def _set(
        self, response: Response, name: str, value: str, path: str, seconds: int, *, readable: bool = False
    ) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max(0, seconds),
            path=path,
            secure=self._secure,
            httponly=not readable,
            samesite="lax",
        )


def fits(token: str) -> bool:
    """Whether browsers keep a cookie with this token."""
    try:
        SimpleCookie({ACCESS: token})
    except CookieError:
        return False
    return len(token) + 200 <= MAX_COOKIE


def _flow_name(state: str) -> str:
    return FLOW + hashlib.sha256(state.encode()).hexdigest()[:16]
