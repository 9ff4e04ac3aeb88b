"""etcd, the API server, the controllers and the scheduler."""

from __future__ import annotations

import json

from kit.kubectl import Kubectl
from kit.layout import Layout
from kit.processes import Processes

ETCD = "http://127.0.0.1:2379"
ISSUER = "https://kubernetes.default.svc.cluster.local"
AUTHENTICATION_KEYS = {"client-ca-file", "requestheader-client-ca-file"}


def start_api(layout: Layout, processes: Processes) -> None:
    """Starts etcd and the API server; `await_api` waits for it."""
    processes.start(
        "etcd",
        layout.binaries / "server",
        f"--data-dir={layout.state}/etcd",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",  # nothing here outlives the machine
    )
    pki = layout.pki
    processes.start(
        "apiserver",
        layout.binaries / "kube-apiserver",
        f"--etcd-servers={ETCD}",
        f"--advertise-address={layout.node_ip}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={layout.service_cidr}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        f"--service-account-issuer={ISSUER}",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
    )


def await_api(layout: Layout, processes: Processes) -> None:
    """Waits until the API server is ready, and has told how it authenticates.

    Being ready does not include the latter: the ConfigMap is written by a loop that is only started by then. A
    controller manager that does not find it exits at once, and with it go all service accounts.
    """
    kubectl = Kubectl.of(layout)
    processes.wait_for(
        lambda: kubectl("get", "--raw", "/readyz", check=False, timeout=20) == "ok",
        "the API server is ready",
        120,
        by="apiserver",
    )
    processes.wait_for(
        lambda: _authentication(kubectl) >= AUTHENTICATION_KEYS,
        "the API server has written how it authenticates (kube-system/extension-apiserver-authentication)",
        60,
        by="apiserver",
    )


def _authentication(kubectl: Kubectl) -> set[str]:
    command = ("-n", "kube-system", "get", "configmap", "extension-apiserver-authentication", "--ignore-not-found")
    found = kubectl(*command, "-o", "json", check=False, timeout=20)
    return set(json.loads(found)["data"]) if found else set()


def start_controllers(layout: Layout, processes: Processes) -> None:
    """Starts the controller manager and the scheduler.

    They may ask more per second than by default, 20 and 50, as on clusters that have thousands of pods.
    """
    pace = ("--kube-api-qps=200", "--kube-api-burst=400")
    processes.start(
        "controller-manager",
        layout.binaries / "kube-controller-manager",
        *_own_kubeconfig(layout, "controller-manager"),
        f"--root-ca-file={layout.pki}/ca.crt",
        f"--service-account-private-key-file={layout.pki}/sa.key",
        "--use-service-account-credentials",
        f"--cluster-signing-cert-file={layout.pki}/ca.crt",
        f"--cluster-signing-key-file={layout.pki}/ca.key",
        # Tests wait for an autoscaler: it looks often, and believes what it sees early.
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
        *pace,
        "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
    )
    processes.start("scheduler", layout.binaries / "kube-scheduler", *_own_kubeconfig(layout, "scheduler"), *pace)


def _own_kubeconfig(layout: Layout, name: str) -> list[str]:
    kinds = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return [*(f"--{kind}={layout.state}/{name}.kubeconfig" for kind in kinds), "--leader-elect=false"]


def await_service_accounts(layout: Layout, processes: Processes) -> None:
    """Waits until pods can be made: admission refuses them where their service account is missing."""
    kubectl = Kubectl.of(layout)
    for namespace in ("kube-system", "default"):
        command = ("-n", namespace, "get", "serviceaccount", "default", "--ignore-not-found", "-o", "name")
        processes.wait_for(
            lambda command=command: kubectl(*command, check=False, timeout=20).strip() != "",
            f"the controllers make service accounts in {namespace}",
            90,
            by="controller-manager",
        )
