"""Signature Version 4 as a server checks it: written from its description, not with the library
that signs. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)"
    r"/(?P<service>[^/]+)/aws4_request, SignedHeaders=(?P<names>[^,]+)"
    r", Signature=(?P<signature>[0-9a-f]{64})"
)
_SKEW = timedelta(minutes=5)


def fault_of(
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    keys: Mapping[str, tuple[str, str]],
    service: str,
) -> str:
    """What is wrong with a request's signature, "" when nothing is.

    `keys` are secret and session token ("" for none) by access key; names of `headers` are lower
    case.
    """
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None:
        return "MissingAuthenticationToken"
    secret, token = keys.get(found["key"], ("", ""))
    if not secret or headers.get("x-amz-security-token", "") != token:
        return "UnrecognizedClient"
    stamp = headers.get("x-amz-date", "")
    made = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(datetime.now(UTC) - made) > _SKEW or stamp[:8] != found["day"]:
        return "RequestExpired"
    names = found["names"].split(";")
    needed = {"host", "x-amz-date", *(("x-amz-security-token",) if token else ())}
    if not needed <= set(names) or names != sorted(names) or found["service"] != service:
        return "IncompleteSignature"
    path, _, query = target.partition("?")
    canonical = "\n".join(
        [
            method,
            quote(path, safe="/-_.~"),
            "&".join(sorted(query.split("&"))) if query else "",
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{found['day']}/{found['region']}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (found["day"], found["region"], service, "aws4_request"):
        key = _hmac(key, part)
    right = hmac.compare_digest(_hmac(key, text).hex(), found["signature"])
    return "" if right else "InvalidSignature"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
