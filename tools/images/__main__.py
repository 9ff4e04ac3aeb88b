"""Builds KEA's own images without a daemon, and pushes them to a registry. `make images` runs it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from assembly import Assembly
from kea_core.errors import KeaError
from kea_core.lifeline import open_lifeline
from kea_core.settings import SettingsError
from kea_deployer.builds.layer_cache import LayerCache
from kea_deployer.builds.registries import Registries
from kea_deployer.provision.uv import Uv, UvError
from kea_oci.blob_store import BlobStore
from kea_oci.credentials import read_credentials
from kea_oci.platform import Platform
from kea_oci.reference import ImageReference
from kea_oci.transfer import pull
from layers import Layers
from members import ROOT, read_members
from publication import Publication, values_of, write_values
from recipes import NAMES
from target import MACHINES, ServiceTarget

BASE = "python:3.11-slim-bookworm"
MIB = 1024**2
CACHE_BYTES = 4 * 1024**3
"""Layers that were not used for longest are forgotten beyond that."""


def main() -> int:
    """Runs the command; returns the exit code."""
    given = _arguments().parse_args()
    lifeline, held = open_lifeline()
    try:
        asyncio.run(_build(given, lifeline))
    except (KeaError, SettingsError, UvError) as error:
        sys.stderr.write(f"images: {error}\n")
        return 1
    finally:
        os.close(held)
        os.close(lifeline)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="images", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which; all if none is given: {', '.join(NAMES)}")
    parser.add_argument("--registry", required=True, help="HOST[:PORT][/PATH]; images go below kea/ there")
    parser.add_argument("--base", default=BASE, help=f"image with Debian 12 or later and a Python; {BASE}")
    parser.add_argument("--python", default="3.11", help="version of the base's Python; 3.11")
    parser.add_argument("--platform", default="linux/amd64", help="linux/amd64 or linux/arm64; the first")
    parser.add_argument("--plain-http", action="store_true", help="speak to the registry without TLS")
    parser.add_argument("--credentials", type=Path, help="a Docker config.json with auths for the registries")
    parser.add_argument("--cache", type=Path, default=_cache(), help="where layers are kept")
    parser.add_argument("--values", type=Path, default=ROOT / "build" / "images.yaml", help="values file to write")
    return parser


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "kea-images"


async def _build(given: argparse.Namespace, lifeline: int) -> None:
    names = given.names or NAMES
    if unknown := sorted(set(names) - set(NAMES)):
        problem = f"there is no image {unknown[0]}; there are {', '.join(NAMES)}"
        raise SettingsError(problem)
    platform = Platform.parse(given.platform)
    if platform.os != "linux" or platform.architecture not in MACHINES:
        problem = f"platform is {platform}; expected linux/amd64 or linux/arm64"
        raise SettingsError(problem)
    target, base_reference = ServiceTarget(platform, given.python), ImageReference.parse(given.base)
    host = ImageReference.parse(f"{given.registry}/kea").registry
    plain_http = [host] if given.plain_http else []
    store = BlobStore(given.cache)
    cache = LayerCache(store, given.cache / "layers")
    registries = Registries(read_credentials(given.credentials) if given.credentials else {}, plain_http)
    try:
        base = await pull(registries[base_reference.registry], base_reference, platform, store)
        uv = Uv(lifeline, os.environ)
        layers = Layers(uv, cache, given.cache, target, ROOT / "requirements.lock", _note)
        assembly = Assembly(layers, base, target, read_members())
        publication = Publication(registries, store, given.registry, base_reference)
        published = []
        for name in names:
            began = time.monotonic()
            one = await publication.publish(await assembly.make(name))
            published.append(one)
            seconds = time.monotonic() - began
            print(f"{one.reference}  {one.bytes_sent / MIB:.1f} MiB sent, {seconds:.1f} s", flush=True)
        write_values(given.values, values_of(published, given.registry, plain_http))
        print(f"values for the chart: {given.values}")
        await cache.tidy(CACHE_BYTES)
    finally:
        await registries.close()


def _note(line: str) -> None:
    if line:
        print(f"  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
