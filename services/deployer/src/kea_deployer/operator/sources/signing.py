"""Signatures of requests to S3 (AWS Signature Version 4). Pure.

Written out because it is forty lines, tested against Amazon's published example; botocore, which the registry has by
s3fs, would come into the deployer's image for them alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from kea_deployer.operator.sources.credentials import S3Credentials

EMPTY_BODY = hashlib.sha256(b"").hexdigest()


def object_url(credentials: S3Credentials, bucket: str, key: str) -> str:
    """Returns where an object is: below its bucket's name at Amazon's, below the endpoint's address elsewhere."""
    path = quote(key, safe="/-._~")
    if credentials.endpoint:
        return f"{credentials.endpoint.rstrip('/')}/{quote(bucket, safe='-._~')}/{path}"
    if "." in bucket:  # a certificate for *.s3.amazonaws.com does not cover it
        return f"https://s3.{credentials.region}.amazonaws.com/{bucket}/{path}"
    return f"https://{bucket}.s3.{credentials.region}.amazonaws.com/{path}"


def signed_headers(
    credentials: S3Credentials, method: str, url: str, now: datetime, more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Returns the headers of a request without a body."""
    parts = urlsplit(url)
    time = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc, "x-amz-content-sha256": EMPTY_BODY, "x-amz-date": time, **(more or {})}
    if not credentials.access_key:
        return {name: value for name, value in headers.items() if name != "x-amz-date"}
    if credentials.session_token.reveal():
        headers["x-amz-security-token"] = credentials.session_token.reveal()
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        [method, parts.path, "", *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, EMPTY_BODY]
    )
    scope = f"{time[:8]}/{credentials.region}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret_key.reveal()}".encode()
    for part in (time[:8], credentials.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"{credentials.access_key}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return headers
