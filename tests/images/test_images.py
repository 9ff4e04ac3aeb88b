"""KEA's own images, as `make images` builds and pushes them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kea_oci.blob_store import BlobStore
from kea_oci.documents import Manifest
from kea_oci.image import Run, compose
from kea_oci.layer import Entry, write_layer
from kea_oci.platform import LINUX_AMD64
from kea_oci.reference import ImageReference
from kea_oci.registry import Registry
from kea_oci.transfer import push

pytestmark = [pytest.mark.registry, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
SERVICES = ("auth", "registry", "deployer", "router", "gateway")
SECONDS = 600


@dataclass(frozen=True, slots=True)
class Built:
    """Images in a registry, and their layers in a cache."""

    registry: str
    base: ImageReference
    cache: Path
    values: Mapping[str, Any]
    told: str

    def manifest(self, digest: str) -> Manifest:
        return Manifest.decode(BlobStore(self.cache).read(digest))

    def config(self, digest: str) -> Mapping[str, Any]:
        return json.loads(BlobStore(self.cache).read(self.manifest(digest).config.digest))["config"]

    def unpack(self, name: str, directory: Path) -> None:
        """Lays an image's own layers out, one over the other."""
        for layer in self.manifest(self.values["images"][name]["digest"]).layers[1:]:
            with tarfile.open(BlobStore(self.cache).path(layer.digest)) as tar:
                tar.extraction_filter = lambda member, _path: member  # as an argument it came with Python 3.11.4
                tar.extractall(directory)  # noqa: S202 - our own


async def push_base(registry: str, directory: Path) -> ImageReference:
    """Pushes an image of nearly nothing; what stands on it is not run here."""
    store = BlobStore(directory)
    layer = write_layer(store, [Entry("etc/hostname", b"base\n")], compress=True)
    image = compose(store, LINUX_AMD64, [layer], Run(environment={"PATH": "/usr/bin:/bin"}), {})
    client = Registry(registry, plain_http=True)
    try:
        return await push([image], store, client, ImageReference.parse(f"{registry}/debian:12"))
    finally:
        await client.close()


def build(registry: str, base: ImageReference, cache: Path, values: Path, *names: str) -> str:
    """Runs the tool; returns what it told."""
    command = [
        *(sys.executable, str(ROOT / "tools" / "images"), "--registry", registry, "--plain-http"),
        *("--base", str(base), "--cache", str(cache), "--values", str(values), *names),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Built:
    directory = tmp_path_factory.mktemp("images")
    base = asyncio.run(push_base(registry, directory / "base"))
    told = build(registry, base, directory / "cache", directory / "values.yaml")
    values = yaml.safe_load((directory / "values.yaml").read_text())
    return Built(registry, base, directory / "cache", values, told)


def test_the_chart_is_told_where_all_images_are(built: Built) -> None:
    assert built.values["imageRegistry"] == built.registry
    assert built.values["images"].keys() == {*SERVICES, "postgres"}
    for name, image in built.values["images"].items():
        assert image["repository"] == f"kea/{name}"
        assert f"{built.registry}/kea/{name}:{image['tag']}@{image['digest']}" in built.told
    images = built.values["deployer"]["images"]
    assert images["base"].startswith(f"{built.registry}/kea/python:3.11@sha256:")
    assert images["repository"] == f"{built.registry}/kea/models"
    assert images["plainHttp"] == [built.registry]


def test_the_same_tree_gives_the_same_images_and_nothing_is_sent_again(built: Built, tmp_path: Path) -> None:
    again = build(built.registry, built.base, built.cache, tmp_path / "values.yaml")
    assert yaml.safe_load((tmp_path / "values.yaml").read_text()) == built.values
    assert again.count("  0.0 MiB sent") == len(SERVICES) + 2


def test_another_cache_gives_the_same_images(built: Built, tmp_path: Path) -> None:
    build(built.registry, built.base, tmp_path / "cache", tmp_path / "values.yaml", "router", "postgres")
    made = yaml.safe_load((tmp_path / "values.yaml").read_text())["images"]
    assert made == {name: built.values["images"][name] for name in ("router", "postgres")}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_with_what_is_in_its_image(built: Built, name: str, tmp_path: Path) -> None:
    built.unpack(name, tmp_path)
    config = built.config(built.values["images"][name]["digest"])
    program, *arguments = config["Entrypoint"]
    assert (program, config["User"]) == ("python3", "65532:65532")
    environment = dict(line.split("=", 1) for line in config["Env"])
    environment["PYTHONPATH"] = environment["PYTHONPATH"].replace("/kea/", f"{tmp_path}/kea/")
    # Without `site`, the interpreter that runs this test has no packages of its own.
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-S", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert f"KEA_{name.upper()}_" in done.stderr
    assert "must be set" in done.stderr
    assert not list(tmp_path.rglob("bin/alembic"))


def test_no_image_names_a_path_of_the_machine_that_built_it(built: Built, tmp_path: Path) -> None:
    built.unpack("gateway", tmp_path)
    known = [str(Path(sys.prefix)).encode(), str(ROOT).encode(), str(built.cache).encode()]
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.stat().st_size < 1_000_000:
            content = path.read_bytes()
            assert not any(name in content for name in known), path


def test_what_services_share_is_one_layer(built: Built) -> None:
    second = {built.manifest(built.values["images"][name]["digest"]).layers[1].digest for name in SERVICES}
    assert len(second) == 1


def test_models_stand_on_the_base_itself_which_says_what_python_it_has(built: Built) -> None:
    digest = built.values["deployer"]["images"]["base"].partition("@")[2]
    assert built.config(digest)["Labels"] == {"dev.kea.python": "3.11"}
    assert len(built.manifest(digest).layers) == 1


def test_a_database_has_its_programs_and_a_name(built: Built, tmp_path: Path) -> None:
    built.unpack("postgres", tmp_path)
    for program in ("postgres", "initdb", "pg_isready"):
        assert (tmp_path / "kea" / "postgres" / "bin" / program).is_file()
    assert ":65532:" in (tmp_path / "etc" / "passwd").read_text()
    assert built.config(built.values["images"]["postgres"]["digest"])["StopSignal"] == "SIGINT"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing",), "there is no image nothing; there are auth, registry"),
        (("--platform", "linux/riscv64"), "expected linux/amd64 or linux/arm64"),
        (("--base", "{registry}/debian:13"), "there is no image {registry}/debian:13"),
        (("--credentials", "/nowhere"), "/nowhere cannot be read"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(built: Built, arguments: tuple[str, ...], told: str, tmp_path: Path) -> None:
    given = [argument.format(registry=built.registry) for argument in arguments]
    command = [
        *(sys.executable, str(ROOT / "tools" / "images"), "--registry", built.registry, "--plain-http"),
        *("--base", str(built.base), "--cache", str(built.cache), "--values", str(tmp_path / "values.yaml"), *given),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    assert done.returncode == 1
    assert done.stderr.startswith("images: ")
    assert told.format(registry=built.registry) in done.stderr
    assert done.stderr.count("\n") == 1
