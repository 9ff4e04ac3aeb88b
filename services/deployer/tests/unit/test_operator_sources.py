from __future__ import annotations

import asyncio
import base64
import ipaddress
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from kea_core.clock import utc_now
from kea_core.settings import Secret, SettingsError
from kea_deployer.operator.errors import Problem
from kea_deployer.operator.model_spec import ModelSpec
from kea_deployer.operator.settings import SourceSettings
from kea_deployer.operator.sources.address import FileAddress, HttpsAddress, S3Address, read_address, safe_name
from kea_deployer.operator.sources.artifact_sources import ArtifactSources
from kea_deployer.operator.sources.credentials import S3Credentials, of_environment, of_secret
from kea_deployer.operator.sources.file_source import FileSource
from kea_deployer.operator.sources.http_source import HttpSource
from kea_deployer.operator.sources.networks import AddressRefused, CheckedResolver, refusal
from kea_deployer.operator.sources.signing import object_url, signed_headers

ALL = SourceSettings(schemes=("s3", "https", "file"), file_roots=("/models",))
LOCAL = SourceSettings(allowed_networks=("127.0.0.0/8",), max_bytes=1000, quiet_seconds=1.0)
KEY = S3Credentials(access_key="AKIAIOSFODNN7EXAMPLE", secret_key=Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))


def test_addresses_are_read() -> None:
    assert read_address("s3://models/iris/model.joblib", ALL) == S3Address("models", "iris/model.joblib")
    url = "https://models.example/iris%20a/model.onnx?token=1"
    assert read_address(url, ALL) == HttpsAddress(url)
    assert read_address(url, ALL).file_name == "model.onnx"
    assert read_address("file:///models/a%20b/model.onnx", ALL) == FileAddress(Path("/models/a b/model.onnx"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://models.example/model.onnx", "s3://, https://"),
        ("ftp://models.example/model.onnx", "s3://, https://"),
        ("model.onnx", "s3://, https://"),
        ("https://user:secret@models.example/model.onnx", "credentialsSecret"),
        ("https:///model.onnx", "names no host"),
        ("https://127.0.0.1/model.onnx", "is loopback"),
        ("https://127.1/model.onnx", "is loopback"),
        ("https://2130706433/model.onnx", "is loopback"),
        ("https://0x7f000001/model.onnx", "is loopback"),
        ("https://[::1]/model.onnx", "is loopback"),
        ("https://[::ffff:127.0.0.1]/model.onnx", "is loopback"),
        ("https://169.254.169.254/latest/meta-data", "is link-local"),
        ("https://[fe80::1%25eth0]/model.onnx", "is link-local"),
        ("https://100.100.100.200/model.onnx", "metadata"),
        ("https://[fd00:ec2::254]/model.onnx", "metadata"),
        ("https://0.0.0.0/model.onnx", "is unspecified"),
        ("https://models.example:99999/model.onnx", "ort"),
        ("s3://models", "names no object"),
        ("s3://models/iris/", "names no object"),
        ("s3:///iris/model.onnx", "s3://BUCKET/KEY"),
        ("s3://models/iris?versionId=1", "no '?'"),
        ("file:///etc/passwd", "below /models"),
        ("file:///models/../etc/passwd", "below /models"),
        ("file:///models/%2e%2e/etc/passwd", "below /models"),
        ("file://host/models/x", "file:///PATH"),
        ("https://models.example/a b", "none of them a space"),
        ("https://models.example/" + "a" * 3000, "at most 2048"),
    ],
)
def test_what_must_not_be_fetched_is_refused_before_anything_is_asked(text: str, told: str) -> None:
    with pytest.raises(Problem, match=r".") as caught:
        read_address(text, ALL)
    assert (caught.value.reason, caught.value.passing) == ("SOURCE_REFUSED", False)
    assert told in str(caught.value)
    assert "secret" not in str(caught.value).replace("credentialsSecret", "").replace("Secret", "")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("s3://a/models/..", "artifact"),
        ("s3://a/.hidden", "hidden"),
        ("https://a/x%2Fmodel%00.onnx", "model_.onnx"),
        ("https://a/", "artifact"),
        ("s3://a/" + "x" * 300 + ".joblib", "x" * 93 + ".joblib"),
    ],
)
def test_what_is_fetched_is_kept_under_a_name_that_does_no_harm(text: str, name: str) -> None:
    assert safe_name(read_address(text, ALL)) == name


def test_only_schemes_that_are_set_are_fetched() -> None:
    with pytest.raises(Problem, match="s3://, https://"):
        read_address("file:///models/x", SourceSettings())
    wrong: list[dict[str, Any]] = [
        {"schemes": ("gopher",)},
        {"schemes": ("file",)},
        {"allowed_networks": ("nonsense",)},
        {"max_bytes": 0},
    ]
    for changes in wrong:
        with pytest.raises(SettingsError):
            SourceSettings(**changes)


@pytest.mark.parametrize("text", ["10.1.2.3", "192.168.1.1", "8.8.8.8", "2001:4860:4860::8888", "fd12::1"])
def test_stores_of_the_own_network_may_be_spoken_to(text: str) -> None:
    assert refusal(ipaddress.ip_address(text), []) == ""


def test_a_network_that_is_set_is_allowed_and_no_other() -> None:
    allowed = [ipaddress.ip_network("127.0.0.0/24")]
    assert refusal(ipaddress.ip_address("127.0.0.1"), allowed) == ""
    assert refusal(ipaddress.ip_address("::ffff:127.0.0.1"), allowed) == ""
    assert refusal(ipaddress.ip_address("127.0.1.1"), allowed) == "is loopback"


async def test_a_name_that_leads_to_this_machine_is_refused_where_it_is_resolved() -> None:
    resolver = CheckedResolver([])
    try:
        with pytest.raises(AddressRefused, match="localhost leads to"):
            await resolver.resolve("localhost", 443, socket.AF_UNSPEC)
    finally:
        await resolver.close()


def test_requests_are_signed_as_amazon_documents_it() -> None:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "Example: GET Object"
    headers = signed_headers(
        KEY,
        "GET",
        "https://examplebucket.s3.amazonaws.com/test.txt",
        datetime(2013, 5, 24, tzinfo=UTC),
        {"range": "bytes=0-9"},
    )
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_without_a_key_nothing_is_signed() -> None:
    headers = signed_headers(S3Credentials(), "GET", "https://b.s3.us-east-1.amazonaws.com/k", utc_now())
    assert "authorization" not in headers


def test_objects_are_where_their_store_has_them() -> None:
    own = S3Credentials(endpoint="http://minio.storage:9000/")
    assert object_url(own, "models", "a b/ü+.onnx") == "http://minio.storage:9000/models/a%20b/%C3%BC%2B.onnx"
    amazon = S3Credentials(region="eu-west-1")
    assert object_url(amazon, "models", "k") == "https://models.s3.eu-west-1.amazonaws.com/k"
    assert object_url(amazon, "my.models", "k") == "https://s3.eu-west-1.amazonaws.com/my.models/k"


def secret(**entries: str) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in entries.items()}}


def test_credentials_come_from_a_secret_or_the_environment() -> None:
    entries = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b\n", "AWS_ENDPOINT_URL": "http://minio:9000"}
    found = of_secret("s3", secret(**entries))
    assert (found.access_key, found.secret_key.reveal(), found.endpoint, found.trusted) == (
        "a",
        "b",
        "http://minio:9000",
        False,
    )
    assert "b" not in repr(found.secret_key)
    own = of_environment({**entries, "AWS_REGION": "eu-west-1"})
    assert (own.region, own.trusted) == ("eu-west-1", True)
    for missing, told in ((None, "not in this namespace"), (secret(AWS_ACCESS_KEY_ID="a"), "lacks"), ({}, "lacks")):
        with pytest.raises(Problem, match=told) as caught:
            of_secret("s3", missing)
        assert caught.value.passing, "the Secret may come later"


class Store:
    """A web server that answers as it is told, and notes what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, web.Response | str] = {}
        """By path; a text is where it redirects to."""
        self.requests: list[web.Request] = []
        self.stuck = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        found = self.answers.get(request.path)
        if request.path == "/endless":
            response = web.StreamResponse()
            await response.prepare(request)
            while not self.stuck.is_set():
                await response.write(b"x" * 100)
            return response
        if request.path == "/silent":
            await self.stuck.wait()
        if isinstance(found, str):
            return web.Response(status=302, headers={"Location": found})
        if found is None:
            return web.Response(status=404)
        return web.Response(body=found.body, status=found.status, headers=dict(found.headers))


@asynccontextmanager
async def serving() -> AsyncGenerator[tuple[Store, str]]:
    store = Store()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", store.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield store, f"http://127.0.0.1:{port}"
    finally:
        store.stuck.set()
        await runner.cleanup()


def http_source(settings: SourceSettings = LOCAL) -> HttpSource:
    return HttpSource(settings, clock=utc_now)


async def test_what_is_fetched_is_counted_and_digested(tmp_path: Path) -> None:
    async with serving() as (store, url):
        store.answers["/a"] = web.Response(body=b"content", headers={"ETag": '"1"'})
        found = await http_source().fetch(f"{url}/a", tmp_path / "a")
        assert (found.path.read_bytes(), found.size) == (b"content", 7)
        assert found.sha256 == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
        assert await http_source().stamp(f"{url}/a") == '"1" 7'
        store.answers["/a"] = web.Response(body=b"other", headers={"ETag": '"2"'})
        assert await http_source().stamp(f"{url}/a") == '"2" 5'
        store.answers["/a"] = web.Response(body=b"other")
        assert await http_source().stamp(f"{url}/a") == "", "a length alone does not tell that nothing has changed"


async def test_what_is_too_large_is_not_fetched_to_its_end(tmp_path: Path) -> None:
    async with serving() as (store, url):
        store.answers["/large"] = web.Response(body=b"x" * 1001)
        for path in ("/large", "/endless"):
            with pytest.raises(Problem, match="expected at most 1000") as caught:
                await http_source().fetch(f"{url}{path}", tmp_path / "a")
            assert caught.value.reason == "SOURCE_TOO_LARGE"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "SOURCE_NOT_FOUND"), (403, "SOURCE_FORBIDDEN"), (401, "SOURCE_FORBIDDEN"), (503, "SOURCE_UNREACHABLE")],
)
async def test_what_a_store_answers_is_told_without_what_may_be_secret(
    status: int, reason: str, tmp_path: Path
) -> None:
    async with serving() as (store, url):
        store.answers["/a"] = web.Response(status=status)
        with pytest.raises(Problem, match=str(status)) as caught:
            await http_source().fetch(f"{url}/a?signature=hush", tmp_path / "a")
        assert (caught.value.reason, caught.value.passing) == (reason, True)
        assert "hush" not in str(caught.value)


async def test_a_store_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    async with serving() as (_, url):
        with pytest.raises(Problem) as caught:
            await http_source().fetch(f"{url}/silent", tmp_path / "a")
        assert caught.value.reason == "SOURCE_UNREACHABLE"


async def test_redirects_are_followed_as_far_as_they_may_be(tmp_path: Path) -> None:
    async with serving() as (store, url):
        store.answers |= {"/a": "/b", "/b": web.Response(body=b"here"), "/loop": "/loop"}
        assert (await http_source().fetch(f"{url}/a", tmp_path / "a")).size == 4
        with pytest.raises(Problem, match="lead nowhere"):
            await http_source().fetch(f"{url}/loop", tmp_path / "a")
        for target in ("http://169.254.169.254/latest", "https://[::1]/x", "ftp://x/y", "file:///etc/passwd"):
            store.answers["/a"] = target
            with pytest.raises(Problem) as caught:
                await http_source().fetch(f"{url}/a", tmp_path / "a")
            assert caught.value.reason == "SOURCE_REFUSED"


async def test_a_name_is_checked_when_it_is_connected_to(tmp_path: Path) -> None:
    async with serving() as (store, url):
        store.answers["/a"] = web.Response(body=b"inside")
        port = url.rpartition(":")[2]
        with pytest.raises(Problem, match="localhost leads to") as caught:
            await http_source(SourceSettings()).fetch(f"http://localhost:{port}/a", tmp_path / "a")
        assert caught.value.reason == "SOURCE_REFUSED"
        assert not store.requests


async def test_an_endpoint_in_a_secret_is_checked_like_an_address_and_the_operators_own_is_not(tmp_path: Path) -> None:
    async with serving() as (store, url):
        store.answers["/models/a b@1+ü.onnx"] = web.Response(body=b"graph")
        address = S3Address("models", "a b@1+ü.onnx")
        entries = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": url}
        source = http_source(SourceSettings())
        with pytest.raises(Problem, match="is loopback"):
            await source.fetch_object(address, of_secret("s3", secret(**entries)), tmp_path / "a")
        assert not store.requests
        found = await source.fetch_object(address, of_environment(entries), tmp_path / "a")
        assert found.path.read_bytes() == b"graph"
        (asked,) = store.requests
        assert asked.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=a/")
        assert asked.raw_path == "/models/a%20b%401%2B%C3%BC.onnx", "the path that is sent is the one that is signed"
        store.answers["/models/a b@1+ü.onnx"] = "http://127.0.0.2/elsewhere"
        with pytest.raises(Problem, match="redirects to another host"):
            await source.fetch_object(address, of_environment(entries), tmp_path / "a")


async def test_files_are_read_below_their_directory_also_where_links_lead_out(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.write_text("secret")
    (root / "model.onnx").write_text("graph")
    (root / "link").symlink_to(outside)
    source = FileSource(SourceSettings(schemes=("file",), file_roots=(str(root),)))
    found = await source.fetch(FileAddress(root / "model.onnx"), tmp_path / "fetched")
    assert found.path.read_text() == "graph"
    before = await source.stamp(FileAddress(root / "model.onnx"))
    (root / "model.onnx").write_text("another graph")
    assert await source.stamp(FileAddress(root / "model.onnx")) != before
    with pytest.raises(Problem, match="leads out of"):
        await source.fetch(FileAddress(root / "link"), tmp_path / "fetched")
    for missing in (root / "missing", root):
        with pytest.raises(Problem) as caught:
            await source.fetch(FileAddress(missing), tmp_path / "fetched")
        assert caught.value.reason == "SOURCE_NOT_FOUND"


async def test_what_is_fetched_must_be_what_the_manifest_says(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("graph")
    settings = SourceSettings(schemes=("file",), file_roots=(str(tmp_path),))

    async def no_secret(namespace: str, name: str) -> None:
        raise AssertionError(namespace, name)

    sources = ArtifactSources(settings, http_source(settings), FileSource(settings), no_secret, {})
    spec = ModelSpec("iris", "iris", "onnx", f"file://{tmp_path}/model.onnx", sha256="0" * 64)
    assert await sources.stamp("team-a", spec) == "0" * 64, "a content that is told need not be looked for"
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(Problem, match="expected 0000") as caught:
        await sources.fetch("team-a", spec, into)
    assert (caught.value.reason, caught.value.passing) == ("CHECKSUM_MISMATCH", False)
