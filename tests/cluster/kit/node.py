"""The kubelet and kube-proxy, and what they change on the machine beside their own folders."""

from __future__ import annotations

import json
from pathlib import Path

from kit.cgroups import make_cgroups
from kit.commands import write
from kit.kubectl import Kubectl
from kit.layout import NODE, Layout
from kit.processes import Processes

KERNEL = (  # the kubelet sets these
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def start_node(layout: Layout, processes: Processes) -> None:
    """Starts both; `await_node` waits for them."""
    write(layout.conf / "resolv.conf", "nameserver 127.0.0.1\n")
    kubelet = write(layout.conf / "kubelet.json", json.dumps(_kubelet_config(layout)))
    proxy = write(layout.conf / "proxy.json", json.dumps(_proxy_config(layout)))
    processes.start(
        "kubelet",
        layout.binaries / "kubelet",
        f"--config={kubelet}",
        f"--kubeconfig={layout.state}/kubelet.kubeconfig",
        f"--root-dir={layout.state}/kubelet",
        f"--hostname-override={NODE}",
        f"--node-ip={layout.node_ip}",
    )
    processes.start("proxy", layout.binaries / "kube-proxy", f"--config={proxy}")


def await_node(layout: Layout, processes: Processes) -> None:
    """Waits until pods can run."""
    kubectl = Kubectl.of(layout)
    path = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    processes.wait_for(
        lambda: kubectl("get", "node", NODE, "-o", path, check=False, timeout=20) == "True",
        "the node is ready",
        90,
        by="kubelet",
    )


def _kubelet_config(layout: Layout) -> dict[str, object]:
    return {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "containerRuntimeEndpoint": f"unix://{layout.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": make_cgroups(layout),
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [layout.dns_ip],
        "clusterDomain": "cluster.local",
        "resolvConf": str(layout.conf / "resolv.conf"),
        # Else images that were imported by hand are refused.
        "imagePullCredentialsVerificationPolicy": "NeverVerify",
        "authentication": {
            "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
            "webhook": {"enabled": True},
            "anonymous": {"enabled": False},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(layout.pki / "kubelet-serving.crt"),
        "tlsPrivateKeyFile": str(layout.pki / "kubelet-serving.key"),
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "maxPods": 200,
        "podLogsDir": str(layout.state / "pod-logs"),
        "volumePluginDir": str(layout.state / "volume-plugins"),
        "shutdownGracePeriod": "0s",
        "syncFrequency": "10s",
    }


def _proxy_config(layout: Layout) -> dict[str, object]:
    return {
        "kind": "KubeProxyConfiguration",
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "mode": "iptables",
        "clusterCIDR": layout.pod_cidr,
        "hostnameOverride": NODE,
        "clientConnection": {"kubeconfig": str(layout.state / "proxy.kubeconfig")},
        "iptables": {"minSyncPeriod": "100ms"},
        # The host's tables are left as they are.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def keep_kernel_settings(layout: Layout) -> None:
    """Notes what the kubelet will change."""
    values = {name: Path("/proc/sys", name).read_text() for name in KERNEL}
    write(layout.state / "sysctl.json", json.dumps(values))


def restore_kernel_settings(layout: Layout) -> None:
    """Puts back what was noted."""
    path = layout.state / "sysctl.json"
    if path.exists():
        for name, value in json.loads(path.read_text()).items():
            Path("/proc/sys", name).write_text(value)


def remove_strays(layout: Layout) -> None:
    """Removes what the kubelet and the CNI library write outside the cluster's folder, whatever they are told."""
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(layout.state):
            link.unlink()
    prefix, suffix = f"{layout.name}-", "-eth0"
    for result in Path("/var/lib/cni/results").glob(f"{prefix}*{suffix}"):
        pod = result.name.removeprefix(prefix).removesuffix(suffix)
        result.unlink()
        result.with_name(f"cni-loopback-{pod}-lo").unlink(missing_ok=True)
