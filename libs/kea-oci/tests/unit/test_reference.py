from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_oci.errors import BadImageReference
from kea_oci.reference import ImageReference
from kea_oci.registry import Registry

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("debian", "docker.io", "library/debian", "latest", ""),
        ("debian:12", "docker.io", "library/debian", "12", ""),
        ("docker.io/debian", "docker.io", "library/debian", "latest", ""),
        ("index.docker.io/bitnami/redis:7", "docker.io", "bitnami/redis", "7", ""),
        ("bitnami/redis", "docker.io", "bitnami/redis", "latest", ""),
        ("localhost/a", "localhost", "a", "latest", ""),
        ("localhost:5000/a/b-c__d.e:V1.0_x", "localhost:5000", "a/b-c__d.e", "V1.0_x", ""),
        ("Host/a", "Host", "a", "latest", ""),
        ("[::1]:5000/a", "[::1]:5000", "a", "latest", ""),
        (f"ghcr.io/a/b@{DIGEST}", "ghcr.io", "a/b", "", DIGEST),
        (f"ghcr.io/a/b:1@{DIGEST}", "ghcr.io", "a/b", "1", DIGEST),
    ],
)
def test_names_are_read_as_other_tools_read_them(
    text: str, registry: str, repository: str, tag: str, digest: str
) -> None:
    assert ImageReference.parse(text) == ImageReference(registry, repository, tag, digest)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no repository"),
        ("Debian", "is no repository"),
        ("a//b", "is no repository"),
        ("ghcr.io/a/", "is no repository"),
        ("ghcr.io/../../etc", "is no repository"),
        ("ghcr.io/a?x=1", "is no repository"),
        ("ghcr.io/a:b:c", "is no tag"),
        ("ghcr.io/a:", "is no tag"),
        ("ghcr.io/a:" + "x" * 129, "is no tag"),
        ("user:secret.x/a", "is no host"),
        ("a@b.io/c", "after the @"),
        ("ghcr.io/a@sha256:12", "after the @"),
        (f"ghcr.io/a@{DIGEST}\n", "after the @"),
        ("ghcr.io:123456/a", "is no host"),
        ("ghcr.io/" + "a" * 250, "longer than 255"),
    ],
)
def test_what_names_no_image_is_refused_with_what_was_expected(text: str, problem: str) -> None:
    with pytest.raises(BadImageReference, match=re.escape(problem)) as caught:
        ImageReference.parse(text)
    assert caught.value.metadata["image"] == text[:300]


@given(st.text(max_size=400))
def test_any_text_is_read_or_refused_and_what_is_read_is_written_the_same_way(text: str) -> None:
    try:
        reference = ImageReference.parse(text)
    except BadImageReference:
        return
    assert ImageReference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    "text", ["ghcr.io:65536/a", "ghcr.io:99999/a", "[::::]/a", "[:]:5000/a", "[1:2]/a", "999.1.1.1/a"]
)
def test_a_host_that_can_be_none_is_refused(text: str) -> None:
    with pytest.raises(BadImageReference, match="is no host"):
        ImageReference.parse(text)


@pytest.mark.parametrize("text", ["ghcr.io/a", "localhost:65535/a", "[::1]/a", "[2001:db8::1]:5000/a", "debian"])
async def test_registries_that_are_named_can_be_spoken_to(text: str) -> None:
    await Registry(ImageReference.parse(text).registry).close()
