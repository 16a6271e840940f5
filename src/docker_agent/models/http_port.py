"""The narrow port for HTTP: POST a body, read the answer as it comes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Response(Protocol):
    """An answer whose head has arrived."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers; names in lower case."""
        ...

    async def read(self) -> bytes:
        """All bytes that have arrived since the last read, at least one; empty at the end.

        Raises `HttpError` when the connection broke before the end.
        """
        ...

    def at_end(self) -> bool:
        """Whether all of it was read; a look that waits for nothing."""
        ...


class Http(Protocol):
    """Sends requests; one per process, shared by all models."""

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[Response]:
        """POST `body`. Leaving the context before the end was read closes the connection.

        Raises `HttpError` when no answer came. Redirects are not followed.
        """
        ...

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        """GET, under the same rules."""
        ...
