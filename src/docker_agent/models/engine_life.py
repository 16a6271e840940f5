"""The parent's side of the embedded engine: started when it is needed, ended when idle, started
again after a crash.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping

import anyio
import msgspec

from docker_agent.errors import ModelError
from docker_agent.models.engine import EngineSettings, Listening

log = logging.getLogger(__name__)

IDLE_LIMIT = 600.0
"""Seconds without a request after which the engine's memory is given back."""

START_LIMIT = 120.0
"""Seconds the engine has to load a model."""

STOP_LIMIT = 2.0
"""Seconds the engine has to end once its input is closed."""

DEATH_LIMIT = 1.0
"""Seconds a broken connection waits to learn whether the engine died."""

CRASH_WINDOW = 60.0
MAX_CRASHES = 2
"""That many failures within that many seconds, and the engine is not started until some are
older."""

_ENGINE = "docker_agent.models.engine"
_PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME")
_PASSED_ON_LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


def engine_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What the engine's process may see of our environment: no keys of providers."""
    names = (*_PASSED_ON, *_PASSED_ON_LIBRARIES)
    return {name: environment[name] for name in names if name in environment}


class _Life:
    """One process, from its start to its end."""

    __slots__ = ("crashed", "ready", "task")

    def __init__(self) -> None:
        self.crashed = False
        self.ready: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None


class Lease:
    """The engine while one request uses it; `address` is its base URL."""

    def __init__(self, address: str, life: _Life) -> None:
        self.address = address
        self._life = life

    async def died(self) -> bool:
        """Whether the engine crashed; waits a moment for the news."""
        if self._life.task is not None:
            await asyncio.wait({self._life.task}, timeout=DEATH_LIMIT)
        return self._life.crashed


class Engine:
    """One model's engine; `settings.parent` does not matter here. Made by `open_engine`."""

    def __init__(
        self,
        settings: EngineSettings,
        *,
        idle: float = IDLE_LIMIT,
        now: Callable[[], float] = time.monotonic,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.settings = settings
        self._idle = idle
        self._now = now
        self._environment = engine_environment(environment)
        self._life: _Life | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: deque[tuple[float, str]] = deque(maxlen=MAX_CRASHES)
        self._users = 0
        self._last_use = now()

    @contextlib.asynccontextmanager
    async def use(self) -> AsyncGenerator[Lease]:
        """The running engine, for one request; it does not go idle meanwhile.

        Starts it when needed. Raises `ModelError` when it cannot be started.
        """
        self._users += 1
        try:
            life = self._life or self.start()
            answer = await asyncio.shield(life.ready)
            if answer.error:
                raise self._error(answer.error)
            yield Lease(answer.listening, life)
        finally:
            self._users -= 1
            self._last_use = self._now()

    def start(self) -> _Life:
        """Begin to start the engine. Raises `ModelError` after too many failures."""
        now = self._now()
        if len(self._failures) == MAX_CRASHES and now - self._failures[0][0] < CRASH_WINDOW:
            wait = CRASH_WINDOW - (now - self._failures[0][0])
            raise self._error(f"{self._failures[-1][1]}; it may be tried again in {wait:.0f} s")
        self._life = life = _Life()
        life.task = task = asyncio.create_task(self._live(life), name=f"engine {self._name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return life

    async def close(self) -> None:
        """End the process and wait until it has ended."""
        if self._life and self._life.task:
            self._life.task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def _name(self) -> str:
        return self.settings.alias

    def _error(self, text: str) -> ModelError:
        return ModelError("model_error", f"model {self._name} failed: {text}")

    async def _live(self, life: _Life) -> None:
        try:
            async with _process(self.settings, self._environment) as process:
                answer = await _answer(process)
                if answer.error:
                    self._failed(life, answer.error)
                    return
                self._last_use = self._now()
                life.ready.set_result(answer)
                if crash := await self._until_over(process):
                    self._failed(life, crash)
                self._make_room(life)
        except OSError as exc:
            self._failed(life, f"the engine could not be started: {exc.strerror or exc}")
        finally:
            self._make_room(life)
            if not life.ready.done():
                life.ready.set_result(Listening(error="the engine was stopped"))

    def _failed(self, life: _Life, why: str) -> None:
        life.crashed = True
        self._make_room(life)
        self._failures.append((self._now(), why))
        log.error("model %s (%s): %s", self._name, self.settings.path, why)
        if not life.ready.done():
            life.ready.set_result(Listening(error=why))

    def _make_room(self, life: _Life) -> None:
        """The next request starts a new process; this one may still be on its way out."""
        if self._life is life:
            self._life = None

    async def _until_over(self, process: Process) -> str:
        """Why the engine ended by itself; empty once nobody has needed it for long enough."""
        while True:
            unused = 0.0 if self._users else self._now() - self._last_use
            if unused >= self._idle:
                log.debug("model %s: the engine is idle and ends", self._name)
                return ""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._idle - unused):
                    return f"the engine crashed ({_how(await process.wait())})"


@contextlib.asynccontextmanager
async def open_engine(
    settings: EngineSettings,
    *,
    idle: float = IDLE_LIMIT,
    now: Callable[[], float] = time.monotonic,
    environment: Mapping[str, str] = os.environ,
) -> AsyncGenerator[Engine]:
    """An engine that starts to load its model at once, in the background; its process is gone
    when the context is left."""
    engine = Engine(settings, idle=idle, now=now, environment=environment)
    engine.start()
    try:
        yield engine
    finally:
        with anyio.move_on_after(2 * STOP_LIMIT, shield=True):
            await engine.close()


@contextlib.asynccontextmanager
async def _process(
    settings: EngineSettings, environment: Mapping[str, str]
) -> AsyncGenerator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", _ENGINE),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
        start_new_session=True,
    )
    listener = asyncio.create_task(_log_words(process))
    try:
        assert process.stdin
        mine = msgspec.structs.replace(settings, parent=os.getpid())
        process.stdin.write(msgspec.json.encode(mine) + b"\n")
        yield process
    finally:
        await _end(process)
        await listener


async def _end(process: Process) -> None:
    """Close its input, and kill it when that does not end it in time."""
    if process.stdin:
        process.stdin.close()
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT):
                await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    await process.wait()


async def _answer(process: Process) -> Listening:
    assert process.stdout
    try:
        async with asyncio.timeout(START_LIMIT):
            line = await process.stdout.readline()
            if not line:
                return Listening(error=f"the engine ended ({_how(await process.wait())})")
    except TimeoutError:
        return Listening(error=f"the engine did not load the model in {START_LIMIT:.0f} s")
    try:
        return msgspec.json.decode(line, type=Listening)
    except msgspec.DecodeError:
        return Listening(error="the engine's first words were not understood")


async def _log_words(process: Process) -> None:
    """What the engine says on its standard error, for `--debug`; read, so that it never blocks."""
    assert process.stderr
    while words := await process.stderr.read(4096):
        log.debug("engine: %s", words.decode("utf-8", "replace").rstrip())


def _how(status: int) -> str:
    try:
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"
    except ValueError:
        return f"signal {-status}"
