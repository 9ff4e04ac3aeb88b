"""What a service knows of auth: the keys that tokens are signed with, and the policy."""

from __future__ import annotations

from kea_core.errors import ServiceUnavailable, TokenInvalid
from kea_core.policy import Policy
from kea_core.principal import Principal
from kea_core.tokens import TokenVerifier


class Authority:
    """Knows who calls and what they may do, as of the last keys and the last policy it was given."""

    def __init__(self) -> None:
        self._verifier = TokenVerifier()
        self._policy: Policy | None = None

    @property
    def policy(self) -> Policy:
        """The policy.

        Raises:
            ServiceUnavailable: none is known yet.
        """
        if self._policy is None:
            service = "auth"
            raise ServiceUnavailable(service)
        return self._policy

    def use_keys(self, jwks: str) -> None:
        """Takes a JSON Web Key Set in place of what it had.

        Raises:
            ValueError: `jwks` is not a key set of Ed25519 keys; what it had stays.
        """
        self._verifier.use(jwks)

    def use_policy(self, policy: Policy) -> None:
        """Takes a policy in place of what it had."""
        self._policy = policy

    def admit(self, token: str) -> Principal:
        """Returns whom a token stands for.

        Raises:
            TokenInvalid: it is malformed, expired, for another audience, signed by no known key, or revoked.
            ServiceUnavailable: keys or policy are not known yet.
        """
        caller = self._verifier.verify(token)
        self.check(caller)
        return caller

    def check(self, caller: Principal) -> None:
        """Checks that a token that was good has not been revoked since.

        Raises:
            TokenInvalid: it has.
        """
        if self.policy.is_revoked(caller):
            problem = "it has been revoked"
            raise TokenInvalid(problem)
