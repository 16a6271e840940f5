"""What starts slowly, kept alive: by hand, without a server. Source: runtime.md §8.4, §8.7,
§10.4."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import anyio.lowlevel
import pytest

from docker_agent.config.convert import convert
from docker_agent.config.decode import decode
from docker_agent.config.toolset import Lifecycle
from docker_agent.errors import ToolError
from docker_agent.tools import life
from docker_agent.tools.life import (
    PATIENCE,
    REQUIRED_PATIENCE,
    End,
    Ended,
    Life,
    Policy,
    StartError,
    first,
    leaves,
    policy_of,
    told,
)
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

QUICK = Policy(initial=0.001, longest=0.002)
LIMIT = 20.0


def declared(text: str) -> Lifecycle:
    """A `lifecycle` block as a file has it."""
    return convert(decode(text.encode(), "agent.yaml"), Lifecycle)


@requirement("mcp:lifecycle:policy")
@pytest.mark.parametrize(
    ("text", "remote", "expected"),
    [
        ("{}", False, {"required": False, "restart": "on_failure", "startup_timeout": None}),
        ("{}", True, {"restart": "always", "max_restarts": 5}),
        ("{profile: strict}", False, {"required": True, "restart": "never"}),
        ("{profile: strict}", True, {"startup_timeout": REQUIRED_PATIENCE, "restart": "never"}),
        ("{profile: strict, required: false, startup_timeout: 2s}", False, {"required": False}),
        ("{profile: best-effort}", False, {"required": False, "restart": "never"}),
        ("{profile: best-effort, restart: always}", False, {"restart": "always"}),
        ("{restart: never}", True, {"restart": "never"}),
        ("{restart: on_failure}", True, {"restart": "always"}),
        ("{startup_timeout: 3s}", False, {"startup_timeout": 3.0, "patience": 3.0}),
        ("{startup_timeout: 0s}", False, {"startup_timeout": None, "patience": PATIENCE}),
        ("{max_restarts: -1}", False, {"max_restarts": -1}),
        ("{max_restarts: 0}", False, {"max_restarts": 5}),
        (
            "{backoff: {initial: 2s, max: 9s, multiplier: 3, jitter: 0.5}}",
            False,
            {"initial": 2.0, "longest": 9.0, "multiplier": 3.0, "jitter": 0.5},
        ),
    ],
)
def test_a_lifecycle_block_means_a_policy(
    text: str, remote: bool, expected: dict[str, object]
) -> None:
    """runtime.md §8.7: profiles, what goes over them, and what remote servers change."""
    policy = policy_of(declared(text), remote=remote)
    assert {key: getattr(policy, key) for key in expected} == expected


class Lives:
    """Things to keep alive, one after the other; each is a number. `fail` says how a start fails,
    by number."""

    def __init__(self, fail: Callable[[int], Exception | None] = lambda number: None) -> None:
        self.opened = 0
        self.closed = 0
        self.end: Ended = lambda end: None
        self._fail = fail

    @asynccontextmanager
    async def open(self, ended: Ended) -> AsyncGenerator[int]:
        self.opened += 1
        if (problem := self._fail(self.opened)) is not None:
            raise problem
        self.end = ended
        try:
            yield self.opened
        finally:
            self.closed += 1


@asynccontextmanager
async def living(
    lives: Lives,
    policy: Policy = QUICK,
    **more: Any,  # noqa: ANN401 - a clock
) -> AsyncGenerator[Life[int]]:
    """A life that is ended with the block."""
    found = Life("it", lives.open, policy, **more)
    with anyio.fail_after(LIMIT):
        assert found.status.state == "starting"
        found.start()
        found.start()
        try:
            yield found
        finally:
            await found.close()
            assert lives.closed <= lives.opened


async def until(true: Callable[[], bool]) -> None:
    """Look at every step of the loop."""
    while not true():
        await anyio.lowlevel.checkpoint()


@requirement("mcp:lifecycle:policy")
async def test_it_is_opened_once_for_all_and_closed_with_its_owner() -> None:
    """DESIGN.md §4: one task enters and leaves its context."""
    lives = Lives()
    async with living(lives) as it:
        assert await asyncio.gather(it.get(5), it.get(5)) == [1, 1]
        assert (it.held, it.status.state) == (1, "ready")
    assert (lives.opened, lives.closed, it.held) == (1, 1, None)
    await it.close()
    with pytest.raises(ToolError):
        await it.get(0.01)


@requirement("mcp:lifecycle:policy")
async def test_what_ends_badly_is_opened_again_and_calls_wait_for_it() -> None:
    """runtime.md §8.7: restart on failure."""
    lives = Lives()
    async with living(lives) as it:
        assert await it.get(5) == 1
        lives.end(End("it broke"))
        assert it.held is None
        assert await it.get(5) == 2
        assert lives.closed == 1


@requirement("mcp:lifecycle:policy")
@pytest.mark.parametrize(
    ("restart", "clean", "opened"),
    [
        ("never", False, 1),
        ("never", True, 1),
        ("on_failure", True, 1),
        ("on_failure", False, 2),
        ("always", True, 2),
    ],
)
async def test_an_end_is_answered_as_the_policy_says(
    restart: Literal["never", "on_failure", "always"], clean: bool, opened: int
) -> None:
    """runtime.md §8.7: never, on_failure, always; one that rests is opened by the next use."""
    lives = Lives()
    policy = Policy(restart=restart, initial=0.001, longest=0.002)
    async with living(lives, policy) as it:
        await it.get(5)
        lives.end(End("over", clean=clean))
        lives.end(End("a second word does not count"))
        if opened == 2:
            await until(lambda: it.held == 2)
            return
        await until(lambda: it.status.state in ("degraded", "failed"))
        assert it.status.state == ("failed" if restart == "never" else "degraded")
        assert "over" in it.status.reason
        if restart == "never":
            with pytest.raises(ToolError, match="over"):
                await it.get(5)
            assert lives.opened == 1
        else:
            assert lives.opened == 1
            assert await it.get(5) == 2


@requirement("mcp:lifecycle:policy")
async def test_restarts_are_counted_until_one_life_was_long_enough() -> None:
    """runtime.md §8.7: `max_restarts`; the counter begins anew after a healthy while."""
    clock = [0.0]
    lives = Lives()
    policy = Policy(restart="always", max_restarts=2, initial=0.001, longest=0.001)
    async with living(lives, policy, now=lambda: clock[0]) as it:
        for number in range(1, 4):
            assert await it.get(5) == number
            clock[0] += life.HEALTHY
            lives.end(End("healthy"))
        for number in range(4, 6):
            assert await it.get(5) == number
            clock[0] += life.HEALTHY - 1
            lives.end(End("too young"))
        await until(lambda: it.status.state == "failed")
        assert it.status.reason == "after 2 restarts: too young"
        assert lives.opened == 5


@requirement("mcp:lifecycle:policy")
async def test_a_lasting_failure_is_tried_once_and_others_three_times() -> None:
    """runtime.md §8.4, §10.4: three quick tries, then pauses; what lasts is not tried again."""
    lives = Lives(lambda number: StartError("no key", lasting=True))
    async with living(lives) as it:
        with pytest.raises(ToolError, match="no key"):
            await it.get(5)
        assert (lives.opened, it.status.state) == (1, "failed")
    lives = Lives(lambda number: StartError("not yet") if number < 3 else None)
    async with living(lives) as it:
        assert await it.get(5) == 3
    lives = Lives(lambda number: OSError("a socket\n  is away"))
    async with living(lives) as it:
        with pytest.raises(ToolError, match=r"^a socket is away$"):
            await it.get(5)
        assert (lives.opened, it.status.state) == (life.QUICK_STARTS, "failed")
    lives = Lives(lambda number: StartError("busy", slow=True))
    async with living(lives) as it:
        with pytest.raises(ToolError, match="busy"):
            await it.get(5)
        assert lives.opened == 1


@requirement("mcp:lifecycle:policy")
async def test_a_session_of_no_use_is_opened_anew_and_an_old_one_changes_nothing() -> None:
    """runtime.md §10.6: at once when it has lived a while; only the one that is held."""
    clock = [0.0]
    lives = Lives()
    async with living(lives, now=lambda: clock[0]) as it:
        assert await it.get(5) == 1
        clock[0] += life.RENEWABLE
        it.renew(1)
        assert await it.get(5) == 2
        it.renew(1)
        assert it.held == 2


@requirement("mcp:lifecycle:policy")
async def test_nobody_waits_longer_than_they_like() -> None:
    """runtime.md §8.7: a call waits so long, then it is told how things stand."""
    stuck = asyncio.Event()

    @asynccontextmanager
    async def never(ended: Ended) -> AsyncGenerator[int]:
        await stuck.wait()
        yield 1

    it = Life("it", never, QUICK)
    it.start()
    with pytest.raises(ToolError, match="still starting"):
        await it.get(0.01)
    await it.close()
    late = Life("it", never, Policy(startup_timeout=0.01))
    late.start()
    with pytest.raises(ToolError, match=r"did not start within 0\.01 seconds"):
        await late.get(5)
    await late.close()


@requirement("mcp:lifecycle:policy")
def test_the_first_of_a_group_tells_most() -> None:
    """Task groups wrap what went wrong; a start's own error in it counts."""
    inner = ExceptionGroup("b", [OSError("x"), StartError("why")])
    group = ExceptionGroup("a", [ValueError("v"), inner])
    assert [str(each) for each in leaves(group)] == ["v", "x", "why"]
    assert str(first(group)) == "why" and str(first(ExceptionGroup("a", [OSError("x")]))) == "x"
    assert told(OSError("")) == "OSError" and told(ValueError(" a \n b ")) == "a b"
    assert len(told(ValueError("x" * 999))) == life.MAX_TOLD
