"""What calls of the Kubernetes API cost the cluster."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

NO_ANSWER = "none"


class ApiMetrics:
    """Counts calls. Labels are bounded: HTTP's methods, plurals of kinds, and status codes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "kea_kubernetes_requests_total",
            "Calls of the Kubernetes API, by how they were answered.",
            ("method", "resource", "code"),
            registry=registry,
        )

    def called(self, method: str, resource: str, status: int | None) -> None:
        """Counts a call; its status is None where it was not answered."""
        self._calls.labels(method, resource, NO_ANSWER if status is None else str(status)).inc()
