"""Whether somebody may do something, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kea_core.errors import FieldOutOfBounds, FieldViolation, PermissionMissing
from kea_core.policy import EVERYONE, PLATFORM, Binding, Policy
from kea_core.principal import Principal

from kea_auth.domain.service_accounts import ServiceAccounts

CHECK = "auth.access.check"
"""Permission to ask about others."""
ACCOUNTS = "serviceAccounts/"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    permission: str
    resource: str
    subject: str = ""
    """Empty: the caller, with the groups and scopes of its token."""
    groups: frozenset[str] = frozenset()
    """Those that `subject` is taken to be in."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether it is allowed."""

    allowed: bool
    binding: Binding | None
    """What allows it."""
    explanation: str


class Access:
    """Answers questions by the policy that this process decides by."""

    def __init__(self, policy: Callable[[], Policy], accounts: ServiceAccounts) -> None:
        self._policy = policy
        self._accounts = accounts

    async def check(self, question: Question, caller: Principal) -> Answer:
        """Returns whether somebody may do something, and why.

        Raises:
            FieldOutOfBounds: groups are given without a subject.
            PermissionMissing: it is about another, or about oneself in other groups, and the caller may not ask that.
        """
        if question.groups and not question.subject:
            description = "is given without `subject`; expected nothing"
            raise FieldOutOfBounds([FieldViolation("groups", description)])
        policy = self._policy()
        who = caller
        if question.subject:
            own = question.subject == caller.subject and question.groups <= caller.groups
            if not own and not policy.decide(caller, CHECK).allowed:
                raise PermissionMissing(CHECK, caller.subject, PLATFORM)
            who = Principal(question.subject, question.groups)
        account = who.subject.removeprefix(ACCOUNTS)
        if account != who.subject and await self._accounts.is_disabled(account):
            return Answer(allowed=False, binding=None, explanation=f"{who.subject} is disabled")
        return explained(policy, who, question.permission, question.resource)


def explained(policy: Policy, who: Principal, permission: str, resource: str) -> Answer:
    """Returns the decision of a policy, and what it follows from."""
    decision = policy.decide(who, permission, resource)
    if decision.binding is None:
        text = f"no binding gives {who.subject} {permission} on {_place(resource)}"
        return Answer(allowed=False, binding=None, explanation=text)
    text = f"{who.subject} has {permission} {_reason(who, decision.binding)}"
    if not decision.allowed:
        scopes = ", ".join(who.scopes)
        text = f"{text}, but the token's scopes ({scopes}) do not contain it"
        return Answer(allowed=False, binding=None, explanation=text)
    return Answer(allowed=True, binding=decision.binding, explanation=text)


def _reason(who: Principal, binding: Binding) -> str:
    through = "" if binding.member == who.subject else f" through {binding.member}"
    if binding.member == EVERYONE:
        through = " as everyone has"
    source = binding.name or "KEA comes with that"
    return f"by role {binding.role}{through} on {_place(binding.resource)} ({source})"


def _place(resource: str) -> str:
    return resource or "the whole platform"
