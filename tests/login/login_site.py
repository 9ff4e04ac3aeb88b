"""A platform at which people log in, and what the identity providers say of whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from openid_provider import OpenIdProvider
from platforms import RunningPlatform, until

ACCOUNTS = {
    "ada": {"groups": ["engineers"], "email": "ada@example.org", "email_verified": True, "preferred_username": "ada"},
    "eve": {"groups": ["engineers"], "email": "ada@example.org", "email_verified": False},
    "admin": {"groups": []},
    "grace": {"groups": ["engineers", "navy"]},
}
OTHERS = {"ada": {"groups": ["engineers"]}, "alan": {"groups": ["codes"]}}


@dataclass(frozen=True)
class Site:
    """A platform, and the providers that it trusts."""

    platform: RunningPlatform
    corp: OpenIdProvider
    lab: OpenIdProvider

    @property
    def url(self) -> str:
        return self.platform.url

    def make_user(self, user: str, password: str, *groups: str) -> None:
        with self.platform.client() as client:
            body = {"password": password, "groups": groups}
            client.post(f"/api/v1/users?user_id={user}", json=body).raise_for_status()

    def bind(self, member: str, role: str) -> None:
        with self.platform.client() as client:
            body = {"member": member, "role": f"roles/{role}"}
            answer = client.post("/api/v1/bindings", json=body)
            assert answer.status_code in (200, 409), answer.text

    def audited(self, count: int, *wanted: str) -> list[dict[str, Any]]:
        """Returns the events that `kea audit search` finds, the oldest first, once there are that many."""

        def enough() -> list[dict[str, Any]]:
            events = self.platform.kea_json("audit", "search", "--oldest-first", *wanted)
            return events if len(events) >= count else []

        return until(enough)
