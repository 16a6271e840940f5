"""How often each caller may ask: one number per caller, no clock that ticks. Source:
`--rate-limit`.

A generic cell rate: every request moves its caller's clock on by one period; a clock that is ahead
by more than the burst has to wait until time has caught up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import msgspec

from docker_agent.errors import ConfigError, RequestError

FLAG = "--rate-limit"
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
MAX_CALLERS = 10_000
"""Clocks kept at a time; those that stand still are thrown out first."""


class Rate(msgspec.Struct, frozen=True):
    """`count` requests in `seconds`; all of them may come at once."""

    count: int
    seconds: float

    @property
    def period(self) -> float:
        """Seconds that one request is worth."""
        return self.seconds / self.count


def parse_rate(text: str) -> Rate | None:
    """`60/m`, `5/s`, `1000/h`, or a plain number per minute; `0` is None, no limit.

    Raises `ConfigError` (a usage error).
    """
    number, slash, unit = text.strip().partition("/")
    if not number.isdecimal() or not number.isascii() or (slash and unit not in _SECONDS):
        raise ConfigError(
            f"{FLAG} {text!r} is no rate; give requests per second, minute or hour, like 60/m",
            usage=True,
        )
    count = int(number)
    return Rate(count, _SECONDS[unit or "m"]) if count else None


class RateLimit:
    """Counts the requests of each caller."""

    def __init__(self, rate: Rate | None, *, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._now = now
        self._clocks: dict[str, float] = {}

    def __len__(self) -> int:
        """How many callers are remembered."""
        return len(self._clocks)

    def take(self, caller: str) -> tuple[tuple[bytes, bytes], ...]:
        """Count one request of `caller`; returns the headers that tell how many are left.

        Raises `RequestError` of kind `too_many_requests`, which says how long to wait.
        """
        rate = self._rate
        if rate is None:
            return ()
        now = self._now()
        clock = max(self._clocks.get(caller, now), now) + rate.period
        ahead = clock - now
        # The last bit of a sum of periods must not refuse a request that is allowed.
        if ahead > rate.seconds * (1 + 1e-9):
            raise RequestError(
                "too_many_requests",
                f"Too many requests: {rate.count} in {rate.seconds:.0f} s are allowed.",
                retry_after=ahead - rate.seconds,
            )
        if caller not in self._clocks and len(self._clocks) >= MAX_CALLERS:
            self._forget_idle(now)
        self._clocks[caller] = clock
        left = math.floor((rate.seconds - ahead) / rate.period + 1e-6)
        return (
            (b"x-ratelimit-limit-requests", str(rate.count).encode()),
            (b"x-ratelimit-remaining-requests", str(left).encode()),
            (b"x-ratelimit-reset-requests", f"{ahead:.3f}s".encode()),
        )

    def _forget_idle(self, now: float) -> None:
        self._clocks = {caller: clock for caller, clock in self._clocks.items() if clock > now}
