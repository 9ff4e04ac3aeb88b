"""Certificates and kubeconfigs of one cluster, made anew at each start."""

from __future__ import annotations

import json

from kit.commands import run, write
from kit.layout import NODE, Layout

DAYS = 365
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
USERS = {
    "admin": "/O=system:masters/CN=admin",
    "kubelet": f"/O=system:nodes/CN=system:node:{NODE}",
    "proxy": "/CN=system:kube-proxy",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
}


def make_pki(layout: Layout) -> None:
    """Makes two authorities, what they sign, a kubeconfig per user, and the key of service accounts' tokens."""
    layout.pki.mkdir(parents=True)
    for name in ("ca", "front-proxy-ca"):
        _authority(layout, name)
    service = "kubernetes.default.svc.cluster.local"
    hosts = [".".join(service.split(".")[:parts]) for parts in (1, 2, 3, 5)]
    addresses = (layout.node_ip, layout.api_service_ip, "127.0.0.1")
    names = ",".join([*(f"IP:{address}" for address in addresses), *(f"DNS:{host}" for host in hosts)])
    _leaf(layout, "apiserver", "/CN=kube-apiserver", extra=f"subjectAltName={names}")
    kubelet_names = f"subjectAltName=IP:{layout.node_ip},DNS:{NODE}"
    _leaf(layout, "kubelet-serving", USERS["kubelet"], extra=kubelet_names)
    _leaf(layout, "apiserver-kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client")
    _leaf(layout, "front-proxy-client", "/CN=front-proxy-client", authority="front-proxy-ca")
    for user, subject in USERS.items():
        _leaf(layout, user, subject)
        _kubeconfig(layout, user)
    run("openssl", "genrsa", "-out", layout.pki / "sa.key", 2048)
    run("openssl", "rsa", "-in", layout.pki / "sa.key", "-pubout", "-out", layout.pki / "sa.pub")


def _authority(layout: Layout, name: str) -> None:
    files = ("-keyout", layout.pki / f"{name}.key", "-out", layout.pki / f"{name}.crt")
    uses = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,digitalSignature")
    extensions = [part for use in uses for part in ("-addext", use)]
    run("openssl", "req", "-x509", *KEY, "-days", DAYS, "-subj", f"/CN={name}", *extensions, *files)


def _leaf(layout: Layout, name: str, subject: str, *, authority: str = "ca", extra: str = "") -> None:
    pki = layout.pki
    uses = "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n"
    extensions = write(pki / f"{name}.ext", f"{uses}{extra}\n")
    request = pki / f"{name}.csr"
    run("openssl", "req", *KEY, "-subj", subject, "-keyout", pki / f"{name}.key", "-out", request)
    signer = ("-CA", pki / f"{authority}.crt", "-CAkey", pki / f"{authority}.key", "-CAcreateserial", "-days", DAYS)
    run("openssl", "x509", "-req", "-in", request, *signer, "-extfile", extensions, "-out", pki / f"{name}.crt")


def _kubeconfig(layout: Layout, user: str) -> None:
    credentials = {
        "client-certificate": str(layout.pki / f"{user}.crt"),
        "client-key": str(layout.pki / f"{user}.key"),
    }
    cluster = {"server": layout.api, "certificate-authority": str(layout.pki / "ca.crt")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "kea",
        "clusters": [{"name": "kea", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "kea", "context": {"cluster": "kea", "user": user}}],
    }
    write(layout.state / f"{user}.kubeconfig", json.dumps(config, indent=1)).chmod(0o600)
