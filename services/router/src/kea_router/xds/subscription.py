"""What one Envoy has asked for, has been sent and has acknowledged, of one type. No I/O.

Clauses cited are of "Incremental xDS" in the xDS protocol's documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from envoy.service.discovery.v3 import discovery_pb2

from kea_router.xds.holdings import Holdings
from kea_router.xds.resource import Key, Resource

WILDCARD = "*"
MAX_PROBLEM = 2000
"""Longest text of a refusal that is kept, in characters: it goes to logs and to callers."""
MOST_RESOURCES, MOST_BYTES = 250, 512 * 1024
"""A response of resources that are asked for one by one ends with the one by which it is as large: to make, serialize
and send one of thousands holds the event loop for 0.1 s and more."""
REMOVAL = ""
"""Stands for the version of a resource that is to be removed."""

Timely = Callable[[str, Resource | None], bool]
"""Whether a resource (None: its removal) may be sent now, given all that the peer holds of other types."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be sent."""

    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.resources or self.removed)

    def versions(self) -> dict[str, str]:
        """Returns the version of each name in it."""
        found = {resource.key.name: resource.version for resource in self.resources}
        return found | dict.fromkeys(self.removed, REMOVAL)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A NACK."""

    names: tuple[str, ...]
    """What was in the response."""
    problem: str

    @property
    def isolated(self) -> bool:
        """Whether it is known which resource is at fault; otherwise they are sent again in smaller parts."""
        return len(self.names) == 1


@dataclass(frozen=True, slots=True)
class Rejection:
    """A version that the peer does not take."""

    version: str
    problem: str


@dataclass(frozen=True, slots=True)
class _Pending:
    nonce: str
    batch: Batch
    references: frozenset[Key]


class Subscription:
    """The state of one type on one stream. Only names in question are looked at, so a change costs what it changes."""

    def __init__(self) -> None:
        self.begun = False
        """Whether the peer has asked for this type at all."""
        self._wildcard = False
        self._names: set[str] = set()
        self._held = Holdings({})
        self._rejections: dict[str, Rejection] = {}
        self._absent: set[str] = set()
        self._pending: _Pending | None = None
        self._all_open = False
        self._open: dict[str, None] = {}
        """Names that are in question; what has been for longest comes first, so that everything has its turn."""
        self._suspects: list[tuple[str, ...]] = []

    @property
    def held(self) -> Holdings:
        """What the peer holds."""
        return self._held

    @property
    def problem(self) -> str:
        """Why the peer refuses what it has last refused; empty where it has taken everything."""
        return next(reversed(self._rejections.values())).problem if self._rejections else ""

    def wants(self, name: str) -> bool:
        """Whether the peer has asked for this resource."""
        return self._wildcard or name in self._names

    def rejection(self, name: str, version: str) -> str:
        """Returns why the peer refuses that version of a resource; empty where it does not."""
        found = self._rejections.get(name)
        return found.problem if found is not None and found.version == version else ""

    def may_refer_to(self, key: Key) -> bool:
        """Whether something that the peer holds, or is being sent, may refer to `key`."""
        pending = self._pending is not None and key in self._pending.references
        return pending or self._held.may_refer_to(key)

    def changed(self, name: str) -> None:
        """Notes that a resource was published or removed."""
        if self.begun:
            self._question(name)

    def receive(self, request: discovery_pb2.DeltaDiscoveryRequest) -> Refusal | None:
        """Takes a request in; returns the refusal it carries, if it does.

        One request may both answer a response and change what is asked for ("spontaneous" requests have no nonce).
        """
        if not self.begun:
            self.begun = self._all_open = True
            # "initial_resource_versions" comes in the first request of a type on a stream: what the client still holds.
            self._held = Holdings(request.initial_resource_versions)
            # "a client may … subscribe to the wildcard by … a first request with no resource names".
            self._wildcard = not request.resource_names_subscribe
            self._names = set(request.resource_names_subscribe)
            if WILDCARD in self._names:
                self._names.remove(WILDCARD)
                self._wildcard = True
            return None
        # The answer first: the peer gave it before it asked for what the same request asks for.
        refusal = self._answer(request) if request.response_nonce else None
        for name in request.resource_names_subscribe:
            self._subscribe(name)
        for name in request.resource_names_unsubscribe:
            self._unsubscribe(name)
        return refusal

    def _subscribe(self, name: str) -> None:
        if name == WILDCARD:
            self._wildcard = self._all_open = True
            return
        # "the server must still provide those resources …; the client may have forgotten" them.
        self._names.add(name)
        self._held.drop(name)
        self._rejections.pop(name, None)
        self._absent.discard(name)
        self._question(name)

    def _unsubscribe(self, name: str) -> None:
        if name == WILDCARD:
            self._wildcard = False
            for unwanted in self._held.names() - self._names:
                self._held.drop(unwanted)
            return
        known = name in self._names
        self._names.discard(name)
        self._absent.discard(name)
        if not self._wildcard:
            self._held.drop(name)
        elif known:
            # Still asked for by the wildcard: the client must be told again that it is there, or that it is not.
            self._held.doubt(name)
            self._question(name)

    def _answer(self, request: discovery_pb2.DeltaDiscoveryRequest) -> Refusal | None:
        if self._pending is None or request.response_nonce != self._pending.nonce:
            return None  # an answer to something older
        batch, self._pending = self._pending.batch, None
        if request.HasField("error_detail"):
            return self._refused(batch.versions(), request.error_detail.message[:MAX_PROBLEM])
        for resource in batch.resources:
            self._rejections.pop(resource.key.name, None)
            if self.wants(resource.key.name):
                self._held.put(resource)
        for name in batch.removed:
            self._rejections.pop(name, None)
            self._held.drop(name)
        return None

    def _refused(self, versions: Mapping[str, str], problem: str) -> Refusal:
        """Takes a NACK in. One bad resource must not keep the good ones away, so the parts are tried by themselves."""
        names = tuple(versions)
        if len(names) == 1:
            # Envoy keeps what it had. The same version would be refused again, so it waits for another one.
            self._rejections.pop(names[0], None)
            self._rejections[names[0]] = Rejection(versions[names[0]], problem)
        else:
            middle = len(names) // 2
            self._suspects += [names[middle:], names[:middle]]
            self._question(*names)
        return Refusal(names, problem)

    def due(self, published: Mapping[str, Resource], timely: Timely) -> Batch:
        """Returns what the peer should be sent now: nothing while a response is unanswered."""
        if not self.begun or self._pending is not None:
            return Batch()
        if self._all_open:
            self._all_open = False
            names = self._names | self._held.names() | (published.keys() if self._wildcard else set())
            self._question(*sorted(names))
        while self._suspects:
            batch = self._batch(self._suspects.pop(), published, timely)
            if batch:
                return batch
        # Where it asks for all, Envoy takes the first response for all there is, and opens its door after that.
        return self._batch(tuple(self._open), published, timely, bounded=not self._wildcard)

    def _question(self, *names: str) -> None:
        """Has `due` look at names, after all that it is to look at already."""
        for name in names:
            self._open.setdefault(name)

    def _batch(
        self, names: Iterable[str], published: Mapping[str, Resource], timely: Timely, *, bounded: bool = False
    ) -> Batch:
        resources: list[Resource] = []
        removed: list[str] = []
        size = 0
        for name in names:
            if bounded and (len(resources) >= MOST_RESOURCES or size >= MOST_BYTES):
                break  # the others stay in question
            resource = published.get(name)
            if self._differs(name, resource):
                # That there is none of what it waits for is told at once: until then its clusters do not get warm.
                if (resource is not None or name in self._held) and not timely(name, resource):
                    continue  # stays in question
                if resource is None:
                    removed.append(name)
                else:
                    resources.append(resource)
                    size += len(resource.content)
            self._open.pop(name, None)
        return Batch(tuple(resources), tuple(removed))

    def _differs(self, name: str, resource: Resource | None) -> bool:
        """Whether the peer must be told of a resource (None: that there is none)."""
        version = REMOVAL if resource is None else resource.version
        rejected = self._rejections.get(name)
        if rejected is not None and rejected.version == version:
            return False
        if resource is not None:
            self._held.recognise(resource)
            if self._held.version(name) == version:
                self._rejections.pop(name, None)
                return False
            return self.wants(name)
        if name in self._held:
            return True
        self._rejections.pop(name, None)
        # "if a resource does not exist, the server … must … include it in removed_resources", once.
        return name in self._names and name not in self._absent

    def sent(self, nonce: str, batch: Batch) -> None:
        """Notes that a batch is on its way."""
        references = frozenset[Key]().union(*(resource.references for resource in batch.resources))
        self._pending = _Pending(nonce, batch, references)
        self._absent.update(name for name in batch.removed if name in self._names)
        self._absent.difference_update(resource.key.name for resource in batch.resources)
