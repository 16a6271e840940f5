"""What must not be kept of an exchange with a provider, nor given away: keys, wherever they
stand."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import overload
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

BLOT = "***"

KEPT_HEADERS = ("content-type", "retry-after", "retry-after-ms")
"""The headers of an answer that say how to read it; the rest may name accounts and sessions."""

MAX_MINTED = 16
"""Tokens made while we run that are kept to be blotted out: older ones have run out."""

MIN_SECRET = 6
"""Characters; a shorter text is no secret but a word."""

_SECRET_NAMES = re.compile(
    r"authorization|cookie|(api|access|secret|private|subscription)[-_]?key|token|secret|password"
    r"|signature|credential|^key$|^sig$",
    re.IGNORECASE,
)
_SECRET_SHAPES = re.compile(
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"
    r"|\bAIza[A-Za-z0-9_-]{30,}"
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|hf_|xox[abprs]-|gsk_|xai-|dckr_pat_|tgp_v1_|nvapi-)"
    r"[A-Za-z0-9_-]{16,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bABSK[A-Za-z0-9+/]{40,}={0,2}"
    r"|\bya29\.[A-Za-z0-9_-]{20,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
    re.DOTALL,
)


_SECRET_VARIABLE = re.compile(
    r"KEYS?$|KEY_ID$|API_?KEY|ACCESS_?KEY|PRIVATE_KEY|TOKENS?$|_TOKEN_|BEARER|SECRET|PASSW|PASSPHRASE"
    r"|_PASS$|_PAT$|_JWT$|CREDENTIAL",
    re.IGNORECASE,
)


def secret_values() -> list[str]:
    """The values of this process's variables that are secrets by name."""
    return [value for name, value in os.environ.items() if _SECRET_VARIABLE.search(name)]


def plain_environment() -> dict[str, str]:
    """This process's variables without those that are secrets by name: for child processes."""
    return {name: value for name, value in os.environ.items() if not _SECRET_VARIABLE.search(name)}


class Unshown(Sequence[str]):
    """Texts that no message may show: those known from the start, and those in `minted`, which
    grows when a token is made or changes while we run."""

    def __init__(self, *known: str | None, minted: Sequence[str] = ()) -> None:
        self._known = tuple(text for text in known if text)
        self._minted = minted

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return (*self._known, *self._minted)[index]

    def __len__(self) -> int:
        return len(self._known) + len(self._minted)


def mint(minted: list[str], *texts: str) -> None:
    """Keep texts as secrets, the newest `MAX_MINTED` of them; what is too short is a word."""
    minted.extend(text for text in texts if len(text) >= MIN_SECRET and text not in minted)
    del minted[:-MAX_MINTED]


def secrets_in(headers: Mapping[str, str]) -> set[str]:
    """The texts in a request's headers that are secrets, also without the word before them."""
    found: set[str] = set()
    for name, value in headers.items():
        if _SECRET_NAMES.search(name):
            found.update((value, value.partition(" ")[2]))
    return {text for text in found if len(text) >= MIN_SECRET}


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, and without what looks like one."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, BLOT)
    return _SECRET_SHAPES.sub(BLOT, text)


def scrubbed_url(url: str, secrets: Iterable[str]) -> str:
    """An address without a user, and without the values of parameters that hold keys."""
    parts = urlsplit(url)
    query = parts.query
    if query:
        pairs = [
            (name, BLOT if _SECRET_NAMES.search(name) else value)
            for name, value in parse_qsl(query, keep_blank_values=True)
        ]
        query = urlencode(pairs, safe="*:/,")
    host = parts.netloc.rpartition("@")[2]
    return scrubbed(urlunsplit((parts.scheme, host, parts.path, query, "")), secrets)


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that are kept."""
    return {name: headers[name] for name in KEPT_HEADERS if name in headers}
