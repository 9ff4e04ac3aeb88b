"""A registry, by its HTTP API (distribution-spec 1.1)."""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import httpx

from kea_oci.authorization import MAX_ANSWER_BYTES, Authorization, read_bounded
from kea_oci.blob_store import CHUNK_BYTES, BlobStore
from kea_oci.credentials import Credentials
from kea_oci.digest import digest_of
from kea_oci.documents import INDEXES, MANIFESTS, MAX_DOCUMENT_BYTES, Descriptor, check_kind
from kea_oci.errors import (
    BadImageDocument,
    BlobDamaged,
    ImageNotFound,
    RegistryDenied,
    RegistryRefused,
    RegistryUnavailable,
)
from kea_oci.reference import DEFAULT_REGISTRY, MAX_PORT, ImageReference

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
"""Of each step, in seconds: whole transfers take as long as they take, but never stand still."""
_HUB_HOST = "registry-1.docker.io"

Progress = Callable[[int], None]
"""Told how many bytes more were sent or received; less than none where they were in vain."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _patiently(call: Callable[_P, Awaitable[_T]]) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Makes a call that is tried again, a few times, where it fails in passing."""

    @functools.wraps(call)
    async def tried(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        for attempt in range(ATTEMPTS - 1):
            try:
                return await call(*args, **kwargs)
            except RegistryUnavailable as error:
                if error.retry_after is None:
                    raise
                pause = _pause(attempt, error.retry_after)
            await asyncio.sleep(pause)
        return await call(*args, **kwargs)

    return tried


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or an index, as a registry gave it."""

    descriptor: Descriptor
    content: bytes


class Registry:
    """One registry. What fails in passing (no connection or one that breaks off, 429, 5xx) is tried again, a few times.

    Args:
        name: `HOST` or `HOST:PORT`.
        credentials: None: nobody's.
        plain_http: without TLS, as registries of test clusters are.
        transport: how it is reached, for tests.
    """

    def __init__(
        self,
        name: str,
        credentials: Credentials | None = None,
        *,
        plain_http: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        host = _HUB_HOST if name == DEFAULT_REGISTRY else name
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT,
            transport=transport,
            # A blob is what its digest says as it is, not in a coding.
            headers={"user-agent": "kea", "accept-encoding": "identity"},
            event_hooks={"request": [_check_port]},
        )
        self._url = httpx.URL(f"{'http' if plain_http else 'https'}://{host}/v2/")
        self._authorization = Authorization(name, self._client, credentials, plain_http=plain_http)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    @_patiently
    async def document(self, image: ImageReference) -> Document:
        """Returns the manifest or the index that an image's name stands for, checked against its digest.

        Raises:
            ImageNotFound: there is none.
            BadImageDocument: it is neither, or not what it is served as.
            BlobDamaged: it is not what its digest says.
        """
        headers = {"accept": ", ".join(sorted(MANIFESTS | INDEXES))}
        path = f"{image.repository}/manifests/{image.version}"
        async with self._answer("GET", path, _pull(image.repository), headers) as response:
            if response.status_code == HTTPStatus.NOT_FOUND:
                raise ImageNotFound(str(image))
            await self._check(response)
            content = await read_bounded(response, MAX_DOCUMENT_BYTES)
            media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        if len(content) > MAX_DOCUMENT_BYTES or media_type not in MANIFESTS | INDEXES:
            expected = f"expected a manifest or an index of at most {MAX_DOCUMENT_BYTES} bytes"
            raise BadImageDocument(str(image), f"{expected}, got {media_type or 'nothing'!r}")
        found = digest_of(content)
        if image.digest and found != image.digest:
            raise BlobDamaged(image.digest, found)
        check_kind(content, media_type)
        return Document(Descriptor(media_type, found, len(content)), content)

    @_patiently
    async def has_blob(self, repository: str, blob: Descriptor) -> bool:
        """Returns whether a repository has a blob."""
        async with self._answer("HEAD", f"{repository}/blobs/{blob.digest}", _push(repository)) as response:
            if response.status_code == HTTPStatus.NOT_FOUND:
                return False
            await self._check(response)
            return True

    @_patiently
    async def pull_blob(
        self, repository: str, blob: Descriptor, store: BlobStore, progress: Progress = lambda _bytes: None
    ) -> None:
        """Brings a blob into a store, unless it is there.

        Raises:
            ImageNotFound: the registry does not have it.
            BlobDamaged: it is not what its digest and its size say.
        """
        if store.has(blob):
            return
        path = f"{repository}/blobs/{blob.digest}"
        async with self._answer("GET", path, _pull(repository)) as response:
            if response.status_code == HTTPStatus.NOT_FOUND:
                raise ImageNotFound(str(ImageReference(self.name, repository, digest=blob.digest)))
            await self._check(response)
            with store.draft(blob.digest) as draft:
                try:
                    async for chunk in response.aiter_raw(CHUNK_BYTES):
                        if draft.size + len(chunk) > blob.size:
                            raise BlobDamaged(blob.digest, f"{draft.size + len(chunk)} bytes")
                        await asyncio.to_thread(draft.write, chunk)
                        progress(len(chunk))
                except httpx.HTTPError:
                    progress(-draft.size)
                    raise
                if draft.size != blob.size:
                    raise BlobDamaged(blob.digest, f"{draft.size} bytes")

    @_patiently
    async def push_blob(
        self,
        repository: str,
        blob: Descriptor,
        path: Path,
        progress: Progress = lambda _bytes: None,
    ) -> None:
        """Uploads a blob. What breaks off leaves nothing: the upload is begun anew, or given up and cancelled.

        Raises:
            ImageNotFound: there is no such file.
            BlobDamaged: the file has another size than the blob.
        """
        name = str(ImageReference(self.name, repository, digest=blob.digest))
        content = _Content(path, blob, name, progress)
        headers = {"content-type": "application/octet-stream", "content-length": str(blob.size)}
        async with self._answer("POST", f"{repository}/blobs/uploads/", _push(repository)) as response:
            await self._check(response)
            place = self._place(response, digest=blob.digest)
        try:
            async with self._answer("PUT", place, _push(repository), headers, content) as response:
                await self._check(response)
        except BaseException:
            content.take_back()
            await asyncio.shield(self._cancel_upload(place, repository))
            raise

    @_patiently
    async def mount_blob(self, repository: str, blob: Descriptor, origin: str) -> bool:
        """Has the registry take a blob over from another of its repositories; returns whether it did."""
        path = f"{repository}/blobs/uploads/?mount={blob.digest}&from={origin}"
        scope = f"{_push(repository)} {_pull(origin)}"
        async with self._answer("POST", path, scope) as response:
            if response.status_code == HTTPStatus.CREATED:
                return True
            await self._check(response)
            place = self._place(response)
        await self._cancel_upload(place, repository)
        return False

    @_patiently
    async def push_document(self, repository: str, version: str, document: Document) -> None:
        """Puts a manifest or an index under a tag or its digest: from then on the image is there."""
        headers = {"content-type": document.descriptor.media_type}
        path = f"{repository}/manifests/{version}"
        async with self._answer("PUT", path, _push(repository), headers, document.content) as response:
            await self._check(response)

    async def _cancel_upload(self, place: httpx.URL, repository: str) -> None:
        try:
            async with self._answer("DELETE", place, _push(repository)):
                # Some registries know an upload only by how much of it they had when they last answered, and so
                # not this one. They forget uploads by themselves in the end.
                return
        except (RegistryUnavailable, RegistryDenied):
            return

    def _place(self, response: httpx.Response, **added: str) -> httpx.URL:
        try:
            place = response.url.join(response.headers["location"])
            place = place.copy_merge_params(added) if added else place
        except (KeyError, httpx.InvalidURL) as error:
            raise RegistryUnavailable(self.name, "it began an upload without saying where") from error
        if not self._is_here(place):
            # Ours is the token that would be sent there.
            raise RegistryUnavailable(self.name, f"it wants an upload sent to another host, {place.host}")
        return place

    def _is_here(self, url: httpx.URL) -> bool:
        return (url.scheme, url.host, url.port) == (self._url.scheme, self._url.host, self._url.port)

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str | httpx.URL,
        scope: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
    ) -> AsyncGenerator[httpx.Response]:
        """Gives the answer to one call; what httpx raises, now or in the block, is told as the registry's failure."""
        url = self._url.join(path)

        async def send(authorization: str | None) -> httpx.Response:
            sent = {**(headers or {}), **({"authorization": authorization} if authorization else {})}
            request = self._client.build_request(method, url, headers=sent, content=content)
            # Much of what registries have is elsewhere; what is sent to them is for them alone.
            return await self._client.send(request, stream=True, follow_redirects=method in {"GET", "HEAD"})

        try:
            response = await send(self._authorization.header(scope))
            try:
                # Whoever a redirect leads to is not asked where the credentials are to be shown.
                if response.status_code == HTTPStatus.UNAUTHORIZED and self._is_here(response.url):
                    challenge = response.headers.get("www-authenticate", "")
                    await response.aclose()
                    response = await send(await self._authorization.answer(challenge, scope))
                yield response
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            problem = f"it cannot be reached: {str(error) or type(error).__name__}"
            raise RegistryUnavailable(self.name, problem, retry_after="") from error

    async def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        status, told = response.status_code, ""
        try:
            told = _told(await read_bounded(response, MAX_ANSWER_BYTES))
        except httpx.HTTPError:
            told = "the answer broke off"
        problem = f"{status} {told}".strip()
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise RegistryDenied(self.name, problem)
        if status == HTTPStatus.TOO_MANY_REQUESTS or response.is_server_error:
            raise RegistryUnavailable(self.name, problem, retry_after=response.headers.get("retry-after", ""))
        if response.is_redirect:
            raise RegistryUnavailable(self.name, problem)
        raise RegistryRefused(self.name, problem)


def _pull(repository: str) -> str:
    return f"repository:{repository}:pull"


def _push(repository: str) -> str:
    return f"repository:{repository}:pull,push"


async def _check_port(request: httpx.Request) -> None:
    """Refuses what anyio, below httpx, ends in an OverflowError; token services and redirects name any port."""
    if (request.url.port or 0) > MAX_PORT:
        problem = f"{request.url.port} is no port"
        raise httpx.ConnectError(problem)


def _pause(attempt: int, asked: str) -> float:
    if asked.isdecimal():
        return min(float(asked), LONGEST_PAUSE_SECONDS)
    return min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1.5)  # noqa: S311 - no secret


def _told(content: bytes) -> str:
    """Returns what a registry says is wrong (distribution-spec, error codes)."""
    try:
        document: Any = json.loads(content)
        errors = cast("list[dict[str, Any]]", document["errors"])
        return "; ".join(f"{error.get('code', '')} {error.get('message', '')}".strip() for error in errors)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


class _Content:
    """A blob's file, from its beginning each time it is iterated over: what is answered with 401 is sent twice."""

    def __init__(self, path: Path, blob: Descriptor, name: str, progress: Progress) -> None:
        self._path = path
        self._blob = blob
        self._name = name
        self._progress = progress
        self._sent = 0

    def take_back(self) -> None:
        """Tells that what was sent was in vain."""
        self._progress(-self._sent)
        self._sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.take_back()
        while chunk := await asyncio.to_thread(self._read):
            if self._sent + len(chunk) > self._blob.size:
                break
            yield chunk
            self._sent += len(chunk)
            self._progress(len(chunk))
        if self._sent + len(chunk) != self._blob.size:
            raise BlobDamaged(self._blob.digest, f"{self._sent + len(chunk)} bytes")

    def _read(self) -> bytes:
        # Opened for each chunk: a thread cannot be cancelled, and would leave an open file to nobody.
        try:
            with self._path.open("rb") as file:
                file.seek(self._sent)
                return file.read(CHUNK_BYTES)
        except FileNotFoundError as error:
            raise ImageNotFound(self._name) from error
