"""Which models a caller's list shows: those of which it may call a method."""

from __future__ import annotations

from collections.abc import Callable

from kea_core.authority import Authority
from kea_core.errors import KeaError
from kea_core.permission import INVOKE
from starlette.requests import Request

from kea_gateway.portal.catalog import ServedModel

Sees = Callable[[ServedModel], bool]
"""Whether a caller may call any method of a model."""
Visibility = Callable[[Request], Sees]
"""Returns what the caller of a request sees. Envoy has let nobody through without a good token."""

Who = Callable[[Request], str]
"""Returns the name of whoever has logged in, as `users/ada`; empty where nobody has."""


def everything(_request: Request) -> Sees:
    """All see all."""
    return lambda _model: True


def nobody(_request: Request) -> str:
    """Nobody has logged in."""
    return ""


def visitor_by(authority: Authority) -> Who:
    """Returns what tells who looks at a page.

    Envoy makes a bearer token of a session's cookie, and does not check it where a page needs none.
    """

    def who(request: Request) -> str:
        try:
            return authority.admit(_bearer(request)).subject
        except KeaError:
            return ""

    return who


def visibility_by(authority: Authority) -> Visibility:
    """Returns what follows from the policy; without a good token, nothing is seen."""

    def seen(request: Request) -> Sees:
        try:
            caller = authority.admit(_bearer(request))
            policy = authority.policy
        except KeaError:
            return lambda _model: False

        def sees(model: ServedModel) -> bool:
            return bool(policy.visible(caller, INVOKE, f"projects/{model.project}/endpoints/{model.name}"))

        return sees

    return seen


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
