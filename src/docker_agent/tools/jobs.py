"""Commands that outlive the call that started them: whose they are, how many, how long.

A job is a process, not state in a turn, so nothing here is rolled back: what belongs to a run
alone, or to a turn that failed, is ended instead.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from docker_agent.errors import ToolError
from docker_agent.tools.job_output import Outputs, Ring
from docker_agent.tools.processes import Command, follow

log = logging.getLogger(__name__)

MAX_RUNNING = 10
"""Jobs of one conversation, or of one run without any, that run at once."""

MAX_RUNNING_IN_ALL = 100
"""Jobs of a server that run at once."""

MAX_KEPT = 50
"""Jobs of one conversation of which output is kept; the oldest that have ended go."""

IDLE_SECONDS = 30 * 60.0
"""How long the jobs of a conversation live in which nobody asks anything."""

SWEEP_SECONDS = 0.5
"""Between two looks for conversations that are over or idle."""

STOP_SECONDS = 10.0
"""How long an end is waited for; it goes on by itself then."""

JobStatus = Literal["running", "completed", "stopped", "failed"]


class Owner(msgspec.Struct, frozen=True):
    """Whose jobs: of which toolset (`home`), caller, and conversation. `owner` is the name of the
    conversation, or of the run where there is none; only conversations are `lasting`."""

    home: str
    caller: str
    owner: str
    lasting: bool


@dataclass(slots=True, eq=False)
class Job:
    """One command. Times are those of a monotonic clock; `status` the exit status once there is
    one, negative for a signal."""

    id: str
    line: str
    directory: str
    output: Ring
    began: float
    state: JobStatus = "running"
    status: int | None = None
    ended: float | None = None
    task: asyncio.Task[None] | None = None
    problem: Exception | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Shelf:
    """The jobs of one owner by id, when somebody last used them, and how many wait for one."""

    used: float
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    waiting: int = 0

    @property
    def running(self) -> int:
        return sum(job.state == "running" for job in self.jobs.values())


Holds = Callable[[str], Awaitable[bool]]
"""Whether the conversation of this name is still kept. Raises nothing but cancellation."""


async def _always(owner: str) -> bool:
    return True


class Jobs:
    """The jobs of a whole server, whichever team started them."""

    def __init__(
        self,
        *,
        idle: float = IDLE_SECONDS,
        in_all: int = MAX_RUNNING_IN_ALL,
        outputs: Outputs | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`idle` is in seconds, at most `IDLE_SECONDS`; `now` a clock in seconds."""
        self._idle = min(idle, IDLE_SECONDS)
        self._in_all = in_all
        self._outputs = outputs or Outputs()
        self._now = now
        self._shelves: dict[Owner, _Shelf] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._holds: Holds = _always
        self._sweeper: asyncio.Task[None] | None = None

    @contextmanager
    def asking(self, holds: Holds) -> Generator[None]:
        """Inside of the block, `holds` knows which conversations are kept: the jobs of others
        end."""
        self._holds = holds
        try:
            yield
        finally:
            self._holds = _always

    def of(self, owner: Owner) -> list[Job]:
        """The owner's jobs, oldest first."""
        shelf = self._shelves.get(owner)
        return list(shelf.jobs.values()) if shelf else []

    def find(self, owner: Owner, id: str) -> Job | None:
        """The owner's job of this id."""
        shelf = self._shelves.get(owner)
        return shelf.jobs.get(id) if shelf else None

    def use(self, owner: Owner, known: Collection[str]) -> None:
        """The owner's conversation goes on, and of its jobs knows these. Others come from turns
        that failed or were replaced: they end."""
        shelf = self._shelves.get(owner)
        if shelf is None:
            return
        shelf.used = self._now()
        self.forget(owner, [id for id in shelf.jobs if id not in known])

    async def start(self, owner: Owner, line: str, command: Command) -> Job:
        """Start a command for `owner`. Raises `ToolError` when it cannot be, or there are too
        many."""
        self._check_room(owner)
        id = f"job_{int(time.time())}_{secrets.randbelow(10**16):016d}"
        job = Job(id, line, str(command.directory), self._outputs.open(), self._now())
        shelf = self._shelves.setdefault(owner, _Shelf(self._now()))
        shelf.jobs[id] = job
        job.task = asyncio.create_task(self._live(job, command))
        if owner.lasting and self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())
            self._sweeper.add_done_callback(self._swept)
        try:
            await job.started.wait()
        except asyncio.CancelledError:
            self.forget(owner, [id])
            raise
        if job.problem is not None:
            self.forget(owner, [id])
            raise job.problem
        return job

    async def wait(self, owner: Owner, job: Job, seconds: float) -> bool:
        """Wait until a job has ended; false when it has not after so many seconds. A wait that is
        cancelled leaves the job alone."""
        shelf, task = self._shelves.get(owner), job.task
        if shelf is None or task is None:
            return True
        shelf.waiting += 1
        try:
            done, _ = await asyncio.wait({task}, timeout=max(0.0, seconds))
            return bool(done)
        finally:
            shelf.waiting -= 1
            shelf.used = self._now()

    async def stop(self, job: Job) -> None:
        """End a job with all that it started. Its output stays."""
        if job.task is not None and job.state == "running":
            job.task.cancel()
            await asyncio.wait({job.task}, timeout=STOP_SECONDS)

    async def drop(self, owner: Owner, job: Job) -> None:
        """End a job, wait for it, and forget it."""
        if self.find(owner, job.id) is not None and (tasks := self.forget(owner, [job.id])):
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    def seconds(self, job: Job) -> float:
        """How long a job has run."""
        return (self._now() if job.ended is None else job.ended) - job.began

    def forget(self, owner: Owner, ids: Iterable[str] | None = None) -> list[asyncio.Task[None]]:
        """End jobs of an owner (None: all) and forget them; the tasks that are ending."""
        shelf = self._shelves.get(owner)
        if shelf is None:
            return []
        found = [shelf.jobs.pop(id) for id in [*(shelf.jobs if ids is None else ids)]]
        if not shelf.jobs:
            del self._shelves[owner]
        if self._sweeper is not None and not any(each.lasting for each in self._shelves):
            self._sweeper.cancel()
            self._sweeper = None
        return [task for job in found if (task := self._end(job)) is not None]

    async def leave(self, home: str) -> None:
        """A toolset closes: end its jobs, and wait for it."""
        owners = [owner for owner in self._shelves if owner.home == home]
        if tasks := [task for owner in owners for task in self.forget(owner)]:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    def _end(self, job: Job) -> asyncio.Task[None] | None:
        self._outputs.close(job.output)
        task = job.task
        if task is None or task.done():
            return None
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        task.cancel()
        return task

    def _check_room(self, owner: Owner) -> None:
        """Make room for one more job of `owner`. Raises `ToolError` when too many run."""
        running = {owner.owner: 0}
        for each, shelf in self._shelves.items():
            running[each.owner] = running.get(each.owner, 0) + shelf.running
        if running[owner.owner] >= MAX_RUNNING:
            raise ToolError(
                f"{MAX_RUNNING} background jobs run already; stop one, or wait until one has ended"
            )
        if sum(running.values()) >= self._in_all:
            raise ToolError("the server runs too many background jobs already; try again later")
        kept = self.of(owner)
        if len(kept) >= MAX_KEPT:
            over = [job.id for job in kept if job.state != "running"][: len(kept) - MAX_KEPT + 1]
            self.forget(owner, over)

    async def _live(self, job: Job, command: Command) -> None:
        """One job, from its start to its end."""
        try:
            status, _ = await follow(command, job.output, job.started.set)
            job.status, job.state = status, "failed" if status else "completed"
        except ToolError as exc:
            job.problem, job.state = exc, "failed"
        except Exception as exc:
            log.exception("background job %s: internal error", job.id)
            job.problem, job.state = exc, "failed"
        finally:
            if job.state == "running":
                job.state = "stopped"
                if not job.started.is_set():
                    job.problem = ToolError("it was ended before it had begun")
            job.ended = self._now()
            job.started.set()

    async def _sweep(self) -> None:
        """End what belongs to conversations that are over or idle, as long as there is any."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            for owner, shelf in [*self._shelves.items()]:
                if not owner.lasting:
                    continue
                idle = self._now() - shelf.used >= self._idle and not shelf.waiting
                if idle or not await self._holds(owner.owner):
                    log.info("background jobs end: their conversation is over or idle")
                    self.forget(owner)

    def _swept(self, sweeper: asyncio.Task[None]) -> None:
        if not sweeper.cancelled() and (fault := sweeper.exception()) is not None:
            log.error("background jobs: internal error", exc_info=fault)
        if self._sweeper is sweeper:
            self._sweeper = None
