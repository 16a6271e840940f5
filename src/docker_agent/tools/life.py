"""What starts slowly, kept alive: begun in the background, waited for a while, started again when
it ends."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, Literal, TypeVar, cast

import msgspec

from docker_agent.config.toolset import Lifecycle
from docker_agent.errors import ToolError
from docker_agent.tools.port import READY, Status

log = logging.getLogger(__name__)

Held = TypeVar("Held")

PATIENCE = 10.0
"""Seconds that a run waits for a toolset that is starting, where its file sets no
`startup_timeout` (runtime.md §8.7)."""

REQUIRED_PATIENCE = 30.0
"""Seconds that the start of the server waits for a required toolset without `startup_timeout`."""

RESTART_PATIENCE = 35.0
"""Seconds that a call waits for a toolset that is starting again (runtime.md §8.7)."""

QUICK_STARTS = 3
QUICK_PAUSE = 0.2
"""Starts in a row, and the seconds between them, before one counts as failed (runtime.md §10.4)."""

PAUSES = (5.0, 15.0, 60.0)
"""Seconds before what could not start is tried again (runtime.md §8.4)."""

HEALTHY = 60.0
"""Seconds of life after which earlier restarts are forgotten."""

RENEWABLE = 1.0
"""Seconds of life after which a session that was forgotten by its server is opened anew at once."""

CLOSE_SECONDS = 2.0
"""How long one life may take to end by itself, and once more when it is cancelled."""

DEFAULT_MAX_RESTARTS = 5

MAX_TOLD = 300
"""Characters of somebody else's words in a message."""


class Policy(msgspec.Struct, frozen=True):
    """How something is started and restarted; times in seconds.

    `startup_timeout` bounds one start (None: nothing does). `max_restarts` -1 sets no bound; waits
    between restarts begin at `initial` and grow by `multiplier` up to `longest`, varied by the
    share `jitter`. Source: runtime.md §8.7.
    """

    required: bool = False
    startup_timeout: float | None = None
    restart: Literal["never", "on_failure", "always"] = "on_failure"
    max_restarts: int = DEFAULT_MAX_RESTARTS
    initial: float = 1.0
    longest: float = 32.0
    multiplier: float = 2.0
    jitter: float = 0.0

    @property
    def patience(self) -> float:
        """Seconds that a run waits for a start."""
        return PATIENCE if self.startup_timeout is None else self.startup_timeout


def policy_of(lifecycle: Lifecycle, *, remote: bool) -> Policy:
    """The policy a `lifecycle` block asks for. Remote servers close idle connections cleanly, so
    for them `on_failure` is `always`. Source: agent-file.md §2.9.1, runtime.md §8.7."""
    strict = lifecycle.profile == "strict"
    timeout = lifecycle.startup_timeout
    if timeout is None and strict:
        timeout = REQUIRED_PATIENCE
    restart = lifecycle.restart or ("on_failure" if lifecycle.profile == "resilient" else "never")
    if remote and restart == "on_failure":
        restart = "always"
    return Policy(
        required=strict if lifecycle.required is None else lifecycle.required,
        startup_timeout=timeout or None,
        restart=restart,
        max_restarts=lifecycle.max_restarts or DEFAULT_MAX_RESTARTS,
        initial=lifecycle.backoff.initial,
        longest=lifecycle.backoff.max,
        multiplier=lifecycle.backoff.multiplier,
        jitter=lifecycle.backoff.jitter,
    )


class StartError(Exception):
    """A start failed. `reason` is for everybody, `detail` for the log alone; `lasting` ones are
    not tried again, `slow` ones not at once."""

    def __init__(
        self, reason: str, *, lasting: bool = False, slow: bool = False, detail: str = ""
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting
        self.slow = slow
        self.detail = detail


class End(msgspec.Struct, frozen=True):
    """How a life ended: `clean` when nothing went wrong, `renew` when another one is to follow at
    once; `detail` is for the log alone."""

    reason: str
    clean: bool = False
    renew: bool = False
    detail: str = ""


Ended = Callable[[End], None]
Open = Callable[[Ended], AbstractAsyncContextManager[Held]]
"""Opens what is to be kept alive, and is told whom to tell when it ends by itself."""


class Life(Generic[Held]):
    """One thing kept alive: each life is entered and left by one task, a new one each time."""

    def __init__(
        self,
        name: str,
        open: Open[Held],
        policy: Policy,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` is what messages call it, `now` a clock in seconds."""
        self.policy = policy
        self.status = Status("starting")
        self._name = name
        self._open = open
        self._now = now
        self._held: Held | None = None
        self._end: asyncio.Future[End] | None = None
        self._news = asyncio.Event()
        self._wanted = asyncio.Event()
        self._resting: Literal["", "until wanted", "for a while", "for good"] = ""
        self._owner: asyncio.Task[None] | None = None

    @property
    def held(self) -> Held | None:
        """What is alive now."""
        return self._held

    def start(self) -> None:
        """Begin; waits for nothing."""
        if self._owner is None:
            self._owner = asyncio.create_task(self._live())
            self._owner.add_done_callback(self._fell)

    async def get(self, patience: float) -> Held:
        """What is alive, once it is. Raises `ToolError` when it is not within `patience` seconds,
        or nobody is trying."""
        if self._held is None:
            await self._wait(patience)
        if self._held is None:
            raise ToolError(self.status.reason or "it is still starting")
        return self._held

    def renew(self, held: Held) -> None:
        """Put another one in the place of `held`, which is of no use any more."""
        if held is self._held:
            self._finish(End("it is opened anew", renew=True))

    async def close(self) -> None:
        """End it, and wait until it has ended."""
        owner = self._owner
        if owner is None or owner.done():
            return
        self._resting = "for good"
        if self._held is None:
            owner.cancel()
        self._finish(End("the server stops", clean=True))
        for _ in range(2):
            done, _ = await asyncio.wait({owner}, timeout=CLOSE_SECONDS)
            if done:
                return
            owner.cancel()

    async def _wait(self, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                while self._held is None:
                    if self._resting == "until wanted":
                        self._resting = ""
                        self._wanted.set()
                    elif self._resting:
                        return
                    await self._news.wait()
        except TimeoutError:
            return

    async def _live(self) -> None:
        restarts, failures = 0, 0
        while True:
            began = self._now()
            end = await self._lived()
            if self._resting == "for good":
                return
            if isinstance(end, StartError):
                failures += 1
                if end.lasting or not await self._after_failure(end, restarts, failures):
                    self._give_up(end.reason, end.detail)
                    return
                restarts += bool(restarts)
                continue
            failures = 0
            lived = self._now() - began
            if end.renew and lived >= RENEWABLE:
                self.status = Status("degraded", "it is being opened anew")
                continue
            restarts = 1 if lived >= HEALTHY else restarts + 1
            if not await self._after_end(end, restarts):
                self._give_up(f"it ended and stays so: {end.reason}", end.detail)
                return

    async def _lived(self) -> End | StartError:
        """One life, in a task of its own: what task groups that broke leave behind, a cancellation
        that comes late, ends with it."""
        outcome: list[End | StartError] = []

        async def live() -> None:
            outcome.append(await self._one_life())

        task = asyncio.create_task(live())
        try:
            await asyncio.wait({task})
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=CLOSE_SECONDS)
        if not outcome and not task.cancelled() and (fault := task.exception()) is not None:
            raise fault
        return outcome[0] if outcome else End("it broke off")

    async def _one_life(self) -> End | StartError:
        """Open, hold until the end, close. Answers how that went."""
        end: End | None = None
        limit = asyncio.timeout(self.policy.startup_timeout)
        self._end = asyncio.get_running_loop().create_future()
        started = False
        try:
            async with limit, self._open(self._finish) as held:
                limit.reschedule(None)
                started = True
                self._publish(held)
                try:
                    end = await self._end
                finally:
                    self._held = None
        except Exception as exc:
            log.debug("%s: it ended with an error", self._name, exc_info=exc)
            if not started:
                return self._problem(exc, late=limit.expired())
            if end is None:
                end = self._end.result() if self._end.done() else End(told(first(exc)))
        assert end is not None
        return end

    def _problem(self, exc: Exception, *, late: bool) -> StartError:
        if late:
            seconds = self.policy.startup_timeout
            return StartError(f"it did not start within {seconds:g} seconds", slow=True)
        cause = first(exc)
        return cause if isinstance(cause, StartError) else StartError(told(cause))

    def _publish(self, held: Held) -> None:
        self._held = held
        self.status = READY
        self._tell()
        log.info("%s is ready", self._name)

    def _finish(self, end: End) -> None:
        """Note how this life ended; the first word counts. From now on nobody gets it."""
        if self._end is not None and not self._end.done():
            self._end.set_result(end)
            self._held = None

    async def _after_failure(self, exc: StartError, restarts: int, failures: int) -> bool:
        """Wait before a start that failed is tried again; false when it is not to be."""
        if restarts:
            return await self._restart(End(exc.reason, detail=exc.detail), restarts + 1)
        if failures < QUICK_STARTS and not exc.slow:
            await asyncio.sleep(QUICK_PAUSE)
            return True
        if self.status.state != "failed":
            _warn(self._name, f"it could not be started: {exc.reason}", exc.detail)
        self.status = Status("failed", exc.reason)
        self._resting = "for a while"
        self._tell()
        await asyncio.sleep(PAUSES[min(max(0, failures - QUICK_STARTS), len(PAUSES) - 1)])
        self._resting = ""
        return True

    async def _after_end(self, end: End, restarts: int) -> bool:
        """Wait before the next life; false when there is to be none."""
        if self.policy.restart == "never":
            return False
        if end.clean and self.policy.restart == "on_failure":
            return await self._rest(Status("degraded", f"{end.reason}; the next use starts it"))
        return await self._restart(end, restarts)

    async def _restart(self, end: End, restarts: int) -> bool:
        policy = self.policy
        if 0 <= policy.max_restarts < restarts:
            times = f"after {policy.max_restarts} restarts: {end.reason}"
            _warn(self._name, f"it is given up {times}", end.detail)
            self._resting = "for a while"
            self.status = Status("failed", times)
            self._tell()
            await asyncio.sleep(PAUSES[-1])
            return await self._rest(self.status)
        pause = min(policy.longest, policy.initial * policy.multiplier ** (restarts - 1))
        pause *= 1 + policy.jitter * random.uniform(-1, 1)
        _warn(self._name, f"{end.reason}; it is started again in {pause:.1f} seconds", end.detail)
        self.status = Status("degraded", f"it is started again: {end.reason}")
        await asyncio.sleep(pause)
        return True

    async def _rest(self, status: Status) -> bool:
        """Wait until somebody asks for it."""
        self.status = status
        self._wanted.clear()
        self._resting = "until wanted"
        self._tell()
        await self._wanted.wait()
        return True

    def _give_up(self, reason: str, detail: str) -> None:
        self.status = Status("failed", reason)
        self._resting = "for good"
        self._tell()
        _warn(self._name, reason, detail, logging.ERROR)

    def _fell(self, owner: asyncio.Task[None]) -> None:
        """A fault of ours must not leave anybody waiting."""
        if not owner.cancelled() and (fault := owner.exception()) is not None:
            log.error("%s: internal error", self._name, exc_info=fault)
            self.status = Status("failed", "internal error")
            self._resting = "for good"
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def first(exc: BaseException) -> BaseException:
    """What an exception group began with; a `StartError` in it tells most."""
    found = leaves(exc)
    return next((each for each in found if isinstance(each, StartError)), found[0])


def leaves(exc: BaseException) -> list[BaseException]:
    """The exceptions of a group and of the groups in it."""
    if not isinstance(exc, BaseExceptionGroup):
        return [exc]
    group = cast("BaseExceptionGroup[BaseException]", exc)
    return [leaf for each in group.exceptions for leaf in leaves(each)]


def told(exc: BaseException) -> str:
    """What went wrong, on one short line."""
    text = " ".join(str(exc).split())[:MAX_TOLD]
    return text or type(exc).__name__


def _warn(name: str, text: str, detail: str, level: int = logging.WARNING) -> None:
    log.log(level, "%s: %s%s", name, text, f"\n{detail}" if detail else "")
