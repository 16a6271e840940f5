"""One strategy at work: its documents indexed in the background, and again when they change.

Source: runtime.md §14.2.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping

from docker_agent.errors import ToolError
from docker_agent.tools.life import CLOSE_SECONDS, PAUSES, first, told
from docker_agent.tools.rag.database import Unusable
from docker_agent.tools.rag.files import Docs, Document, Found, Stamp, Text, read_text
from docker_agent.tools.rag.gentle import off_loop
from docker_agent.tools.rag.lent import Refused
from docker_agent.tools.rag.store import Changed, Made
from docker_agent.tools.rag.strategy import Strategy

log = logging.getLogger(__name__)

WATCH_SECONDS = 2.0
"""Between two looks at the documents; what changes must stay the same from one to the next before
it is indexed (runtime.md §14.2)."""

TOGETHER = 400
"""Files and pieces that are written in one transaction."""

USED_SECONDS = 6 * 3600.0
"""How often an index is said to be in use, which keeps other servers from deleting it."""

WATCH_SHARE = 50
"""How many times longer than a look the pause after it is at least: looking at very many files must
not keep the machine busy."""


class Index:
    """The index of one strategy. `settled` is set once the first pass is over, well or not;
    `reason` says what is wrong (empty: nothing)."""

    def __init__(self, name: str, strategy: Strategy, docs: Docs) -> None:
        """`name` is what messages call the source."""
        self.strategy = strategy
        self.settled = asyncio.Event()
        self.ready = False
        self.reason = ""
        self.done = self.total = 0
        self.documents: Mapping[str, Document] = {}
        self._label = f"rag {name} ({strategy.type})"
        self._docs = docs
        self._seen: dict[str, Stamp] = {}
        self._had = False
        self._made: list[Made] = []
        self._keeping = asyncio.Lock()
        self._opened = self._stale = False
        self._renewed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; waits for nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._live())
            self._task.add_done_callback(self._fell)

    async def close(self) -> None:
        """End it, and wait until it has ended."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)

    def renew(self) -> None:
        """Another model answers now than the one that made the index: build it anew."""
        self._stale = True
        self.ready = False
        self.settled.clear()
        self._renewed.set()

    async def _live(self) -> None:
        failures = 0
        while True:
            look: Found | None = None
            try:
                await self._open()
                look = await self._pass()
            except* (Unusable, Refused, Changed) as group:
                problem = first(group)
                self._failed(problem)
                failures += 1
            if look is None:
                if not self._stale or failures > 1:
                    await asyncio.sleep(PAUSES[min(failures, len(PAUSES)) - 1])
                continue
            failures = 0
            await self._change(look)

    async def _open(self) -> None:
        """Make what is needed to begin, once, and let go of what is of no use any more."""
        if not self._opened:
            await off_loop(self.strategy.store.open)
            self._opened = True
            for empty in await off_loop(lambda _: [*self._docs.empty()]):
                log.warning("%s", empty)
        if self._stale:
            await off_loop(self.strategy.store.clear)
            self._seen.clear()
            self._stale = False
        self._renewed.clear()

    async def _pass(self) -> Found:
        """Bring the index to what the documents are now."""
        store = self.strategy.store
        look = await off_loop(self._docs.look)
        known = await off_loop(store.known)
        self._had = bool(known)
        gone = [path for path in known if path not in look.documents]
        if gone:
            await off_loop(lambda gentle: store.forget(gone, gentle))
        changed = [
            document
            for path, document in look.documents.items()
            if self._seen.get(path) != document.stamp or path not in known
        ]
        self._seen = {path: seen for path, seen in self._seen.items() if path in look.documents}
        self.documents = look.documents
        self.total, self.done = len(look.documents), len(look.documents) - len(changed)
        left_out: Counter[str] = Counter()
        waiting = iter(changed)
        self._made = []
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.strategy.at_once, len(changed))):
                    group.create_task(self._work(waiting, known, left_out))
        except* (Refused, Unusable):
            await self._keep()
            raise
        await self._keep()
        self._succeeded(look, len(changed) + len(gone), left_out)
        return look

    async def _work(
        self, waiting: Iterator[Document], known: Mapping[str, bytes], left_out: Counter[str]
    ) -> None:
        for document in waiting:
            problem = await self._update(document, known.get(document.place.real))
            if problem:
                left_out[problem] += 1
                log.debug("%s: %s is left out: %s", self._label, document.shown, problem)
            self.done += 1
            if sum(1 + len(made.pieces) for made in self._made) >= TOGETHER:
                await self._keep()

    async def _keep(self) -> None:
        """Write what was made since the last time."""
        async with self._keeping:
            made, self._made = self._made, []
            if made:
                await off_loop(lambda gentle: self.strategy.store.keep(made, gentle))
            self._seen |= {each.document.place.real: each.document.stamp for each in made}

    async def _update(self, document: Document, known: bytes | None) -> str:
        """Index one document unless it is what it was; why it is left out, or nothing."""
        store = self.strategy.store
        try:
            found: Text = await off_loop(lambda _: read_text(document))
        except ToolError as exc:
            if known is not None:
                await off_loop(lambda gentle: store.forget([document.place.real], gentle))
            self._seen[document.place.real] = document.stamp
            return str(exc).removeprefix(": ")
        if found.digest == known:
            self._seen[document.place.real] = document.stamp
            return found.problem
        problem = found.problem
        try:
            pieces = await self.strategy.prepare(document, found.text)
        except Refused as exc:
            if not exc.input:
                raise
            problem, pieces = str(exc), ()
        self._made.append(Made(document, found.digest, pieces))
        return problem

    async def _change(self, last: Found) -> None:
        """Wait until the documents are others than those of the last look, and stay so for a
        while."""
        before = _stamps(last)
        changing: Mapping[str, Stamp] | None = None
        pause, told_at = WATCH_SECONDS, time.monotonic()
        while not await self._renewed_within(pause):
            began = time.monotonic()
            now = _stamps(await off_loop(self._docs.look))
            pause = max(WATCH_SECONDS, WATCH_SHARE * (time.monotonic() - began))
            if now == changing or began - told_at > USED_SECONDS:
                return
            changing = None if now == before else now

    async def _renewed_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._renewed.wait()
        except TimeoutError:
            return False

    def _succeeded(self, look: Found, changes: int, left_out: Counter[str]) -> None:
        self.ready = True
        self.reason = look.limited
        self.settled.set()
        if not changes and not left_out:
            log.debug("%s: nothing has changed", self._label)
            return
        without = "".join(f"; {count} left out: {why}" for why, count in left_out.most_common(3))
        kept = self.total - left_out.total()
        log.info("%s: %d files are indexed, %d changed%s", self._label, kept, changes, without)
        if look.limited:
            log.warning("%s: %s", self._label, look.limited)

    def _failed(self, problem: BaseException) -> None:
        reason = told(problem)
        if isinstance(problem, Changed):
            self._stale, self.ready = True, False
            log.warning("%s: built anew, as another model answers: %s", self._label, reason)
            return
        if reason != self.reason:
            log.warning("%s: indexing failed and is tried again: %s", self._label, reason)
        self.reason = reason
        self.ready = self.ready or self._had
        self.settled.set()

    def _fell(self, task: asyncio.Task[None]) -> None:
        """A fault of ours must not leave anybody waiting."""
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("%s: internal error", self._label, exc_info=fault)
            self.reason = "internal error"
            self.settled.set()


def _stamps(found: Found) -> Mapping[str, Stamp]:
    return {path: document.stamp for path, document in found.documents.items()}
