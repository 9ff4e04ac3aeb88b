from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_oci.digest import digest_of
from kea_oci.documents import (
    CONFIG,
    INDEX,
    LAYER_GZIP,
    MANIFEST,
    MAX_BLOB_BYTES,
    MAX_DOCUMENT_BYTES,
    MAX_LAYERS,
    Descriptor,
    Index,
    Manifest,
    decode,
    encode,
)
from kea_oci.errors import BadImageDocument
from kea_oci.platform import LINUX_AMD64, Platform

DIGEST = digest_of(b"")
LAYER = {"mediaType": LAYER_GZIP, "digest": DIGEST, "size": 3}
ARM = Platform("linux", "arm64", "v8")
DEEP = b"[" * 100_000
WORDS = st.text("abc019", min_size=1, max_size=8)
DESCRIPTORS = st.builds(
    Descriptor,
    st.text(),
    st.binary().map(digest_of),
    st.integers(0, MAX_BLOB_BYTES),
    st.none() | st.builds(Platform, WORDS, WORDS, st.just("") | WORDS),
)


def manifest(**changes: object) -> bytes:
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {**LAYER, "mediaType": CONFIG}, "layers": [LAYER]}
    return json.dumps({key: value for key, value in (document | changes).items() if value is not ...}).encode()


def index(*manifests: object, **changes: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, **changes}).encode()


def test_a_manifest_is_read() -> None:
    read = Manifest.decode(manifest(annotations={"a": "b"}, unknown=[1]))
    assert read.config == Descriptor(CONFIG, DIGEST, 3)
    assert read.layers == (Descriptor(LAYER_GZIP, DIGEST, 3),)
    assert Manifest.decode(manifest(layers=[])).layers == ()
    assert len(Manifest.decode(manifest(layers=[LAYER] * MAX_LAYERS)).layers) == MAX_LAYERS == 127


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "image manifest: it is not JSON"),
        (b"\xff", "image manifest: it is not JSON"),
        (b"{", "image manifest: it is not JSON"),
        (DEEP, "image manifest: it is not JSON"),
        (b'{"a":' * 100_000, "image manifest: it is not JSON"),
        (b'{"a": NaN}', "image manifest: it is not JSON"),
        (b"[]", "expected a JSON object, got list"),
        (b"null", "expected a JSON object, got NoneType"),
        (b"{}", "expected schemaVersion 2 and a list of layers"),
        (manifest(schemaVersion=1), "expected schemaVersion 2"),
        (manifest(schemaVersion="2"), "expected schemaVersion 2"),
        (manifest(layers=...), "a list of layers"),
        (manifest(layers={}), "a list of layers"),
        (manifest(layers=[LAYER] * (MAX_LAYERS + 1)), "it has 128 layers, expected at most 127"),
        (manifest(layers=["x"]), "image manifest's layer: expected a JSON object, got str"),
        (manifest(config=...), "image manifest's config: expected a JSON object, got NoneType"),
        (index(LAYER), "a list of layers"),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(BadImageDocument) as caught:
        Manifest.decode(content)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mediaType", None),
        ("mediaType", 5),
        ("digest", None),
        ("digest", 5),
        ("digest", ""),
        ("digest", "sha256:" + "0" * 63),
        ("digest", "sha256:" + "F" * 64),
        ("digest", "sha256:" + "0" * 64 + "\n"),
        ("digest", "sha512:" + "0" * 128),
        ("digest", "sha256:../../../../etc/passwd"),
        ("size", None),
        ("size", True),
        ("size", -1),
        ("size", 1.5),
        ("size", "3"),
        ("size", MAX_BLOB_BYTES + 1),
    ],
)
def test_a_descriptor_that_names_nothing_is_refused(key: str, value: object) -> None:
    bad = {**LAYER, key: value}
    for read, content in (
        (Manifest.decode, manifest(layers=[LAYER, bad])),
        (Manifest.decode, manifest(config=bad)),
        (Index.decode, index(LAYER, bad)),
    ):
        with pytest.raises(BadImageDocument, match="size" if key == "size" else "mediaType and a sha256 digest"):
            read(content)


@pytest.mark.parametrize("size", ["x" * 100_000, ["x"] * 10_000, 10**4000])
def test_what_is_no_size_is_told_in_a_bounded_line(size: object) -> None:
    with pytest.raises(BadImageDocument) as caught:
        Descriptor.from_json({**LAYER, "size": size}, "layer")
    assert len(str(caught.value)) < 500


def test_an_index_is_read_and_the_first_that_fits_is_chosen() -> None:
    amd64, arm64 = ({"os": "linux", "architecture": name} for name in ("amd64", "arm64"))
    other = digest_of(b"other")
    read = Index.decode(
        index(
            LAYER,
            {**LAYER, "platform": {"os": "linux"}},
            {**LAYER, "platform": "linux/amd64"},
            {**LAYER, "platform": {"os": 1, "architecture": []}},
            {**LAYER, "platform": arm64, "size": 4},
            {**LAYER, "platform": amd64, "size": 5},
            {**LAYER, "platform": {**amd64, "variant": 3}, "digest": other},
        )
    )
    assert len(read.manifests) == 7
    assert read.for_platform(LINUX_AMD64) == Descriptor(LAYER_GZIP, DIGEST, 5, LINUX_AMD64)
    assert read.for_platform(ARM) == Descriptor(LAYER_GZIP, DIGEST, 4, Platform("linux", "arm64"))
    assert read.for_platform(Platform("linux", "s390x")) is None
    assert Index(()).for_platform(LINUX_AMD64) is None


@pytest.mark.parametrize(
    "content", [b"", b"5", b"{}", DEEP, index("x"), index(None), b'{"manifests": {}}', manifest(), b'{"manifests": 1}']
)
def test_what_is_no_index_is_refused(content: bytes) -> None:
    with pytest.raises(BadImageDocument, match="image index"):
        Index.decode(content)


def test_what_is_too_large_is_not_parsed() -> None:
    largest = manifest() + b" " * (MAX_DOCUMENT_BYTES - len(manifest()))
    assert Manifest.decode(largest).layers
    for read in (Manifest.decode, Index.decode):
        with pytest.raises(BadImageDocument, match="larger than 4194304 bytes"):
            read(largest + b" ")


@given(config=DESCRIPTORS, layers=st.lists(DESCRIPTORS, max_size=5).map(tuple))
def test_a_manifest_is_read_as_it_was_written(config: Descriptor, layers: tuple[Descriptor, ...]) -> None:
    made = Manifest(config, layers)
    assert Manifest.decode(made.encode()) == made
    assert json.loads(made.encode())["mediaType"] == MANIFEST


@given(st.lists(DESCRIPTORS, max_size=5).map(tuple))
def test_an_index_is_read_as_it_was_written(manifests: tuple[Descriptor, ...]) -> None:
    made = Index(manifests)
    assert Index.decode(made.encode()) == made
    assert json.loads(made.encode())["mediaType"] == INDEX


def test_annotations_are_written_whatever_their_order() -> None:
    config = Descriptor(CONFIG, DIGEST, 0)
    there, back = (Manifest(config, (), dict(pairs)) for pairs in ([("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")]))
    assert there.encode() == back.encode() != Manifest(config, ()).encode()
    assert json.loads(there.encode())["annotations"] == {"a": "1", "b": "2"}
    assert "annotations" not in json.loads(Manifest(config, ()).encode())
    assert replace(config, annotations={"a": "b"}).to_json()["annotations"] == {"a": "b"}


def test_annotations_of_others_are_kept() -> None:
    layer = {**LAYER, "annotations": {"containerd.io/snapshot/stargz/toc.digest": DIGEST}}
    written = json.loads(Manifest.decode(manifest(layers=[layer], annotations={"a": "b"})).encode())
    assert written["layers"] == [layer]
    assert written["annotations"] == {"a": "b"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_a_document_has_one_encoding(document: dict[str, object]) -> None:
    content = encode(document)
    assert decode(content, "x") == document
    assert encode(dict(reversed(document.items()))) == content
    assert b"\n" not in content


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_content_is_read_or_refused(content: bytes) -> None:
    for read in (Manifest.decode, Index.decode):
        try:
            read(content)
        except BadImageDocument as error:
            assert len(str(error)) < 500  # noqa: PT017 - most of it is refused, but not all


def test_a_text_that_is_no_unicode_is_refused_or_kept() -> None:
    content = b'{"author":"\\ud800"}'
    try:
        document = decode(content, "image configuration")
    except BadImageDocument:
        return
    assert decode(encode(document), "image configuration") == document
