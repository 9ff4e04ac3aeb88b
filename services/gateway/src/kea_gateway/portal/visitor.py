"""Who looks at the portal, and which models they may call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kea_core.authority import Authority
from kea_core.errors import KeaError
from kea_core.permission import INVOKE
from kea_core.policy import Policy
from kea_core.principal import Principal
from starlette.requests import Request

from kea_gateway.portal.catalog import ServedModel


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who has logged in, or a program with a good token."""

    caller: Principal
    policy: Policy
    """The policy as it was when they came, so that one page does not contradict itself."""

    @property
    def name(self) -> str:
        """As `users/ada`."""
        return self.caller.subject

    def may_call(self, model: ServedModel, method: str) -> bool:
        """Whether they may call a method of a model."""
        return self.policy.decide(self.caller, INVOKE, f"{_resource(model)}/methods/{method}").allowed

    def may_call_any(self, model: ServedModel) -> bool:
        """Whether there is a method of a model that they may call."""
        return bool(self.policy.visible(self.caller, INVOKE, _resource(model)))


Visitors = Callable[[Request], Visitor | None]
"""Returns who has sent a request; None where that is nobody that is known."""


def visitors_by(authority: Authority) -> Visitors:
    """Returns what tells visitors by their tokens.

    Envoy makes a bearer token of a session's cookie, and does not check it where a page needs none.
    """

    def visitor(request: Request) -> Visitor | None:
        try:
            return Visitor(authority.admit(_bearer(request)), authority.policy)
        except KeaError:
            return None

    return visitor


def _resource(model: ServedModel) -> str:
    return f"projects/{model.project}/endpoints/{model.name}"


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
