from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_oci.blob_store import BlobStore
from kea_oci.digest import digest_of
from kea_oci.documents import CONFIG, LAYER_TAR, MANIFEST, MAX_LAYERS, Descriptor, Manifest, encode
from kea_oci.errors import BadImageDocument
from kea_oci.image import EPOCH, Image, Run, compose, read_config
from kea_oci.layer import Layer
from kea_oci.platform import LINUX_AMD64, Platform

ARM = Platform("linux", "arm64", "v8")
TEXTS = st.dictionaries(st.text("abAB_1", min_size=1), st.text(max_size=10), max_size=5)


def layers(*names: str) -> list[Layer]:
    return [
        Layer(Descriptor(LAYER_TAR, digest_of(name.encode()), len(name)), digest_of(b"tar" + name.encode()), name)
        for name in names
    ]


def configuration(**changes: object) -> bytes:
    document: dict[str, Any] = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}
    return json.dumps({key: value for key, value in (document | changes).items() if value is not ...}).encode()


def base(run: dict[str, Any], **changes: object) -> Image:
    """An image of somebody else, with one layer."""
    rootfs = {"type": "layers", "diff_ids": [digest_of(b"x")]}
    config = json.loads(configuration(**{"rootfs": rootfs, "config": run, **changes}))
    manifest = Manifest(Descriptor(CONFIG, digest_of(encode(config)), 1), (layers("base")[0].descriptor,))
    return Image(Descriptor(MANIFEST, digest_of(manifest.encode()), len(manifest.encode())), manifest, config)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path)


def made(
    store: BlobStore, below: Image | Platform = LINUX_AMD64, run: Run | None = None, names: Sequence[str] = ()
) -> Image:
    return compose(store, below, layers(*names), run or Run(), {})


def test_an_image_is_what_its_documents_in_the_store_say(store: BlobStore) -> None:
    image = compose(store, ARM, layers("one", "two"), Run(entrypoint=["/a"]), {"a": "b"})
    manifest = json.loads(store.read(image.descriptor.digest))
    config = json.loads(store.read(image.manifest.config.digest))
    assert (image.descriptor.media_type, manifest["mediaType"]) == (MANIFEST, MANIFEST)
    assert image.descriptor.size == len(store.read(image.descriptor.digest))
    assert manifest["config"] == image.manifest.config.to_json()
    assert image.manifest.config.size == len(store.read(image.manifest.config.digest))
    assert manifest["layers"] == [layer.descriptor.to_json() for layer in layers("one", "two")]
    assert manifest["annotations"] == {"a": "b"}
    assert config == image.config
    assert config == {
        "architecture": "arm64",
        "os": "linux",
        "variant": "v8",
        "created": EPOCH,
        "config": {"Entrypoint": ["/a"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers("one", "two")]},
        "history": [{"created": EPOCH, "created_by": name} for name in ("one", "two")],
    }
    assert image.platform == ARM
    assert "variant" not in made(store).config


def test_what_is_put_together_is_read_again(store: BlobStore) -> None:
    image = made(store, names=["one", "two"])
    assert read_config(store.read(image.manifest.config.digest), 2) == image.config
    assert Manifest.decode(store.read(image.descriptor.digest)) == image.manifest


def test_the_same_arguments_give_the_same_image_and_others_another(tmp_path: Path) -> None:
    def digest(name: str, **changes: Any) -> str:
        arguments: dict[str, Any] = {
            "base": LINUX_AMD64,
            "layers": layers("one", "two"),
            "run": Run(entrypoint=["/a"], environment={"A": "1"}, labels={"l": "1"}),
            "annotations": {"a": "1"},
        }
        return compose(BlobStore(tmp_path / name), **(arguments | changes)).descriptor.digest

    first = digest("first")
    assert digest("second") == first
    others = [
        digest("layers", layers=layers("two", "one")),
        digest("base", base=ARM),
        digest("run", run=Run(entrypoint=["/b"])),
        digest("annotations", annotations={"a": "2"}),
    ]
    assert len({first, *others}) == 5


@given(labels=TEXTS, annotations=TEXTS, ports=st.lists(st.sampled_from(["1/tcp", "2/udp", "3/tcp"]), unique=True))
def test_the_order_of_what_has_none_does_not_count(
    tmp_path_factory: pytest.TempPathFactory, labels: dict[str, str], annotations: dict[str, str], ports: list[str]
) -> None:
    store = BlobStore(tmp_path_factory.mktemp("store"))
    there = compose(store, LINUX_AMD64, [], Run(labels=labels, ports=ports), annotations)
    labels, annotations = dict(reversed(labels.items())), dict(reversed(annotations.items()))
    back = compose(store, LINUX_AMD64, [], Run(labels=labels, ports=ports[::-1]), annotations)
    assert there.descriptor == back.descriptor


def test_the_order_of_the_environment_does_not_count(store: BlobStore) -> None:
    there, back = ({"A": "1", "B": "2"}, {"B": "2", "A": "1"})
    assert made(store, run=Run(environment=there)).descriptor == made(store, run=Run(environment=back)).descriptor


BASE_RUN: dict[str, Any] = {
    "Entrypoint": ["/base"],
    "Cmd": ["serve"],
    "Env": ["PATH=/usr/bin", "LANG=C", "EMPTY=", "X=a=b"],
    "User": "nobody",
    "WorkingDir": "/base",
    "ExposedPorts": {"80/tcp": {}},
    "Labels": {"base": "1", "both": "base"},
    "StopSignal": "SIGQUIT",
    "Volumes": {"/data": {}},
}


def test_what_is_not_given_stays_as_in_the_base(store: BlobStore) -> None:
    below = base(BASE_RUN, author="somebody", variant="v3", history=[{"created_by": "base"}], created="2024-01-01")
    before = json.dumps(below.config)
    image = made(store, below, names=["mine"])
    assert image.config["config"] == BASE_RUN
    assert (image.config["author"], image.config["variant"], image.config["created"]) == ("somebody", "v3", EPOCH)
    assert image.config["history"] == [{"created_by": "base"}, {"created": EPOCH, "created_by": "mine"}]
    assert image.config["rootfs"]["diff_ids"] == [digest_of(b"x"), layers("mine")[0].diff_id]
    assert image.manifest.layers == (*below.manifest.layers, layers("mine")[0].descriptor)
    assert json.dumps(below.config) == before


@pytest.mark.parametrize(
    ("run", "changed"),
    [
        (Run(entrypoint=["/mine", "-v"]), {"Entrypoint": ["/mine", "-v"], "Cmd": None}),
        (Run(arguments=["other"]), {"Cmd": ["other"]}),
        (Run(entrypoint=["/mine"], arguments=["a"]), {"Entrypoint": ["/mine"], "Cmd": ["a"]}),
        (Run(environment={"LANG": "de", "NEW": "1"}), {"Env": [*BASE_RUN["Env"], "NEW=1"]}),
        (Run(environment={"X": "c=d"}), {"Env": ["PATH=/usr/bin", "LANG=C", "EMPTY=", "X=c=d"]}),
        (Run(user="10001:10001"), {"User": "10001:10001"}),
        (Run(directory="/mine"), {"WorkingDir": "/mine"}),
        (Run(ports=["8080/tcp"]), {"ExposedPorts": {"80/tcp": {}, "8080/tcp": {}}}),
        (Run(labels={"both": "mine", "mine": "1"}), {"Labels": {"base": "1", "both": "mine", "mine": "1"}}),
        (Run(stop_signal="SIGTERM"), {"StopSignal": "SIGTERM"}),
    ],
)
def test_what_is_given_is_put_over_the_base(store: BlobStore, run: Run, changed: dict[str, Any]) -> None:
    expected = {key: value for key, value in (BASE_RUN | changed).items() if value is not None}
    if "LANG" in run.environment:
        expected["Env"] = ["PATH=/usr/bin", "LANG=de", "EMPTY=", "X=a=b", "NEW=1"]
    assert made(store, base(BASE_RUN), run).config["config"] == expected


def test_a_base_that_says_nothing_is_a_base(store: BlobStore) -> None:
    everything = Run(environment={"A": "1"}, ports=["1/tcp"], labels={"a": "b"})
    for run in ({}, {"Env": None, "ExposedPorts": None, "Labels": None, "Cmd": None, "Entrypoint": None}):
        config = made(store, base(run), everything).config["config"]
        assert (config["Env"], config["ExposedPorts"], config["Labels"]) == (["A=1"], {"1/tcp": {}}, {"a": "b"})
    assert made(store, base({}, config=None)).config["config"] == {}


def test_as_many_layers_as_can_be_mounted_and_no_more(store: BlobStore) -> None:
    names = [str(number) for number in range(MAX_LAYERS)]
    assert len(made(store, names=names).manifest.layers) == MAX_LAYERS
    assert len(made(store, base({}), names=names[1:]).manifest.layers) == MAX_LAYERS
    with pytest.raises(BadImageDocument, match="image: it has 128 layers, expected at most 127"):
        made(store, base({}), names=names)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no", "image configuration: it is not JSON"),
        (b"[]", "expected a JSON object, got list"),
        (configuration(os=...), "expected os"),
        (configuration(os=5), "expected os"),
        (configuration(architecture=...), "expected architecture"),
        (configuration(variant=["v8"]), "expected variant"),
        (configuration(rootfs=...), "expected a rootfs with the layers' diff_ids"),
        (configuration(rootfs=[]), "expected a rootfs"),
        (configuration(rootfs={"diff_ids": "x"}), "expected a rootfs"),
        (configuration(rootfs={"diff_ids": ["x"]}), "expected a rootfs"),
        (configuration(rootfs={"diff_ids": [5]}), "expected a rootfs"),
        (configuration(rootfs={"diff_ids": [digest_of(b"")]}), "it is of 1 layers, the manifest of 0"),
    ],
)
def test_what_is_no_configuration_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(BadImageDocument) as caught:
        read_config(content, 0)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"history": None},
        {"history": 5},
        {"config": "x"},
        {"config": ["x"]},
        {"config": {"Env": 5}},
        {"config": {"Env": [5]}},
        {"config": {"Labels": ["x"]}},
        {"config": {"ExposedPorts": "x"}},
    ],
)
def test_a_base_that_is_no_configuration_is_refused_or_put_up_with(store: BlobStore, changes: dict[str, Any]) -> None:
    try:
        config = read_config(configuration(**changes), 0)
    except BadImageDocument:
        return
    below = base({})
    image = Image(below.descriptor, Manifest(below.manifest.config, ()), config)
    made(store, image, Run(environment={"A": "1"}, labels={"a": "b"}, ports=["1/tcp"]), ["mine"])
