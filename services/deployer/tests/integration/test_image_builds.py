"""Models' images, with the real uv, in the registry that everybody runs: distribution, from Debian."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import os
import re
import sys
import tarfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from kea_core.settings import Secret
from kea_deployer.builds.errors import BaseImageUnsuitable
from kea_deployer.builds.image_builder import BuiltImage, ImageBuilder
from kea_deployer.builds.layer_cache import LayerCache
from kea_deployer.builds.registries import Registries
from kea_deployer.builds.target import Target
from kea_deployer.domain.deployment import ModelVersion
from kea_deployer.provision.recipe import Recipe, read_recipe
from kea_deployer.provision.uv import Uv, UvError
from kea_oci.blob_store import BlobStore
from kea_oci.credentials import Credentials
from kea_oci.documents import INDEX, Index
from kea_oci.errors import ImageNotFound, RegistryDenied
from kea_oci.image import Image, Run, compose
from kea_oci.layer import Entry, write_layer
from kea_oci.layout import write_index
from kea_oci.platform import LINUX_AMD64, Platform
from kea_oci.reference import ImageReference
from kea_oci.transfer import pull, push

pytestmark = [pytest.mark.registry, pytest.mark.timeout(300)]

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
ANOTHER = f"{sys.version_info.major}.{sys.version_info.minor + 1}"
ARM = Platform("linux", "arm64")
KEA = Credentials("kea", Secret("secret"))
KIT = Path(__file__).parents[4] / "libs" / "kea-oci" / "tests" / "conftest.py"
SMALL = Recipe(
    layer_requirements=("click==8.1.7",),
    install_arguments=(),
    base_requirements=(),
    framework_requirements={"python": ()},
    skops_requirements=(),
    table_requirements=(),
    digest="small",
)
"""Of a runtime that cannot serve, for what is not about serving; on whatever platform and Python."""


def serve(directory: Path, auth: str = "") -> AbstractAsyncContextManager[str]:
    """Runs a registry, as the tests of kea-oci do; test folders are not packages, so they cannot be imported."""
    found = importlib.util.spec_from_file_location("kea_oci_kit", KIT)
    assert found is not None
    assert found.loader is not None
    kit: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(kit)
    return kit.serve_registry(directory, auth)


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncGenerator[str]:
    """A registry that lets everybody in."""
    async with serve(tmp_path / "registry") as address:
        yield address


@pytest.fixture
async def closed_registry(tmp_path: Path) -> AsyncGenerator[str]:
    """A registry that wants a name and a password."""
    path = tmp_path / "closed" / "htpasswd"
    async with serve(path.parent, f"auth: {{htpasswd: {{realm: kea, path: {path}}}}}\n") as address:
        yield address


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the layers of the real runtime are kept: they take their time."""
    return tmp_path_factory.mktemp("cache")


@dataclass(frozen=True, slots=True)
class Ground:
    """A registry with a base, and a machine that builds."""

    lifeline: int
    registry: str
    directory: Path
    """Of what the machine may forget."""
    base: ImageReference

    @asynccontextmanager
    async def builder(
        self,
        *,
        recipe: Recipe = SMALL,
        cache: Path | None = None,
        targets: Sequence[str] = ("linux/amd64",),
        python: str = HERE,
        base: ImageReference | None = None,
        to: str = "",
        credentials: Credentials | None = None,
    ) -> AsyncGenerator[ImageBuilder]:
        """Gives a builder of one more machine."""
        directory = self.directory / f"machine {len(list(self.directory.iterdir()))}"
        (directory / "scratch").mkdir(parents=True)
        cache = cache or directory
        target = to or self.registry
        registries = Registries({target: credentials} if credentials else {}, {self.registry, target})
        try:
            yield ImageBuilder(
                Uv(self.lifeline, os.environ),
                recipe,
                LayerCache(BlobStore(cache), cache / "layers"),
                registries,
                scratch=directory / "scratch",
                base=base or self.base,
                repository=f"{target}/models",
                targets=tuple(Target.parse(platform, python) for platform in targets),
            )
            assert not list((directory / "scratch").iterdir())
        finally:
            await registries.close()

    async def pulled(self, reference: ImageReference, platform: Platform = LINUX_AMD64) -> tuple[Image, BlobStore]:
        """Returns an image, and a store that has all of it."""
        store = BlobStore(self.directory / "pulled")
        registries = Registries({}, {self.registry})
        try:
            registry = registries[self.registry]
            image = await pull(registry, reference, platform, store)
            for layer in image.manifest.layers:
                await registry.pull_blob(reference.repository, layer, store)
        finally:
            await registries.close()
        return image, store

    async def unpacked(self, reference: ImageReference, directory: Path) -> Image:
        """Lays an image's layers out in a directory, one over the other."""
        image, store = await self.pulled(reference)
        for layer in image.manifest.layers:
            with tarfile.open(store.path(layer.digest)) as tar:
                tar.extraction_filter = lambda member, _path: member  # as an argument it came with Python 3.11.4
                tar.extractall(directory)  # noqa: S202 - our own
        return image

    async def told(self, path: str) -> Any:
        """Asks the registry itself."""
        async with httpx.AsyncClient(base_url=f"http://{self.registry}/v2/", trust_env=False) as client:
            return (await client.get(path, headers={"accept": INDEX})).json()


async def push_base(registry: str, directory: Path, name: str, **run: Any) -> ImageReference:
    """Pushes an image of nearly nothing, for two platforms; what stands on it runs on this machine's Python."""
    store = BlobStore(directory)
    layer = write_layer(store, [Entry("etc/hostname", name.encode())], compress=True)
    images = [compose(store, platform, [layer], Run(**run), {}) for platform in (LINUX_AMD64, ARM)]
    reference = ImageReference.parse(f"{registry}/{name}:12")
    registries = Registries({}, {registry})
    try:
        await push(images, store, registries[registry], reference, index=write_index(store, images))
    finally:
        await registries.close()
    return reference


@pytest.fixture
async def ground(registry: str, lifeline: Any, tmp_path: Path) -> Ground:
    base = await push_base(registry, tmp_path / "base", "python", labels={"dev.kea.python": HERE})
    (tmp_path / "machines").mkdir()
    return Ground(lifeline.fd, registry, tmp_path / "machines", base)


SEES = """
import importlib.util
import sys

import click


class Model:
    def see(self) -> dict:
        names = ("pytest", "kea_deployer", "grpc", "httptools", "orjson")
        return {
            "path": sys.path,
            "click": click.__version__,
            "found": [name for name in names if importlib.util.find_spec(name)],
            "compiled": click.__cached__,
        }
"""


def signature(name: str, inputs: list[Any], outputs: list[Any]) -> dict[str, Any]:
    return {"default_method": name, "methods": [{"name": name, "inputs": inputs, "outputs": outputs}]}


def tensor(name: str, datatype: str, *shape: int) -> dict[str, Any]:
    return {"name": name, "tensor": {"datatype": datatype, "shape": list(shape)}}


SEEN = signature("see", [], [{"name": "seen", "json_schema": {"type": "object"}}])


def python_model(directory: Path, **changes: Any) -> tuple[ModelVersion, Path]:
    """Makes a version of a model that tells what it sees."""
    directory.mkdir(exist_ok=True)
    (directory / "model.py").write_text(SEES)
    values: dict[str, Any] = {
        "name": "projects/shop/models/eyes/versions/7",
        "framework": "python",
        "entrypoint": "model.py:Model",
        "signature": SEEN,
        "requirements": ("click==7.1.2",),
        "sha256": hashlib.sha256(SEES.encode()).hexdigest(),
    }
    return ModelVersion(**values | changes), directory


async def build(builder: ImageBuilder, model: ModelVersion, artifact: Path) -> BuiltImage:
    return await builder.build(model, artifact, note=lambda _: None, step=lambda _: None)


@asynccontextmanager
async def served(root: Path, image: Image, sockets: Path, helpers: Any) -> AsyncGenerator[httpx.AsyncClient]:
    """Runs what an unpacked image's configuration says, from where it lies on this machine."""
    program, *arguments = image.config["config"]["Entrypoint"]
    assert program == f"python{HERE}"
    file, ready = root / "kea" / "spec.json", root / "ready"
    spec = json.loads(file.read_text())
    spec["directory"] = f"{root}{spec['directory']}"
    spec |= {"http": f"unix:{sockets}/h", "grpc": f"unix:{sockets}/g", "ready_file": str(ready)}
    file.write_text(json.dumps(spec))
    moved = [f"{root}{argument}" if argument.startswith("/kea/") else argument for argument in arguments]
    process = await asyncio.create_subprocess_exec(sys.executable, *moved)
    try:
        await helpers.eventually(lambda: ready.exists() or process.returncode is not None, 60)
        assert json.loads(ready.read_text()) == {"state": "READY"}
        transport = httpx.AsyncHTTPTransport(uds=f"{sockets}/h")
        async with httpx.AsyncClient(transport=transport, base_url="http://model", timeout=60) as client:
            yield client
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_an_image_is_the_same_wherever_it_is_built_and_is_sent_once(
    ground: Ground, shared_cache: Path, tmp_path: Path
) -> None:
    model, artifact = python_model(tmp_path / "artifact")
    recipe = await read_recipe()
    async with ground.builder(recipe=recipe, cache=shared_cache) as builder:
        first = await build(builder, model, artifact)
        again = await build(builder, model, artifact)
        changed = await build(builder, replace(model, name="projects/shop/models/eyes/versions/8"), artifact)
    assert first.bytes_pushed > 1_000_000
    assert (again.reference, again.locks, again.bytes_pushed) == (first.reference, first.locks, 0)
    assert changed.reference.digest != first.reference.digest
    assert 0 < changed.bytes_pushed < 100_000  # the model's own layer, and what describes the image
    async with ground.builder(recipe=recipe) as builder:
        elsewhere = await build(builder, *python_model(tmp_path / "elsewhere"))
    assert (elsewhere.reference, elsewhere.locks, elsewhere.bytes_pushed) == (first.reference, first.locks, 0)


async def test_a_model_in_an_image_sees_what_is_in_the_image_only(
    ground: Ground, shared_cache: Path, tmp_path: Path, socket_directory: Path, helpers: Any
) -> None:
    model, artifact = python_model(tmp_path / "artifact")
    async with ground.builder(recipe=await read_recipe(), cache=shared_cache) as builder:
        built = await build(builder, model, artifact)
    root = tmp_path / "root"
    image = await ground.unpacked(built.reference, root)
    assert str(built.reference).startswith(f"{ground.registry}/models/shop/eyes:7@sha256:")
    assert built.locks == {f"linux/amd64, Python {HERE}": (root / "kea" / "requirements.lock").read_text()}
    assert (root / "etc" / "hostname").read_text() == "python"
    labels = {"dev.kea.model-version": model.name, "dev.kea.python": HERE}
    assert (image.config["config"]["User"], image.config["config"]["Labels"]) == ("65532:65532", labels)
    for path in (root / "kea").rglob("*"):  # nothing of the machine that built it
        if path.is_file() and path.stat().st_size < 1_000_000:
            content = path.read_bytes()
            assert not any(place.encode() in content for place in (sys.prefix, str(tmp_path), str(shared_cache))), path
    async with served(root, image, socket_directory, helpers) as client:
        seen = (await client.post("/models/eyes/see", json={})).json()["seen"]
    assert (seen["click"], seen["found"]) == ("7.1.2", [])
    assert f"{root}/kea/packages" in seen["path"]
    assert not [entry for entry in seen["path"] if "site-packages" in entry or entry.startswith(f"{root}/kea/runtime")]
    assert seen["compiled"].startswith(f"{root}/kea/packages/click/__pycache__/")


async def test_a_model_of_sklearn_serves_from_its_image(
    ground: Ground, shared_cache: Path, tmp_path: Path, socket_directory: Path, helpers: Any
) -> None:
    import joblib
    import numpy as np
    from sklearn.linear_model import LinearRegression

    artifact = tmp_path / "artifact"
    artifact.mkdir()
    joblib.dump(LinearRegression().fit(np.array([[0.0], [1.0]]), np.array([1.0, 3.0])), artifact / "model.joblib")
    predict = signature("predict", [tensor("x", "FP64", -1, 1)], [tensor("y", "FP64", -1)])
    model = ModelVersion(
        name="projects/shop/models/line/versions/1",
        framework="sklearn",
        entrypoint="model.joblib",
        signature=predict,
        requirements=tuple(f"{name}=={version(name)}" for name in ("scikit-learn", "joblib", "numpy")),
        sha256=hashlib.sha256((artifact / "model.joblib").read_bytes()).hexdigest(),
    )
    async with ground.builder(recipe=await read_recipe(), cache=shared_cache) as builder:
        built = await build(builder, model, artifact)
    root = tmp_path / "root"
    image = await ground.unpacked(built.reference, root)
    async with served(root, image, socket_directory, helpers) as client:
        answer = await client.post("/models/line/predict", json={"x": [[2.0], [3.0]]})
    assert answer.json()["y"] == pytest.approx([5.0, 7.0])


async def test_one_image_for_several_platforms_is_an_index(ground: Ground, tmp_path: Path) -> None:
    model, artifact = python_model(tmp_path / "artifact", requirements=("markupsafe==3.0.2",))
    async with ground.builder(targets=("linux/amd64", "linux/arm64")) as builder:
        built = await build(builder, model, artifact)
        again = await build(builder, model, artifact)
    assert (again.reference, again.bytes_pushed) == (built.reference, 0)
    assert built.locks.keys() == {f"linux/amd64, Python {HERE}", f"linux/arm64, Python {HERE}"}
    index = await ground.told(f"models/shop/eyes/manifests/{built.reference.digest}")
    assert [entry.platform for entry in Index.decode(json.dumps(index).encode()).manifests] == [LINUX_AMD64, ARM]
    for platform, machine in ((LINUX_AMD64, "x86_64"), (ARM, "aarch64")):
        image, store = await ground.pulled(built.reference, platform)
        assert image.platform == platform
        with tarfile.open(store.path(image.manifest.layers[1].digest)) as tar:
            (compiled,) = (name for name in tar.getnames() if name.endswith(".so"))
        assert machine in compiled


@pytest.mark.parametrize(
    "run",
    [
        {"labels": {"dev.kea.python": ANOTHER}},
        {"environment": {"PYTHON_VERSION": f"{ANOTHER}.4"}},
        {"labels": {"dev.kea.python": ANOTHER}, "environment": {"PYTHON_VERSION": f"{HERE}.1"}},
    ],
)
async def test_a_base_with_another_python_is_refused(ground: Ground, tmp_path: Path, run: dict[str, Any]) -> None:
    base = await push_base(ground.registry, tmp_path / "other", "other", **run)
    told = f"{base}: it has Python {ANOTHER}, and images are made for {HERE}"
    async with ground.builder(base=base) as builder:
        with pytest.raises(BaseImageUnsuitable, match=re.escape(told)):
            await build(builder, *python_model(tmp_path / "artifact"))
    assert await ground.told("_catalog") == {"repositories": ["other", "python"]}


async def test_an_image_for_another_python_has_no_bytecode_of_this_one(ground: Ground, tmp_path: Path) -> None:
    base = await push_base(ground.registry, tmp_path / "other", "other", environment={"PYTHON_VERSION": ANOTHER})
    model, artifact = python_model(tmp_path / "artifact")
    references: list[ImageReference] = []
    for _ in range(2):
        async with ground.builder(base=base, python=ANOTHER) as builder:
            references.append((await build(builder, model, artifact)).reference)
    assert references[0] == references[1]
    await ground.unpacked(references[0], tmp_path / "root")
    assert (tmp_path / "root" / "kea" / "runtime" / "kea_runtime" / "main.py").is_file()
    assert not list((tmp_path / "root").rglob("*.pyc"))


@pytest.mark.parametrize("whose", ["the model's", "the runtime's"])
async def test_requirements_that_cannot_be_met_are_told_and_leave_nothing(
    ground: Ground, tmp_path: Path, whose: str
) -> None:
    impossible = ("click==7.1.2", "click==8.0.0")
    recipe = SMALL if whose == "the model's" else replace(SMALL, layer_requirements=impossible)
    requirements = impossible if whose == "the model's" else ("click==8.1.7",)
    model, artifact = python_model(tmp_path / "artifact", requirements=requirements)
    told = r"you require click==7\.1\.2 and click==8\.0\.0.* requirements are unsatisfiable"
    async with ground.builder(recipe=recipe) as builder:
        for _ in range(2):
            with pytest.raises(UvError, match=f"(?s){told}"):
                await build(builder, model, artifact)
    assert await ground.told("_catalog") == {"repositories": ["python"]}
    with pytest.raises(ImageNotFound):
        await ground.pulled(builder.destination(model))


async def test_images_go_to_a_registry_that_wants_a_password(
    ground: Ground, closed_registry: str, tmp_path: Path
) -> None:
    model, artifact = python_model(tmp_path / "artifact", requirements=("click==8.1.7",))
    cache = tmp_path / "cache"
    async with ground.builder(to=closed_registry, cache=cache) as builder:
        with pytest.raises(RegistryDenied, match=closed_registry):
            await build(builder, model, artifact)
    async with ground.builder(to=closed_registry, cache=cache, credentials=KEA) as builder:
        built = await build(builder, model, artifact)
        assert (await build(builder, model, artifact)).bytes_pushed == 0
    assert built.reference.registry == closed_registry
    assert built.bytes_pushed > 0  # the base's layer among it, which was in another registry
