"""How long it takes to make a model's image: 100 MB and scikit-learn, pushed to a real registry.

Run by `make bench-image`, on the kit's own registry (docs/cluster.md). Printed side by side:
- the first image, with nothing in the cache but what uv has: packages and model server are laid out and compiled;
- the image of another model of 100 MB with the same packages: what a data scientist waits for;
- the same again: nothing is sent;
- for the limit beside it, the time to hash and to copy 100 MB on this machine, in this run.

Ends with 1 where the second takes 5 s or more, or the third sends anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from kea_deployer.builds.image_builder import BuiltImage
from kea_deployer.builds.settings import ImageSettings
from kea_deployer.builds.workshop import ImageWorkshop, open_workshop
from kea_deployer.domain.deployment import ModelVersion

SIZE = 100_000_000
GIB = 1024**3
MOST_SECONDS = 5.0
SIGNATURE: dict[str, Any] = {
    "default_method": "predict",
    "methods": [
        {
            "name": "predict",
            "inputs": [{"name": "x", "tensor": {"datatype": "FP64", "shape": [-1, 4]}}],
            "outputs": [{"name": "y", "tensor": {"datatype": "INT64", "shape": [-1]}}],
        }
    ],
}


def save(directory: Path, size: int) -> ModelVersion:
    """Writes a model's files; returns its version."""
    directory.mkdir()
    content = os.urandom(size)
    (directory / "model.joblib").write_bytes(content)
    return ModelVersion(
        name=f"projects/default/models/{directory.name}/versions/1",
        framework="sklearn",
        entrypoint="model.joblib",
        signature=SIGNATURE,
        requirements=(),
        sha256=hashlib.sha256(content).hexdigest(),
    )


async def build(workshop: ImageWorkshop, model: ModelVersion, artifact: Path) -> tuple[BuiltImage, float, float]:
    """Makes an image; returns it, the seconds and the CPU seconds of this process and its children."""
    begun, cpu = time.monotonic(), os.times()
    async with workshop.builder("bench", model) as builder:
        made = await builder.build(model, artifact, note=lambda _line: None, step=lambda _step: None)
    now = os.times()
    return made, time.monotonic() - begun, sum(now[:4]) - sum(cpu[:4])


def timed(work: Callable[[], object]) -> float:
    """Returns how many seconds something takes."""
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


async def measure(directory: Path) -> int:
    """Measures, and prints; returns the exit code."""
    registry = os.environ["KEA_TEST_REGISTRY"]
    settings = ImageSettings(repository=f"{registry}/bench", base=f"{registry}/debian:12", plain_http=(registry,))
    nobody = cast("Any", None)  # what fetches archives: nothing is fetched here
    async with open_workshop(settings, directory / "images", nobody, max_artifact_bytes=GIB) as workshop:
        print("image                          wall      CPU      sent")
        made: list[tuple[BuiltImage, float, float]] = []
        small, large = directory / f"small-{os.getpid()}", directory / f"large-{os.getpid()}"
        few, many = save(small, 1000), save(large, SIZE)
        for name, model, artifact in (
            ("first, of 1 kB", few, small),
            ("another, of 100 MB", many, large),
            ("the same again", many, large),
        ):
            made.append(await build(workshop, model, artifact))
            image, seconds, cpu = made[-1]
            print(f"{name:25} {seconds:7.2f} s {cpu:6.2f} s {image.bytes_pushed / 1e6:7.1f} MB")
    content = (large / "model.joblib").read_bytes()
    print(f"{'100 MB hashed':25} {timed(lambda: hashlib.sha256(content).digest()):7.2f} s")
    print(f"{'100 MB copied':25} {timed(lambda: (directory / 'copy').write_bytes(content)):7.2f} s")
    (_, seconds, _), (again, _, _) = made[1:]
    print(f"another, of 100 MB: {seconds:.2f} s (less than {MOST_SECONDS} s)")
    print(f"the same again: {again.bytes_pushed} bytes sent (none)")
    return int(seconds >= MOST_SECONDS or again.bytes_pushed > 0)


def main() -> int:
    """Measures in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="kea") as directory:
        return asyncio.run(measure(Path(directory)))


if __name__ == "__main__":
    sys.exit(main())
