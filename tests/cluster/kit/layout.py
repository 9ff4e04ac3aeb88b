"""Names, folders and addresses of one cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.commands import KitError

NODE = "node1"
MOST_CLUSTERS = 16
TOOLS = Path(__file__).resolve().parents[1] / "tools"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of one cluster lies; several clusters share nothing but the cache."""

    cache: Path
    """Folder of what is slow to make and the same for all: binaries, the base image's layer."""
    number: int = 0
    """Which cluster, 0 to 15: several run beside one another, each with its own names, state and addresses."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Layout:
        """Reads KEA_CLUSTER and XDG_CACHE_HOME.

        Raises:
            KitError: KEA_CLUSTER is no number from 0 to 15.
        """
        home = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        text = environ.get("KEA_CLUSTER", "0")
        if not text.isdecimal() or int(text) >= MOST_CLUSTERS:
            problem = f"KEA_CLUSTER is {text!r}; it is the number of a cluster, 0 to {MOST_CLUSTERS - 1}"
            raise KitError(problem)
        return cls(home / "kea-cluster", int(text))

    @property
    def name(self) -> str:
        """Name of the network namespace, of the pods' network and of the cgroup above the pods."""
        return f"kea-cluster{self.number or ''}"

    @property
    def state(self) -> Path:
        """Everything that goes away with the cluster."""
        return Path("/var/lib") / self.name

    @property
    def binaries(self) -> Path:
        return self.cache / "bin"

    @property
    def kwok_stages(self) -> Path:
        """What simulated nodes and pods do, as files of kwok's."""
        return self.cache / "kwok-stages"

    @property
    def debian_layer(self) -> Path:
        return self.cache / "debian-12.tar"

    @property
    def last_logs(self) -> Path:
        """Logs of the cluster that was taken down last: a start that failed is best understood afterwards."""
        return self.cache / "last-log"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        return self.state / "log"

    @property
    def conf(self) -> Path:
        return self.state / "conf"

    @property
    def ready(self) -> Path:
        """Exists once the whole cluster has been proved to work."""
        return self.state / "ready"

    @property
    def socket(self) -> Path:
        return self.state / "containerd.sock"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "admin.kubeconfig"

    @property
    def kubectl_cache(self) -> Path:
        """A cache of its own: kubectl remembers, by address, what an earlier cluster served."""
        return self.state / "kubectl-cache"

    @property
    def host_link(self) -> str:
        return f"kea-host{self.number or ''}"

    @property
    def node_link(self) -> str:
        return f"kea-node{self.number or ''}"

    @property
    def host_ip(self) -> str:
        return f"10.123.{self.number}.1"

    @property
    def node_ip(self) -> str:
        return f"10.123.{self.number}.2"

    @property
    def pod_cidr(self) -> str:
        return f"10.244.{16 * self.number}.0/20"

    @property
    def service_cidr(self) -> str:
        return f"10.96.{16 * self.number}.0/20"

    @property
    def api_service_ip(self) -> str:
        return f"10.96.{16 * self.number}.1"

    @property
    def dns_ip(self) -> str:
        return f"10.96.{16 * self.number}.10"

    @property
    def registry(self) -> str:
        """HOST:PORT of the registry, for pushing from the host and pulling on the node alike.

        Not port 5000: where Debian's registry runs as a service of the machine, it has that port on all addresses.
        """
        return f"{self.host_ip}:5050"

    @property
    def api(self) -> str:
        return f"https://{self.node_ip}:6443"

    def exports(self) -> dict[str, str]:
        """What a program that uses the cluster has in its environment, but for PATH."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.kubectl_cache),
            "KEA_TEST_REGISTRY": self.registry,
        }
