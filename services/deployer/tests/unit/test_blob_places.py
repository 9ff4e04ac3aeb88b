"""Where layers have been pushed before."""

from __future__ import annotations

from pathlib import Path

import pytest
from kea_deployer.builds.blob_places import BlobPlaces
from kea_oci.reference import ImageReference

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


@pytest.fixture
def places(tmp_path: Path) -> BlobPlaces:
    return BlobPlaces(tmp_path / "places")


async def test_a_blob_is_found_where_it_was_pushed_last(places: BlobPlaces, tmp_path: Path) -> None:
    await places.note(ImageReference.parse("r.example:5000/models/iris:1"), [A, B])
    await places.note(ImageReference.parse("r.example:5000/models/other:1"), [A])
    known = {A: "models/other", B: "models/iris"}
    assert await places.of("r.example:5000", [A, B]) == known
    assert await BlobPlaces(tmp_path / "places").of("r.example:5000", [A, B]) == known
    assert await places.of("elsewhere", [A, B]) == {}


async def test_what_is_forgotten_is_nowhere(places: BlobPlaces) -> None:
    for registry in ("r.example", "s.example"):
        await places.note(ImageReference.parse(f"{registry}/models/iris:1"), [A, B])
    places.forget(A)
    assert await places.of("s.example", [A, B]) == {B: "models/iris"}
