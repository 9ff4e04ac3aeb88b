"""Settings of the platform `kubernetes`."""

from __future__ import annotations

from dataclasses import dataclass

from kea_core.settings import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Which cluster, and how models' pods are made there."""

    kubeconfig: str = ""
    """File that names the cluster. Empty: the one the deployer runs in, with its service account."""
    namespace: str = ""
    """Where models' objects are. It belongs to KEA alone, and may be the deployer's own."""
    lease_name: str = "kea-deployer"
    """The Lease, in the namespace of models, that lets one of several deployers act at a time."""
    pull_secret: str = ""
    """Name of the secret with which nodes pull models' images; empty: none."""
    secret_prefix: str = "model-"  # noqa: S105 - of names
    """Begin of the names of Secrets that variables of models may come from: other Secrets are not theirs to read."""
    gateway_namespace: str = ""
    """Namespace of the gateway: only its pods may call models (NetworkPolicy). Empty: whoever can reach them may."""
    drain_delay_seconds: int = 5
    """Time between a pod's leaving Envoy's list and its SIGTERM."""
    cpu_request: str = "100m"
    """CPU a model's pod is sure of; Kubernetes' quantities."""
    memory_request: str = "256Mi"
    """Memory a model's pod is sure of."""
    cpu_limit: str = ""
    """Most CPU a model's pod may have; empty: no such limit."""
    memory_limit: str = ""
    """Most memory a model's pod may have; empty: no such limit."""
    unschedulable_seconds: float = 60.0
    """How long a pod may wait for a node until the deployment is told to have failed: a cluster may be growing."""

    def __post_init__(self) -> None:
        if self.drain_delay_seconds < 1:
            problem = f"drain_delay_seconds is {self.drain_delay_seconds}; expected at least 1"
            raise SettingsError(problem)
        if not self.secret_prefix:
            problem = "secret_prefix is empty; expected the begin of the names of Secrets that models may read"
            raise SettingsError(problem)
