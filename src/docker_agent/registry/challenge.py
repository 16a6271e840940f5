"""What a registry wants to know: the `WWW-Authenticate` header. Pure."""

from __future__ import annotations

import re

import msgspec

_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')
_SCHEME = re.compile(r"\s*([A-Za-z]+)(?=\s|$)")


class Challenge(msgspec.Struct, frozen=True):
    """`scheme` is `basic` or `bearer`, or empty when there is none we know."""

    scheme: str = ""
    realm: str = ""
    service: str = ""
    scope: str = ""


def read_challenge(header: str) -> Challenge:
    """The first challenge of a header that can be met. Source: RFC 7235, and the token
    specification of the distribution registry."""
    found = _SCHEME.match(header)
    scheme = found[1].lower() if found else ""
    if scheme not in ("basic", "bearer"):
        return Challenge()
    values = {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
        for name, quoted, plain in _PARAMETER.findall(header[len(scheme) :])
    }
    if scheme == "bearer" and not values.get("realm"):
        return Challenge()
    return Challenge(
        scheme, values.get("realm", ""), values.get("service", ""), values.get("scope", "")
    )
