"""The background_jobs toolset: commands that go on while the model does something else."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, Meaning, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.jobs import Job, Jobs, Owner
from docker_agent.tools.port import READY, Around, CallContext, Draft, Scope, Status
from docker_agent.tools.processes import SIGNALS, Command, find_shell
from docker_agent.tools.shell_line import Line, Where, meaning_of, placed, tidy_line

WAIT_SECONDS = 60
"""How long a wait takes when the model does not say (runtime.md §9.14)."""

ANSWER_SECONDS = 20.0
"""What a wait leaves of the request's time, so that the model can still say how things stand; never
more than half of what there is."""

MAX_REMEMBERED = 200
"""Ids of jobs that a conversation remembers."""

NO_OUTPUT = "<no output>"

_INSTRUCTIONS = """\
## Background Job Tools

For servers, watchers and other work that takes long, use `run_background_job`: it returns an id at
once, and the command goes on beside you.
- `wait_background_job` waits for its end and shows its output; give it a `timeout` that fits rather
  than call it again and again. A wait that runs out leaves the job running.
- `view_background_job` shows what it has written so far, `list_background_jobs` all jobs,
  `stop_background_job` ends one with everything it started.
- A job ends with its command: what that leaves running is ended, too. {life}
- There is no terminal and no input. The newest 10 MB of output are kept."""

_LASTS = "Jobs go on from one message to the next, and end when the conversation is over or rests."
_ENDS = "All jobs end with your answer: wait for what you need before you give it."


class BackgroundJobsOptions(msgspec.Struct, frozen=True):
    """What a `background_jobs` entry may say. `recall` is for interactive clients: here nobody
    speaks to a model after its answer."""

    env: Mapping[str, str] = {}
    recall: bool = False


class NewJob(msgspec.Struct, frozen=True):
    """What `run_background_job` takes."""

    cmd: Line
    cwd: Where = "."


class OneJob(msgspec.Struct, frozen=True):
    """What `view_background_job` and `stop_background_job` take."""

    job_id: Annotated[str, msgspec.Meta(description="The id of the job.")]


class Wait(msgspec.Struct, frozen=True):
    """What `wait_background_job` takes."""

    job_id: Annotated[str, msgspec.Meta(description="The id of the job.")]
    timeout: Annotated[int, msgspec.Meta(description="Seconds to wait for its end at most.")] = (
        WAIT_SECONDS
    )


class Nothing(msgspec.Struct, frozen=True):
    """What `list_background_jobs` takes."""


_DESCRIPTIONS: Mapping[str, tuple[str, str]] = {
    "run_background_job": ("Run Background Job", "Start a command line and return at once."),
    "list_background_jobs": ("List Background Jobs", "Show all background jobs and their state."),
    "view_background_job": ("View Background Job", "Show a job's state and its output so far."),
    "stop_background_job": ("Stop Background Job", "End a job with everything it started."),
    "wait_background_job": (
        "Wait for Background Job",
        "Wait until a job has ended, then show its output.",
    ),
}
_READING = frozenset({"list_background_jobs", "view_background_job", "wait_background_job"})

Handler = Callable[[Any, CallContext, Owner], Awaitable[ToolResult]]


class BackgroundJobs:
    """Five tools over the jobs of a server. `environ` is the whole environment of the commands; a
    job belongs to the caller and the conversation that started it, or ends with its run."""

    scope: Scope = "run"
    name = "background_jobs"
    status: Status = READY

    def __init__(self, working_dir: Path, environ: Mapping[str, str], jobs: Jobs) -> None:
        self._working_dir = working_dir
        self._environ = environ
        self._jobs = jobs
        self._home = secrets.token_hex(8)
        self._shell = find_shell(environ)
        self._new = Parameters(NewJob)
        self._handlers: Mapping[str, tuple[Parameters[Any], Handler]] = {
            "run_background_job": (self._new, self._run),
            "list_background_jobs": (Parameters(Nothing), self._list),
            "view_background_job": (Parameters(OneJob), self._view),
            "stop_background_job": (Parameters(OneJob), self._stop),
            "wait_background_job": (Parameters(Wait), self._wait),
        }
        specs = [self._spec(name, parameters) for name, (parameters, _) in self._handlers.items()]
        self._lasting, self._passing = (
            ToolList(specs, instructions=_INSTRUCTIONS.format(life=life))
            for life in (_LASTS, _ENDS)
        )

    async def close(self) -> None:
        """End all that runs."""
        await self._jobs.leave(self._home)

    async def tools(self, around: Around) -> ToolList:
        if around.conversation_id is None:
            return self._passing
        owner = Owner(self._home, around.caller, around.owner, lasting=True)
        self._jobs.use(owner, _known(around.state, around.agent))
        return self._lasting

    def meaning(self, arguments: Mapping[str, JSON]) -> Meaning:
        """What a job would do, by its command's text: as for the shell."""
        try:
            wanted = self._read(arguments)
        except ToolError:
            return Meaning("unknown")
        return meaning_of(arguments, wanted.cmd, placed(self._working_dir, wanted.cwd))

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        parameters, handler = self._handlers[name]
        wanted = self._read(arguments) if parameters is self._new else parameters.read(arguments)
        lasting = context.conversation_id is not None
        owner = Owner(self._home, context.caller, context.owner, lasting)
        return await handler(wanted, context, owner)

    async def _run(self, wanted: NewJob, context: CallContext, owner: Owner) -> ToolResult:
        directory = placed(self._working_dir, wanted.cwd)
        argv = (self._shell, "-c", wanted.cmd)
        command = Command(argv, directory, self._environ, float("inf"), tethered=True)
        job = await self._jobs.start(owner, wanted.cmd, command)

        async def ended(well: bool) -> None:
            if not (well and owner.lasting):
                await self._jobs.drop(owner, job)

        context.at_end(ended)
        if owner.lasting:
            _remember(context.state, context.agent, job.id)
        return ToolResult(
            f"Background job started with ID: {job.id}\nCommand: {job.line}\n"
            f"Working directory: {job.directory}"
        )

    async def _list(self, wanted: Nothing, context: CallContext, owner: Owner) -> ToolResult:
        jobs = self._jobs.of(owner)
        if not jobs:
            return ToolResult("There are no background jobs.")
        blocks = ["\n".join(self._about(job, "  ")) for job in jobs]
        return ToolResult("\n\n".join(("Background jobs:", *blocks)))

    async def _view(self, wanted: OneJob, context: CallContext, owner: Owner) -> ToolResult:
        return ToolResult(self._shown(self._found(wanted.job_id, context, owner)))

    async def _stop(self, wanted: OneJob, context: CallContext, owner: Owner) -> ToolResult:
        job = self._found(wanted.job_id, context, owner)
        if job.state != "running":
            raise ToolError(f"job {job.id} does not run any more (status: {job.state})")
        await self._jobs.stop(job)
        return ToolResult(f"Job {job.id} stopped successfully")

    async def _wait(self, wanted: Wait, context: CallContext, owner: Owner) -> ToolResult:
        job = self._found(wanted.job_id, context, owner)
        left = context.remaining()
        seconds = min(
            wanted.timeout if wanted.timeout > 0 else WAIT_SECONDS,
            max(left - ANSWER_SECONDS, left / 2),
        )
        if await self._jobs.wait(owner, job, seconds):
            return ToolResult(self._shown(job))
        notice = f"Job {job.id} is still running after {seconds:.3g} seconds of waiting."
        return ToolResult(f"{notice}\n\n{self._shown(job)}")

    def _found(self, id: str, context: CallContext, owner: Owner) -> Job:
        job = self._jobs.find(owner, id.strip())
        if job is not None:
            return job
        gone = id in _known(context.state, context.agent)
        why = " (it has ended: the conversation rested, or the server began anew)" if gone else ""
        raise ToolError(f"Job not found: {id}{why}")

    def _shown(self, job: Job) -> str:
        text = job.output.text().rstrip()
        cut = "[Older output is gone; this is the newest of it.]\n" if job.output.cut else ""
        about = "\n".join(self._about(job, ""))
        return f"{about}\n\n--- Output ---\n{cut}{text if text.strip() else NO_OUTPUT}"

    def _about(self, job: Job, indent: str) -> list[str]:
        lines = [
            f"Job ID: {job.id}",
            f"{indent}Command: {job.line}",
            f"{indent}Status: {job.state}",
            f"{indent}Runtime: {_duration(self._jobs.seconds(job))}",
        ]
        if job.status is not None:
            signal = SIGNALS.get(-job.status)
            exit = f"-1 ({signal})" if signal else str(job.status)
            lines.append(f"{indent}Exit Code: {exit}")
        return lines

    def _read(self, arguments: Mapping[str, JSON]) -> NewJob:
        arguments = tidy_line(arguments)
        if not str(arguments.get("cmd") or "").strip():
            raise ToolError(
                'argument `cmd` is missing; expected JSON: {"cmd": "make test", "cwd": "."}'
            )
        return self._new.read(arguments)

    def _spec(self, name: str, parameters: Parameters[Any]) -> ToolSpec:
        title, description = _DESCRIPTIONS[name]
        starts = parameters is self._new
        return ToolSpec(
            name,
            description,
            parameters.schema,
            read_only=name in _READING,
            title=title,
            category="background_jobs",
            open_world=starts,
            takes_description=True,
            meaning=self.meaning if starts else None,
            keeps_time=name in ("wait_background_job", "stop_background_job"),
            tidy=(lambda given: parameters.tidy(tidy_line(given))) if starts else parameters.tidy,
        )


_IDS = msgspec.json.Decoder(tuple[str, ...])


def _key(agent: str) -> str:
    return f"background_jobs/{agent}"


def _known(state: Draft, agent: str) -> tuple[str, ...]:
    """The ids of jobs that the turns so far have started."""
    kept = state.get(_key(agent))
    return _IDS.decode(kept) if kept else ()


def _remember(state: Draft, agent: str, id: str) -> None:
    ids = (*_known(state, agent), id)[-MAX_REMEMBERED:]
    state.put(_key(agent), msgspec.json.encode(ids))


def _duration(seconds: float) -> str:
    """Whole seconds as people write them: `1h2m3s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest}s"
