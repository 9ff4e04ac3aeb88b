"""What one Envoy holds of one type, and what that refers to. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from kea_router.xds.resource import Key, Resource


class Holdings:
    """Resources that a peer has acknowledged, or has said that it holds."""

    def __init__(self, versions: Mapping[str, str]) -> None:
        self._versions = dict(versions)
        self._references: dict[str, frozenset[Key]] = {}
        self._counts: Counter[Key] = Counter()

    def __len__(self) -> int:
        return len(self._versions)

    def __contains__(self, name: str) -> bool:
        return name in self._versions

    def names(self) -> set[str]:
        """Returns the names of all."""
        return set(self._versions)

    def version(self, name: str) -> str | None:
        """Returns which version is held; None where none is, empty where it is not known which."""
        return self._versions.get(name)

    def put(self, resource: Resource) -> None:
        """Notes that a resource is held."""
        self.drop(resource.key.name)
        self._versions[resource.key.name] = resource.version
        self._references[resource.key.name] = resource.references
        self._counts.update(resource.references)

    def drop(self, name: str) -> None:
        """Notes that a resource is no longer held, or was not."""
        self._versions.pop(name, None)
        for reference in self._references.pop(name, ()):
            self._counts[reference] -= 1
            if not self._counts[reference]:
                del self._counts[reference]

    def doubt(self, name: str) -> None:
        """Notes that a resource may be held or not."""
        self._versions[name] = ""

    def recognise(self, resource: Resource) -> None:
        """Learns what a resource refers to that the peer has held since before this stream, where it is this one."""
        name = resource.key.name
        if name not in self._references and self._versions.get(name) == resource.version:
            self.put(resource)

    def may_refer_to(self, key: Key) -> bool:
        """Whether something held refers to `key`, or might: of what came before this stream only versions are known."""
        return key in self._counts or len(self._references) < len(self._versions)
