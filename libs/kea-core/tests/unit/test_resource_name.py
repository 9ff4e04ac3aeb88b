from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_core.resource_name import parse_name

COLLECTIONS = st.lists(st.from_regex(r"[a-z][a-zA-Z]{0,9}", fullmatch=True), min_size=1, max_size=4)
ID = st.text(st.characters(exclude_characters="/"), min_size=1, max_size=20)


@given(st.data())
def test_a_name_gives_its_ids(data: st.DataObject) -> None:
    collections = data.draw(COLLECTIONS)
    ids = [data.draw(ID) for _ in collections]
    name = "/".join(f"{collection}/{one}" for collection, one in zip(collections, ids, strict=True))
    assert parse_name(name, *collections) == tuple(ids)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "projects",
        "projects/p",
        "projects/p/models",
        "projects/p/models/",
        "projects//models/m",
        "/projects/p/models/m",
        "projects/p/models/m/",
        "projects/p/models/m/versions/1",
        "projects/p/endpoints/m",
        "models/m/projects/p",
    ],
)
def test_a_name_of_something_else_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a name of the form projects/…/models/…"):
        parse_name(name, "projects", "models")
