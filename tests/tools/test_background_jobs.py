"""The background_jobs toolset by hand: what it answers, whose jobs are whose, and its bounds."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolSpec
from docker_agent.permissions import Rules, SafetyMode, decide, parse_rule
from docker_agent.runtime.limits import Repeats
from docker_agent.tools.background_jobs import ANSWER_SECONDS, BackgroundJobs
from docker_agent.tools.job_output import Outputs
from docker_agent.tools.jobs import IDLE_SECONDS, MAX_KEPT, MAX_RUNNING, Jobs, Owner
from docker_agent.tools.port import Around, CallContext, Draft, Ending
from docker_agent.tools.shell import Shell
from tests.processes import wait_gone, wait_there
from tests.requirements import requirement
from tests.tools.surroundings import context
from tests.tools.test_family import ESCAPES, number

pytestmark = pytest.mark.anyio

LONG = "echo ready; sleep 600"


class Run:
    """One run of one caller in one conversation, as the runtime makes it."""

    def __init__(
        self,
        conversation: str | None = "c",
        *,
        caller: str = "ann",
        state: Draft | None = None,
        remaining: float = inf,
    ) -> None:
        self.endings: list[Ending] = []
        self.state = state or Draft()
        self.owner = f"{caller}\0root\0{conversation or id(self)}"
        self.context: CallContext = msgspec.structs.replace(
            context(self.state),
            caller=caller,
            conversation_id=conversation,
            owner=self.owner,
            at_end=self.endings.append,
            remaining=lambda: remaining,
        )
        self.around = Around("root", caller, conversation, {}, self.state, owner=self.owner)

    async def end(self, *, well: bool = True) -> None:
        await asyncio.gather(*(ending(well) for ending in self.endings))


@asynccontextmanager
async def working(
    directory: Path, jobs: Jobs | None = None, **environ: str
) -> AsyncGenerator[BackgroundJobs]:
    """The toolset, closed with the block."""
    toolset = BackgroundJobs(directory, {"PATH": os.environ["PATH"], **environ}, jobs or Jobs())
    try:
        async with asyncio.timeout(60):
            yield toolset
    finally:
        await toolset.close()


async def told(toolset: BackgroundJobs, tool: str, run: Run, **arguments: JSON) -> str:
    """What a tool answers."""
    result = await toolset.call(tool, arguments, run.context)
    assert not result.is_error
    return result.text


async def started(toolset: BackgroundJobs, run: Run, cmd: str = LONG, **arguments: JSON) -> str:
    """The id of a new job."""
    text = await told(toolset, "run_background_job", run, cmd=cmd, **arguments)
    found = re.match(r"Background job started with ID: (job_\d+_\d{16})\nCommand: ", text)
    assert found, text
    return found[1]


async def specs(toolset: BackgroundJobs) -> Mapping[str, ToolSpec]:
    return (await toolset.tools(Run().around)).by_name


@requirement("jobs:results")
async def test_each_tool_answers_as_models_expect_it(tmp_path: Path) -> None:
    """runtime.md §9.14: the texts."""
    (tmp_path / "d").mkdir()
    run = Run()
    async with working(tmp_path) as toolset:
        assert await told(toolset, "list_background_jobs", run) == "There are no background jobs."
        text = await told(toolset, "run_background_job", run, cmd="pwd; exit 3", cwd="d")
        id = text.split("\n")[0].removeprefix("Background job started with ID: ")
        assert text.split("\n")[1:] == ["Command: pwd; exit 3", f"Working directory: {tmp_path}/d"]
        text = await told(toolset, "wait_background_job", run, job_id=id)
        assert re.sub(r"\d+s\n", "0s\n", text) == (
            f"Job ID: {id}\nCommand: pwd; exit 3\nStatus: failed\nRuntime: 0s\nExit Code: 3\n\n"
            f"--- Output ---\n{tmp_path}/d"
        )
        assert (await told(toolset, "view_background_job", run, job_id=id)).endswith(text[-20:])
        other = await started(toolset, run, cmd="true")
        text = await told(toolset, "wait_background_job", run, job_id=other)
        assert "Status: completed\n" in text and text.endswith(
            "Exit Code: 0\n\n--- Output ---\n<no output>"
        )
        killed = await started(toolset, run, cmd="kill -9 $$")
        assert "Exit Code: -1 (SIGKILL)" in await told(
            toolset, "wait_background_job", run, job_id=killed
        )
        third = await started(toolset, run)
        stopped = await told(toolset, "stop_background_job", run, job_id=third)
        assert stopped == f"Job {third} stopped successfully"
        text = await told(toolset, "list_background_jobs", run)
        assert re.findall(
            r"Job ID: (\S+)\n  Command: .*\n  Status: (\w+)\n  Runtime: \d+s", text
        ) == [
            (id, "failed"),
            (other, "completed"),
            (killed, "failed"),
            (third, "stopped"),
        ]
        assert "  Exit Code: 3" in text
        with pytest.raises(ToolError, match=f"job {third} does not run any more"):
            await told(toolset, "stop_background_job", run, job_id=third)


@requirement("jobs:errors")
async def test_what_cannot_be_started_or_found_is_told(tmp_path: Path) -> None:
    """runtime.md §9.14: unknown ids; §5.3: errors that the model can act on."""
    run = Run()
    async with working(tmp_path) as toolset:
        for tool in ("view_background_job", "stop_background_job", "wait_background_job"):
            with pytest.raises(ToolError, match=r"^Job not found: job_1_2$"):
                await told(toolset, tool, run, job_id="job_1_2")
        with pytest.raises(ToolError, match=r"working directory .*nope does not exist"):
            await started(toolset, run, cwd="nope")
        with pytest.raises(ToolError, match="holds what no process can be given"):
            await started(toolset, run, cmd="echo \0")
        for nothing in ({}, {"cmd": " "}, {"cmd": None}):
            with pytest.raises(ToolError, match=r"expected JSON: \{"):
                await toolset.call("run_background_job", nothing, run.context)
        assert await told(toolset, "list_background_jobs", run) == "There are no background jobs."


@requirement("jobs:wait")
async def test_a_wait_ends_in_time_and_leaves_the_job_alone(tmp_path: Path) -> None:
    """runtime.md §9.14: "still running"; bounded by the request, with time left for an answer; a
    wait that is cancelled ends nothing."""
    async with working(tmp_path) as toolset:
        run = Run()
        id = await started(toolset, run)
        text = await told(toolset, "wait_background_job", run, job_id=id, timeout=1)
        assert text.startswith(f"Job {id} is still running after 1 seconds of waiting.\n\nJob ID: ")
        assert text.endswith("--- Output ---\nready")
        short = Run(state=run.state, remaining=1.0)
        text = await told(toolset, "wait_background_job", short, job_id=id, timeout=600)
        assert "still running after 0.5 seconds" in text
        assert ANSWER_SECONDS > 0
        waiting = asyncio.create_task(told(toolset, "wait_background_job", run, job_id=id))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert "Status: running" in await told(toolset, "view_background_job", run, job_id=id)


@requirement("jobs:loop")
def test_looking_at_a_job_again_and_again_is_no_loop() -> None:
    """runtime.md §3.6: batches of `view_background_job` alone neither count nor reset."""
    from docker_agent.messages import ToolCall

    repeats = Repeats(3)
    same = [ToolCall("1", "shell", "{}")]
    looks = [ToolCall("2", "view_background_job", '{"job_id": "j"}')]
    seen = [repeats.see(each) for each in (same, looks, looks, looks, same, looks, same)]
    assert seen[:-1] == [None] * 6 and "3 consecutive identical calls to shell" in str(seen[-1])


@requirement("jobs:scope")
async def test_nobody_else_sees_or_stops_a_job(tmp_path: Path) -> None:
    """runtime.md §1.3, §9.14: neither another caller, nor another conversation, nor another run
    without any, nor another agent; not even with the id."""
    mine = Run()
    others = [
        Run(caller="ben"),
        Run(caller="ann\nuser"),
        Run("d"),
        Run(None),
        Run(caller=""),
        Run(None, caller="ben"),
    ]
    async with working(tmp_path) as toolset, working(tmp_path) as another_agents:
        id = await started(toolset, mine)
        for who in (toolset, another_agents):
            for other in others if who is toolset else [mine, *others]:
                await who.tools(other.around)
                assert id not in await told(who, "list_background_jobs", other)
                for tool in ("view_background_job", "stop_background_job", "wait_background_job"):
                    with pytest.raises(ToolError, match=r"^Job not found"):
                        await told(who, tool, other, job_id=id)
        assert "Status: running" in await told(toolset, "view_background_job", mine, job_id=id)


@requirement("jobs:scope")
async def test_two_users_at_once_have_their_own_jobs(tmp_path: Path) -> None:
    """runtime.md §1.1: toolsets must be safe for concurrent use."""
    async with working(tmp_path) as toolset:
        runs = [Run(f"c{n % 3}", caller=f"user{n % 2}") for n in range(6)]

        async def one(number: int) -> str:
            id = await started(toolset, runs[number], cmd=f"echo out{number}")
            return await told(toolset, "wait_background_job", runs[number], job_id=id)

        for number, text in enumerate(await asyncio.gather(*map(one, range(6)))):
            assert text.endswith(f"\nout{number}")
        for run in runs:
            assert (await told(toolset, "list_background_jobs", run)).count("Job ID") == 1


@requirement("jobs:run-end")
async def test_jobs_end_with_their_run_unless_a_conversation_goes_on(tmp_path: Path) -> None:
    """runtime.md §9.14: killed at request end unless a conversation id exists; a job of a failed
    turn ends, those of earlier turns do not."""
    mark = number()
    async with working(tmp_path, TEST_MARK=mark) as toolset:
        alone = Run(None)
        await started(toolset, alone)
        await asyncio.to_thread(wait_there, mark, 1)
        await alone.end()
        await asyncio.to_thread(wait_gone, mark)
        first = Run()
        id = await started(toolset, first)
        await first.end()
        failing = Run(state=Draft(first.state.entries()))
        await toolset.tools(failing.around)
        new = await started(toolset, failing)
        await failing.end(well=False)
        after = Run(state=Draft(first.state.entries()))
        await toolset.tools(after.around)
        text = await told(toolset, "list_background_jobs", after)
        assert id in text and "Status: running" in text and new not in text


@requirement("jobs:run-end")
async def test_a_turn_that_was_replaced_takes_its_jobs_along(tmp_path: Path) -> None:
    """chat-server.md §7: a branch restores the toolset state of its turn; so does a turn that could
    not be kept."""
    mark = number()
    async with working(tmp_path, TEST_MARK=mark) as toolset:
        turn = Run()
        id = await started(toolset, turn)
        await turn.end()
        branch = Run()
        await toolset.tools(branch.around)
        await asyncio.to_thread(wait_gone, mark)
        with pytest.raises(ToolError, match=f"^Job not found: {id}$"):
            await told(toolset, "view_background_job", branch, job_id=id)
        with pytest.raises(ToolError, match=rf"^Job not found: {id} \(it has ended"):
            await told(toolset, "view_background_job", turn, job_id=id)


@requirement("jobs:family")
@pytest.mark.parametrize("escape", ESCAPES)
async def test_a_job_ends_with_everything_it_started(tmp_path: Path, escape: str) -> None:
    """chat-server.md §6: processes that leave group and session are found, within two seconds."""
    mark, digits = number(), number()
    async with working(tmp_path, TEST_MARK=mark) as toolset:
        run = Run()
        cmd = ESCAPES[escape].format(n=digits) + f"\nsleep 601.{digits}"
        id = await started(toolset, run, cmd=cmd)
        await asyncio.to_thread(wait_there, f"600.{digits}" if "fork" not in escape else mark, 1)
        await asyncio.to_thread(wait_there, f"601.{digits}", 1)
        await told(toolset, "stop_background_job", run, job_id=id)
        await asyncio.to_thread(wait_gone, mark)
        await asyncio.to_thread(wait_gone, f"600.{digits}")


@requirement("jobs:bounds")
async def test_jobs_are_bounded_in_number(tmp_path: Path) -> None:
    """runtime.md §9.14 R: a cap for a conversation, and one for the server."""
    jobs = Jobs(in_all=MAX_RUNNING + 1)
    async with working(tmp_path, jobs) as toolset:
        one, two, three = Run("1"), Run("2"), Run("3")
        results = await asyncio.gather(
            *(started(toolset, one) for _ in range(MAX_RUNNING + 2)), return_exceptions=True
        )
        refused = [str(each) for each in results if isinstance(each, ToolError)]
        assert len(refused) == 2 and all(
            "10 background jobs run already" in each for each in refused
        )
        await started(toolset, two)
        with pytest.raises(ToolError, match="the server runs too many background jobs"):
            await started(toolset, three)
        await told(toolset, "stop_background_job", two, job_id=jobs.of(_owner(jobs, two))[0].id)
        await started(toolset, three)


def _owner(jobs: Jobs, run: Run) -> Owner:
    (found,) = (owner for owner in jobs._shelves if owner.owner == run.owner)  # pyright: ignore[reportPrivateUsage]
    return found


@requirement("jobs:bounds")
async def test_only_the_newest_ended_jobs_are_kept(tmp_path: Path) -> None:
    """runtime.md §9.14 R: memory has a bound, too."""
    async with working(tmp_path) as toolset:
        run = Run()
        ids = [await started(toolset, run, cmd="true") for _ in range(3)]
        for id in ids:
            await told(toolset, "wait_background_job", run, job_id=id)
        running = await started(toolset, run)
        last = running
        for _ in range(MAX_KEPT):
            last = await started(toolset, run, cmd="true")
            await told(toolset, "wait_background_job", run, job_id=last)
        text = await told(toolset, "list_background_jobs", run)
        assert text.count("Job ID") == MAX_KEPT
        assert running in text and last in text and not any(id in text for id in ids)


@requirement("jobs:idle")
async def test_a_conversation_that_rests_or_is_gone_loses_its_jobs(tmp_path: Path) -> None:
    """runtime.md §1.3: state of a conversation is evicted with it; and an idle limit of its own."""
    clock, kept = [0.0], {"ann\0root\0kept", "ann\0root\0gone"}

    async def holds(owner: str) -> bool:
        return owner in kept

    jobs, mark, other = Jobs(now=lambda: clock[0]), number(), number()
    with jobs.asking(holds):
        async with (
            working(tmp_path, jobs, TEST_MARK=mark) as toolset,
            working(tmp_path, jobs, TEST_MARK=other) as others,
        ):
            run, gone = Run("kept"), Run("gone")
            id = await started(toolset, run)
            await started(others, gone)
            kept.discard(gone.owner)
            await asyncio.to_thread(wait_gone, other, 10)
            clock[0] += IDLE_SECONDS - 1
            waiting = asyncio.create_task(
                told(toolset, "wait_background_job", run, job_id=id, timeout=2)
            )
            await asyncio.sleep(0)
            clock[0] += 2
            assert "still running" in await waiting
            await toolset.tools(run.around)
            clock[0] += IDLE_SECONDS
            await asyncio.to_thread(wait_gone, mark, 10)
            with pytest.raises(ToolError, match="it has ended: the conversation rested"):
                await told(toolset, "view_background_job", run, job_id=id)


@requirement("jobs:end")
async def test_jobs_end_with_their_toolset(tmp_path: Path) -> None:
    """runtime.md §9.14: all jobs die when the toolset stops; within two seconds, those that will
    not listen too."""
    mark = number()
    jobs = Jobs()
    async with working(tmp_path, jobs, TEST_MARK=mark) as toolset:
        for cmd in (LONG, "trap '' TERM HUP INT; while :; do sleep 600; done"):
            await started(toolset, Run(), cmd=cmd)
            await started(toolset, Run(None), cmd=cmd)
        await asyncio.to_thread(wait_there, mark, 4)
        async with asyncio.timeout(10):
            await toolset.close()
        await asyncio.to_thread(wait_gone, mark)


@requirement("jobs:output")
async def test_the_newest_output_is_kept_and_a_cut_is_told(tmp_path: Path) -> None:
    """runtime.md §9.14: a ring, with a note; what a cut went through is not shown."""
    jobs = Jobs(outputs=Outputs(total=3000, each=1000))
    async with working(tmp_path, jobs) as toolset:
        run = Run()
        id = await started(toolset, run, cmd="seq -f 'line %05g' 1 2000")
        text = await told(toolset, "wait_background_job", run, job_id=id)
        lines = text.partition("--- Output ---\n")[2].split("\n")
        assert lines[0] == "[Older output is gone; this is the newest of it.]"
        assert lines[-1] == "line 02000" and all(re.fullmatch(r"line \d{5}", x) for x in lines[1:])
        assert len("\n".join(lines[1:])) <= 1000
        odd = await started(toolset, run, cmd="printf 'a\\377\\000\\303\\251'")
        text = await told(toolset, "wait_background_job", run, job_id=odd)
        assert text.endswith("\na\ufffd\ufffdé")


@requirement("jobs:output")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=90)), max_size=40))
def test_all_rings_together_hold_the_newest_within_their_bounds(
    pieces: list[tuple[int, bytes]],
) -> None:
    """runtime.md §9.14 R: 10 MB each with a total bound: the largest loses its oldest."""

    async def check() -> None:
        outputs = Outputs(total=150, each=100)
        rings = [outputs.open() for _ in range(3)]
        written = [b""] * 3
        for index, piece in pieces:
            await rings[index].take(piece)
            written[index] += piece
            assert outputs.held == sum(ring.size for ring in rings) <= 150
            assert all(ring.size <= 100 for ring in rings)
        for ring, whole in zip(rings, written, strict=True):
            assert ring.cut == (ring.size < len(whole))
            if not ring.cut:
                assert ring.text() == whole.decode("utf-8", "replace").replace("\0", "\ufffd")
        for ring in rings:
            outputs.close(ring)
            await ring.take(b"late")
        assert outputs.held == 0

    asyncio.run(check())


@requirement("jobs:safety")
async def test_a_job_is_judged_as_the_shell_is(tmp_path: Path) -> None:
    """runtime.md §6.4, §6.5: the same labels; rules see every command inside a line."""
    shell = Shell(tmp_path, {"PATH": os.environ["PATH"]}).specs[0]
    async with working(tmp_path) as toolset:
        by_name = await specs(toolset)
        run = by_name["run_background_job"]
        assert run.meaning is not None and shell.meaning is not None
        lines = ["ls -la", "rm -rf x", "make", "ls; rm x", "true; r''m -rf x", "find . -name x", ""]
        for line in lines:
            for cwd in (".", "/", "/proc/self"):
                arguments = {"cmd": line, "cwd": cwd}
                assert run.meaning(arguments) == shell.meaning(arguments)
        deny = Rules(deny=(parse_rule("run_background_job:cmd=rm*-rf*"),))
        for arguments in ({"cmd": "true; r''m -rf x"}, {"command": "rm -rf /tmp/x"}, None):
            seen = run.tidy(arguments) if run.tidy and arguments else arguments
            assert decide(deny, "autonomous", run, seen).source == "team_permissions_deny"
        allowed: dict[SafetyMode, list[str]] = {
            mode: [
                name
                for name, spec in by_name.items()
                if decide(Rules(), mode, spec, {"cmd": "ls", "job_id": "j"}).allowed
            ]
            for mode in ("strict", "restricted", "balanced", "autonomous")
        }
        safe = [name for name in by_name if name != "stop_background_job"]
        assert allowed == {
            "strict": [],
            "restricted": safe,
            "balanced": safe,
            "autonomous": [*by_name],
        }


@requirement("jobs:listing")
async def test_the_prompt_says_how_long_jobs_last(tmp_path: Path) -> None:
    """runtime.md §9.14: parameters and hints; the same list for everybody in the same case."""
    async with working(tmp_path) as toolset:
        kept, loose = Run(), Run(None)
        listing = await toolset.tools(kept.around)
        assert await toolset.tools(Run("other").around) is listing
        assert "from one message to the next" in listing.instructions
        assert "All jobs end with your answer" in (await toolset.tools(loose.around)).instructions
        assert {spec.name: spec.parameters["required"] for spec in listing.specs} == {
            "run_background_job": ["cmd"],
            "list_background_jobs": [],
            "view_background_job": ["job_id"],
            "stop_background_job": ["job_id"],
            "wait_background_job": ["job_id"],
        }
        assert {spec.name for spec in listing.specs if spec.read_only} == {
            "list_background_jobs",
            "view_background_job",
            "wait_background_job",
        }
