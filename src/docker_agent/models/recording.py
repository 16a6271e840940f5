"""The HTTP client that writes down what it carries: each exchange becomes an entry of a
recording, without keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TextIO

from docker_agent.errors import ConfigError
from docker_agent.models import bedrock_frames
from docker_agent.models.cassette import HEAD, Interaction, written
from docker_agent.models.http_port import Http, Response
from docker_agent.models.scrub import (
    MIN_SECRET,
    kept_headers,
    scrubbed,
    scrubbed_url,
    secrets_in,
)

log = logging.getLogger(__name__)

MAX_KEPT = 64 * 1024 * 1024
"""Bytes of one answer; what is larger is not recorded."""


class Recording:
    """`Http` over another client. `secrets` are texts that never reach the file."""

    def __init__(self, http: Http, file: TextIO, secrets: Iterable[str] = ()) -> None:
        self._http = http
        self._file = file
        self._secrets = {text for text in secrets if len(text) >= MIN_SECRET}

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[Response]:
        return self._exchange("POST", self._http.post(url, headers, body), url, headers, body)

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        return self._exchange("GET", self._http.get(url, headers), url, headers, b"")

    @property
    def plain(self) -> Http:
        """The client below, whose exchanges nobody writes down."""
        return self._http

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        exchange: AbstractAsyncContextManager[Response],
        url: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> AsyncGenerator[Response]:
        async with exchange as response:
            heard = _Heard(response)
            try:
                yield heard
            except (asyncio.CancelledError, GeneratorExit):
                self._keep(method, url, headers, body, heard, cut=True)
                raise
            except Exception:
                self._keep(method, url, headers, body, heard)
                raise
            self._keep(method, url, headers, body, heard)

    def _keep(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        heard: _Heard,
        *,
        cut: bool = False,
    ) -> None:
        answer = heard.body
        if answer is None:
            log.warning("an answer of more than %d bytes is not recorded", MAX_KEPT)
            return
        secrets = self._secrets | secrets_in(headers)
        interaction = Interaction(
            method=method,
            url=scrubbed_url(url, secrets),
            body=scrubbed(body.decode("utf-8", "replace"), secrets),
            code=heard.status,
            headers=kept_headers(heard.headers),
            answer=_scrubbed_answer(answer, heard.headers, secrets),
            cut=cut,
        )
        self._file.write(written(interaction))
        self._file.flush()


def unrecorded(http: Http) -> Http:
    """The client for exchanges that belong into no recording: signing in, where both question and
    answer are secrets, and a replay needs neither."""
    return http.plain if isinstance(http, Recording) else http


def _scrubbed_answer(body: bytes, headers: Mapping[str, str], secrets: Iterable[str]) -> bytes:
    """An answer without secrets; the frames of a binary stream stay whole."""
    if headers.get("content-type", "").startswith(bedrock_frames.CONTENT_TYPE):
        return bedrock_frames.rewritten(body, lambda text: _scrubbed_text(text, secrets))
    return _scrubbed_bytes(body, secrets)


def _scrubbed_text(text: bytes, secrets: Iterable[str]) -> bytes:
    return scrubbed(text.decode(errors="surrogateescape"), secrets).encode(errors="surrogateescape")


def _scrubbed_bytes(body: bytes, secrets: Iterable[str]) -> bytes:
    try:
        return scrubbed(body.decode(), secrets).encode()
    except UnicodeDecodeError:
        return body


class _Heard:
    """A `Response` that remembers what was read of it."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._pieces: list[bytes] = []
        self._size = 0
        self.status = response.status
        self.headers = response.headers

    @property
    def body(self) -> bytes | None:
        """What was read; None when it was too much to keep."""
        return b"".join(self._pieces) if self._size <= MAX_KEPT else None

    async def read(self) -> bytes:
        piece = await self._response.read()
        self._size += len(piece)
        if self._size > MAX_KEPT:
            self._pieces.clear()
        else:
            self._pieces.append(piece)
        return piece

    def at_end(self) -> bool:
        return self._response.at_end()


@contextmanager
def open_recording(path: Path, http: Http, secrets: Iterable[str]) -> Generator[Recording]:
    """A client that records into a new file at `path`; every exchange is there as soon as it has
    ended. Raises `ConfigError` when the file cannot be made, or holds something already."""
    try:
        if path.exists() and path.stat().st_size > len(HEAD):
            raise ConfigError(
                f"{path} holds a recording already; name another file, or remove this one first"
            )
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as exc:
        raise ConfigError(f"the recording {path} cannot be made: {exc.strerror or exc}") from exc
    with file:
        path.chmod(0o600)
        file.write(HEAD)
        file.flush()
        yield Recording(http, file, secrets)
