from __future__ import annotations

import pytest
from kit.commands import KitError
from namespaces import Namespace
from workloads import pod

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

LOOK = """
id -u
grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status
touch /file 2>&1
touch /tmp/file && echo wrote /tmp
"""


@pytest.fixture
def restricted(namespace: Namespace) -> Namespace:
    """A namespace that takes only pods of Kubernetes' strictest standard."""
    namespace("label", "namespace", namespace.name, "pod-security.kubernetes.io/enforce=restricted")
    return namespace


def test_a_restricted_pod_runs_without_privileges(restricted: Namespace) -> None:
    container = {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]
    whole = pod(restricted, "restricted", ["sh", "-c", LOOK], securityContext=container, volumeMounts=mounts)
    whole["spec"] |= {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}],
    }
    uid, *status, refused, wrote = restricted.run(whole).splitlines()
    assert uid == "1000"
    assert dict(line.split(":\t") for line in status) == {
        "CapEff": "0000000000000000",
        "NoNewPrivs": "1",
        "Seccomp": "2",  # a filter
    }
    assert refused.endswith("Read-only file system")
    assert wrote == "wrote /tmp"


def test_a_pod_that_asks_for_more_is_refused(restricted: Namespace) -> None:
    with pytest.raises(KitError, match="violates PodSecurity"):
        restricted.apply(pod(restricted, "loose", ["true"]))
