"""Static files: the portal's own and Swagger UI's, in memory, under addresses that change with their content."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

from kea_gateway.portal.responses import problem_response

_OWN = ("portal.css", "reference.css", "portal.js", "reference.js", "session.js", "favicon.svg")
_SWAGGER_UI = ("swagger-ui.css", "swagger-ui-bundle.js")
_FOREVER = "public, max-age=31536000, immutable"
_DIGEST_CHARACTERS = 12


@dataclass(slots=True)
class Asset:
    """One file."""

    content: bytes
    media_type: str
    digest: str
    _compressed: bytes | None = field(default=None)

    def compressed(self) -> bytes:
        """Returns the file gzipped; that is done once, when it is first wanted."""
        if self._compressed is None:
            self._compressed = gzip.compress(self.content, 6, mtime=0)
        return self._compressed


class Assets:
    """All static files, by name."""

    def __init__(self) -> None:
        own = resources.files("kea_gateway.portal") / "static"
        swagger_ui = resources.files("swagger_ui") / "static"
        self._assets = {name: _asset(name, (own / name).read_bytes()) for name in _OWN}
        self._assets |= {name: _asset(name, (swagger_ui / name).read_bytes()) for name in _SWAGGER_UI}

    def url(self, name: str) -> str:
        """Returns the address of a file. It is the same for all projects, so that browsers keep it once."""
        return f"/docs/assets/{self._assets[name].digest}/{name}"

    async def serve(self, request: Request) -> Response:
        """Serves `/docs/assets/{digest}/{name}`."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None or asset.digest != request.path_params["digest"]:
            return problem_response(HTTPStatus.NOT_FOUND, "ASSET_NOT_FOUND", "there is no such file")
        headers = {"cache-control": _FOREVER, "vary": "Accept-Encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(asset.content, headers=headers, media_type=asset.media_type)
        headers["content-encoding"] = "gzip"
        return Response(asset.compressed(), headers=headers, media_type=asset.media_type)


def _asset(name: str, content: bytes) -> Asset:
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Asset(content, media_type, hashlib.sha256(content).hexdigest()[:_DIGEST_CHARACTERS])
