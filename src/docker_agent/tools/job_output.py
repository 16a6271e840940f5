"""What background jobs write: the newest of it each, and bounded for all of them together."""

from __future__ import annotations

from collections import deque

import anyio

from docker_agent.tools.processes import MAX_OUTPUT, output_text

MAX_TOTAL = 128 * 1024 * 1024
"""Bytes of all jobs together; beyond, the job that holds most loses its oldest."""

MAX_RATE = 10_000_000
"""Bytes a second that are read of one job: one that floods waits, not the server."""

_BLOCK = 65_536
_SMALL = 4096
"""Bytes of a piece that need no waiting."""

_CUT_LINE = 4096
"""Bytes left out after a cut where no line ends: what was cut in two there is nobody's to see."""


class Outputs:
    """The output of many jobs: at most `total` bytes of all and `each` of one. `held` is what it
    holds."""

    def __init__(self, total: int = MAX_TOTAL, each: int = MAX_OUTPUT) -> None:
        self.held = 0
        self._total = total
        self._each = each
        self._rings: set[Ring] = set()

    def open(self) -> Ring:
        """A place for the output of one more job."""
        ring = Ring(self)
        self._rings.add(ring)
        return ring

    def close(self, ring: Ring) -> None:
        """Forget the output of a job."""
        if ring in self._rings:
            self._rings.discard(ring)
            ring.full = True
            ring.drop(ring.size)

    def fit(self, ring: Ring) -> None:
        """Drop what is too much after `ring` grew."""
        ring.drop(ring.size - self._each)
        if self.held > self._total:
            largest = max(self._rings, key=lambda each: each.size)
            largest.drop(self.held - self._total)


class Ring:
    """The newest output of one job, in blocks; `cut` says that older output is gone, `full` that
    nobody wants any more."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._blocks: deque[bytearray] = deque()
        self.size = 0
        self.cut = False
        self.full = False

    async def take(self, chunk: bytes, *, late: bool = False) -> None:
        """Add what came next, and wait a little after much of it."""
        if self.full:
            return
        if not self._blocks or len(self._blocks[-1]) + len(chunk) > _BLOCK:
            self._blocks.append(bytearray())
        self._blocks[-1] += chunk
        self._count(len(chunk))
        self._outputs.fit(self)
        if len(chunk) > _SMALL:
            await anyio.sleep(len(chunk) / MAX_RATE)

    def drop(self, count: int) -> None:
        """Lose so many of the oldest bytes; none when that is not above 0."""
        while count > 0 and self._blocks:
            oldest = self._blocks[0]
            gone = min(count, len(oldest))
            del oldest[:gone]
            if not oldest:
                self._blocks.popleft()
            count -= gone
            self._count(-gone)
            self.cut = True

    def text(self) -> str:
        """All of it as text; after a cut, from the next whole line on."""
        whole = b"".join(self._blocks)
        if self.cut:
            end = whole.find(b"\n", 0, _BLOCK)
            whole = whole[end + 1 :] if end >= 0 else whole[_CUT_LINE:]
        return output_text(whole)

    def _count(self, more: int) -> None:
        self.size += more
        self._outputs.held += more
