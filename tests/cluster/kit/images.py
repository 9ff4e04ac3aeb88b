"""Container images without a Docker engine.

Layers are tars made here; they go to a registry over its HTTP API, or to containerd as one archive.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from email.message import Message
from typing import Any, NamedTuple

from kit.commands import KitError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
GZIP = b"\x1f\x8b"
REQUEST_SECONDS = 60
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def digest_of(data: bytes) -> str:
    """The name by which registries know these bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(files: Mapping[str, bytes], mode: int = 0o755) -> bytes:
    """One layer with these files; the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _config(layers: Sequence[bytes], config: Mapping[str, Any]) -> bytes:
    whole = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
    }
    return json.dumps(whole).encode()


def archive(image: str, layers: Sequence[bytes], config: Mapping[str, Any]) -> bytes:
    """An image in the form that `ctr images import` and `cluster.py load-image` read."""
    names = [f"{number}.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [image], "Layers": names}]).encode()
    described = {"config.json": _config(layers, config), "manifest.json": manifest}
    return tar({**described, **dict(zip(names, layers, strict=True))})


def push(image: str, layers: Sequence[bytes], config: Mapping[str, Any]) -> str:
    """Pushes HOST:PORT/NAME:TAG to its registry, over plain HTTP.

    Returns the manifest's digest: HOST:PORT/NAME@DIGEST pulls exactly this.

    Raises:
        KitError: the registry refused something, or was not reached.
    """
    host, name, tag = _parts(image)
    blobs = [(CONFIG, _config(layers, config)), *((LAYER, layer) for layer in layers)]
    for _, blob in blobs:
        _push_blob(host, name, blob)
    described = [{"mediaType": kind, "digest": digest_of(blob), "size": len(blob)} for kind, blob in blobs]
    whole = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1:]}
    manifest = json.dumps(whole).encode()
    _ask(host, "PUT", f"/v2/{name}/manifests/{tag}", manifest, kind=MANIFEST)
    return digest_of(manifest)


def layers_of(image: str) -> list[bytes]:
    """The layers of HOST:PORT/NAME:TAG, the lowest first, as tars.

    Raises:
        KitError: the registry refused something, or was not reached, or has an index of several images there.
    """
    host, name, tag = _parts(image)
    manifest = json.loads(_ask(host, "GET", f"/v2/{name}/manifests/{tag}", accept=f"{MANIFEST}, {DOCKER}").body)
    if "layers" not in manifest:
        problem = f"{image} is not one image: {manifest.get('mediaType')}"
        raise KitError(problem)
    layers = [_ask(host, "GET", f"/v2/{name}/blobs/{layer['digest']}").body for layer in manifest["layers"]]
    return [gzip.decompress(layer) if layer.startswith(GZIP) else layer for layer in layers]


def _parts(image: str) -> tuple[str, str, str]:
    host, _, rest = image.partition("/")
    name, _, tag = rest.rpartition(":")
    return host, name, tag


def _push_blob(host: str, name: str, blob: bytes) -> None:
    digest = digest_of(blob)
    if _ask(host, "HEAD", f"/v2/{name}/blobs/{digest}", expect=(200, 404)).status == http.HTTPStatus.OK:
        return
    location = _ask(host, "POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
    path = location.removeprefix(f"http://{host}")
    _ask(host, "PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}", blob, kind="application/octet-stream")


class _Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


def _ask(
    host: str,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    kind: str = "",
    accept: str = "*/*",
    expect: Sequence[int] = (200, 201, 202),
) -> _Answer:
    headers = {"Accept": accept} | ({"Content-Type": kind} if kind else {})
    connection = http.client.HTTPConnection(host, timeout=REQUEST_SECONDS)
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        answer = _Answer(response.status, response.headers, response.read())
    except (OSError, http.client.HTTPException) as error:
        problem = f"{method} http://{host}{path}: {error}"
        raise KitError(problem) from error
    finally:
        connection.close()
    if answer.status not in expect:
        problem = f"{method} http://{host}{path}: {answer.status} {answer.body.decode(errors='replace')}"
        raise KitError(problem)
    return answer
