"""Packages for models' images on a cluster from which nothing outside is reached: an index in a pod.

The wheels are made anew of what is installed beside the tests, so nothing is downloaded for it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import httpx
from kit import images
from namespaces import Namespace, Object
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOTS = (
    *("grpcio", "httptools", "jsonschema-rs", "orjson", "uvloop"),  # the model server's own
    *("numpy", "scikit-learn", "joblib"),
)
PORT = 8080
DIRECTORY = "srv"
LOCAL = frozenset({"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json"})
"""Files of `.dist-info` that tell of one installation."""


def serve_packages(namespace: Namespace) -> str:
    """Starts an index in a namespace; returns its address for `UV_DEFAULT_INDEX`."""
    found = sorted(_closure(ROOTS), key=lambda one: one.name)
    names = "\n".join(f"{one.name}=={one.version}" for one in found)
    image = f"{namespace.registry}/kea-test/packages:{hashlib.sha256(names.encode()).hexdigest()[:12]}"
    if not _is_there(image):
        layers = [*images.layers_of(namespace.image), images.tar(dict(_pages(found)), mode=0o644)]
        images.push(image, layers, {"Env": [images.PATH]})
    namespace.apply(*_server(image))
    namespace("rollout", "status", "deployment/packages", "--timeout=90s", timeout=120)
    return f"http://packages.{namespace.name}/simple"


def _is_there(image: str) -> bool:
    host, _, rest = image.partition("/")
    name, _, tag = rest.rpartition(":")
    accept = {"accept": images.MANIFEST}
    with httpx.Client(trust_env=False) as client:
        return client.head(f"http://{host}/v2/{name}/manifests/{tag}", headers=accept).is_success


def _closure(names: Iterable[str]) -> set[Distribution]:
    """Returns installed distributions and what they need."""
    wanted, found = list(names), dict[str, Distribution]()
    while wanted:
        name = canonicalize_name(wanted.pop())
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # only with an extra
            continue
        requirements = [Requirement(line) for line in found[name].requires or ()]
        wanted += [one.name for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})]
    return set(found.values())


def _pages(found: Iterable[Distribution]) -> Iterator[tuple[str, bytes]]:
    """Yields the files of a static index: PEP 503, with the metadata beside the wheels (PEP 658)."""
    for one in found:
        name, metadata, whole = _wheel(one)
        place = f"{DIRECTORY}/simple/{canonicalize_name(one.name)}"
        known = f'data-core-metadata="sha256={hashlib.sha256(metadata).hexdigest()}"'
        link = f'<a href="{name}#sha256={hashlib.sha256(whole).hexdigest()}" {known}>{name}</a>'
        yield f"{place}/index.html", f"<!DOCTYPE html><html><body>{link}</body></html>".encode()
        yield f"{place}/{name}", whole
        yield f"{place}/{name}.metadata", metadata


def _wheel(found: Distribution) -> tuple[str, bytes, bytes]:
    """Returns the name, the metadata and the whole of the wheel that a distribution was installed from, or one as good.

    What an installation makes anew, scripts and bytecode, is left out.
    """
    contents: dict[str, bytes] = {}
    for file in found.files or ():
        if ".." in file.parts or file.suffix == ".pyc" or (file.parent.suffix == ".dist-info" and file.name in LOCAL):
            continue
        contents[file.as_posix()] = file.read_binary()
    folder = next(name.partition("/")[0] for name in contents if name.endswith(".dist-info/METADATA"))
    records = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in contents.items()]
    record = f"{folder}/RECORD"
    contents[record] = "\n".join([*records, f"{record},,", ""]).encode()
    described = contents[f"{folder}/WHEEL"].decode().splitlines()
    tags = [line.removeprefix("Tag: ").split("-") for line in described if line.startswith("Tag: ")]
    tag = "-".join(".".join(sorted(set(part))) for part in zip(*tags, strict=True))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for name, data in contents.items():
            made.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 1)
    return f"{folder.removesuffix('.dist-info')}-{tag}.whl", contents[f"{folder}/METADATA"], out.getvalue()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _server(image: str) -> list[Object]:
    labels = {"app": "packages"}
    container = {
        "name": "main",
        "image": image,
        "command": ["python3", "-m", "http.server", "--directory", f"/{DIRECTORY}", str(PORT)],
        "readinessProbe": {"httpGet": {"path": "/simple/numpy/", "port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m"}},
    }
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    spec = {"selector": {"matchLabels": labels}, "template": pod}
    service = {"selector": labels, "ports": [{"port": 80, "targetPort": PORT}]}
    metadata = {"name": "packages"}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    ]
