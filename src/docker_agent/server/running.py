"""How many runs there are now, and whether one more may begin."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from docker_agent.errors import RequestError


class Running:
    """Counts runs; a new one is refused above a limit and while the server drains."""

    def __init__(self) -> None:
        self.count = 0
        self.draining = False

    def drain(self) -> None:
        """Let no further run begin."""
        self.draining = True

    @contextmanager
    def enter(self, limit: int) -> Generator[None]:
        """Around one run. Raises `RequestError`; `limit` 0 is none."""
        if self.draining:
            raise RequestError("draining", "The server is shutting down; try another one.")
        if limit and self.count >= limit:
            raise RequestError(
                "too_many_requests",
                f"The server already answers {limit} requests at once; try again shortly.",
            )
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
