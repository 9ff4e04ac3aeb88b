"""What Prometheus is told of the operator."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

SETTLED, WAITING, BROKEN = "settled", "waiting", "broken"


class OperatorMetrics:
    """Registered once per process. Labels: the two kinds, and three outcomes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._looks = Counter(
            "kea_operator_looks",
            "Looks at custom resources: settled, waiting for something, or broken by a fault of the operator's.",
            ["kind", "outcome"],
            registry=registry,
        )
        self._leading = Gauge("kea_operator_leading", "1 while this operator is the one that acts.", registry=registry)

    def looked(self, kind: str, outcome: str) -> None:
        """Counts a look."""
        self._looks.labels(kind, outcome).inc()

    def leads(self, *, leading: bool) -> None:
        """Says whether this operator is the one that acts."""
        self._leading.set(leading)
