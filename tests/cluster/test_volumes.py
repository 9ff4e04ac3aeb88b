from __future__ import annotations

from pathlib import Path

import pytest
from namespaces import Namespace
from workloads import pod

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def test_containers_of_a_pod_share_an_empty_directory(namespace: Namespace) -> None:
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    whole = pod(namespace, "reader", ["cat", "/shared/file"], volumeMounts=mounts)
    first = {
        "name": "writer",
        "image": namespace.image,
        "command": ["sh", "-c", "echo kept > /shared/file"],
        "volumeMounts": mounts,
    }
    whole["spec"] |= {"initContainers": [first], "volumes": [{"name": "shared", "emptyDir": {}}]}
    assert namespace.run(whole) == "kept\n"


@pytest.mark.own_node
def test_a_folder_of_the_host_is_mounted(namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from the host")
    mounts = [{"name": "host", "mountPath": "/host"}]
    whole = pod(namespace, "copier", ["cp", "/host/given", "/host/taken"], volumeMounts=mounts)
    whole["spec"]["volumes"] = [{"name": "host", "hostPath": {"path": str(tmp_path)}}]
    namespace.run(whole)
    assert (tmp_path / "taken").read_text() == "from the host"
