"""API keys: whose they are, and a file of them that can be read again. Source: chat-server.md
§1, §4."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from docker_agent.errors import ConfigError, RequestError

FLAG = "--api-keys-file"
UNNAMED = "key:"
"""Begins the name of a caller whose key has none; no name of the file holds a colon."""


class Keys:
    """The keys that are let in, kept as digests; comparing takes the same time for every guess."""

    def __init__(self, keys: Iterable[str] = (), file: Path | None = None) -> None:
        """`keys` have no names; `file` holds `name:key` lines. Raises `ConfigError`."""
        self._given = {_digest(key.encode()): "" for key in keys}
        self._file = file
        self._named = self._read()

    @property
    def any(self) -> bool:
        """Whether a key is asked for."""
        return bool(self._given or self._file)

    def seal(self) -> bytes:
        """A secret that servers with the same keys share; of this process alone without keys."""
        known = b"".join(sorted((*self._given, *self._named)))
        return _digest(b"seal" + (known or secrets.token_bytes(32)))

    def reload(self) -> None:
        """Read the file again; raises `ConfigError` and keeps the old keys when it is broken."""
        self._named = self._read()

    def caller(self, headers: Mapping[bytes, bytes]) -> str:
        """A name for whoever holds the presented key; empty when no key is asked for.

        Raises `RequestError` of kind `invalid_api_key`.
        """
        if not self.any:
            return ""
        digest = _digest(_presented(headers))
        found = ""
        for known, name in (*self._given.items(), *self._named.items()):
            if hmac.compare_digest(known, digest):
                found = name or f"{UNNAMED}{known.hex()[:16]}"
        if not found:
            raise RequestError(
                "invalid_api_key",
                "A valid API key is needed: send it as 'Authorization: Bearer <key>'.",
            )
        return found

    def _read(self) -> dict[bytes, str]:
        if self._file is None:
            return {}
        try:
            mode = self._file.stat().st_mode
            text = self._file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(f"{FLAG} {self._file}: {getattr(exc, 'strerror', exc)}") from exc
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            raise ConfigError(f"{FLAG} {self._file}: everybody can read it; chmod 600 mends that")
        return dict(self._parsed(text))

    def _parsed(self, text: str) -> Iterable[tuple[bytes, str]]:
        names: set[str] = set()
        for number, line in enumerate(text.splitlines(), start=1):
            stripped = line.strip()
            if not stripped or stripped.startswith("#"):
                continue
            name, colon, key = (part.strip() for part in stripped.partition(":"))
            if not colon or not name or not key:
                raise ConfigError(f"{FLAG} {self._file}:{number}: is no name:key line")
            if name in names:
                raise ConfigError(f"{FLAG} {self._file}:{number}: '{name}' stands there twice")
            names.add(name)
            yield _digest(key.encode()), name
        if not names:
            raise ConfigError(f"{FLAG} {self._file}: it holds no key")


def shown_caller(caller: str) -> str:
    """A caller's name for people; nothing is told of a key without a name."""
    return caller.partition(":")[0]


def _presented(headers: Mapping[bytes, bytes]) -> bytes:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return token.strip()
    return headers.get(b"x-api-key") or headers.get(b"api-key") or b""


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
