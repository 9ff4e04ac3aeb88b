"""What an identity provider has given KEA for somebody: it stays in auth's database, as the signing keys do."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class ProviderGrant:
    """Tokens of a provider's. They show themselves nowhere."""

    refresh_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    """Says at the provider's logout whose it is."""

    def to_json(self) -> str:
        """Returns it as it is kept."""
        return json.dumps(asdict(self))


NO_GRANT = ProviderGrant()


def grant_from_json(text: str) -> ProviderGrant:
    """Returns a grant as it was kept."""
    return ProviderGrant(**json.loads(text))
