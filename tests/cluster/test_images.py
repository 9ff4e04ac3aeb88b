from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kit import images
from namespaces import Namespace
from workloads import pod

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def test_an_image_of_several_layers_is_pushed_and_pulled_by_its_digest(namespace: Namespace) -> None:
    layers = [
        *images.layers_of(namespace.image),
        images.tar({"srv/first": b"1", "srv/second": b"1"}),
        images.tar({"srv/second": b"2", "srv/.wh.first": b""}),
    ]
    config = {"Env": [images.PATH], "WorkingDir": "/srv", "Cmd": ["sh", "-c", "ls; cat second"]}
    name = f"{namespace.registry}/{namespace.name}/layered"
    digest = images.push(f"{name}:v1", layers, config)
    assert namespace.run(pod(namespace, "layered", None, image=f"{name}@{digest}")) == "second\n2"
    assert namespace.get(".status.containerStatuses[0].imageID", "pod/layered").endswith(f"@{digest}")


@pytest.mark.own_node
def test_an_archive_is_loaded_onto_the_node(namespace: Namespace, kit: Callable[..., str], tmp_path: Path) -> None:
    image = f"{namespace.name}/loaded:1"
    config = {"Env": [images.PATH], "Cmd": ["echo", "loaded"]}
    archive = tmp_path / "image.tar"
    archive.write_bytes(images.archive(image, images.layers_of(namespace.image), config))
    assert kit("load-image", archive).endswith(f"/{image}\n")
    assert namespace.run(pod(namespace, "loaded", None, image=image)) == "loaded\n"


@pytest.mark.own_node
def test_an_archive_named_for_the_registry_gets_there(
    namespace: Namespace, kit: Callable[..., str], tmp_path: Path
) -> None:
    image = f"{namespace.registry}/{namespace.name}/loaded:1"
    layer = images.tar({"file": b"kept"})
    archive = tmp_path / "image.tar"
    archive.write_bytes(images.archive(image, [layer], {}))
    assert kit("load-image", archive) == f"{image}\n"
    assert images.layers_of(image) == [layer]
