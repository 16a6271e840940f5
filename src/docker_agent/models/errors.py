"""What can go wrong between us and a provider's socket."""

from __future__ import annotations


class HttpError(Exception):
    """An exchange failed. `transient`: another try may succeed; `stalled`: the peer went silent."""

    def __init__(self, message: str, *, transient: bool, stalled: bool = False) -> None:
        super().__init__(message)
        self.transient = transient
        self.stalled = stalled
