"""How many runs there are now, and whether one more may begin."""

from __future__ import annotations

from docker_agent.errors import RequestError


class Running:
    """Counts runs; a new one is refused above a limit and while the server drains."""

    def __init__(self) -> None:
        self.count = 0
        self.draining = False

    def drain(self) -> None:
        """Let no further run begin."""
        self.draining = True

    def enter(self, limit: int) -> Running:
        """Around one run, as a context. Raises `RequestError`; `limit` 0 is none."""
        if self.draining:
            raise RequestError("draining", "The server is shutting down; try another one.")
        if limit and self.count >= limit:
            raise RequestError(
                "too_many_requests",
                f"The server already answers {limit} requests at once; try again shortly.",
            )
        return self

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *exc: object) -> None:
        self.count -= 1
