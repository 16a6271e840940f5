"""The tasks toolset: work that outlasts a conversation, with priorities and dependencies."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.kept_file import (
    MAX_CALLERS,
    changing,
    of_caller,
    read_kept,
    write_kept,
)
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status
from docker_agent.tools.task_list import PRIORITIES, STATUSES, Task, TaskList, plain
from docker_agent.tools.text_file import TextFolder

MAX_TITLE = 1000
MAX_DESCRIPTION = 100_000
"""Characters of a title and of a description; bytes of a file with one."""

NOTHING_TO_DO = "There is no task to work on: all are done or blocked."

_INSTRUCTIONS = """\
## Task Tools

Tasks last from one conversation to the next. Each has a priority (critical, high, medium, low), a
status (pending, in_progress, done, blocked) and tasks that must be done before it; until they are,
it counts as blocked.
- `next_task` says what to work on; set it to `in_progress` when you begin and to `done` at the end,
- `create_task` for each piece of work that can be finished by itself, with what it depends on,
- look with `list_tasks` before you create one that may be there already."""

_ID = Annotated[str, msgspec.Meta(description="The id of the task.")]
_TITLE = Annotated[str, msgspec.Meta(max_length=MAX_TITLE, description="What it is called.")]
_DESCRIPTION = Annotated[
    str, msgspec.Meta(max_length=MAX_DESCRIPTION, description="What is to be done.")
]
_PATH = Annotated[
    str,
    msgspec.Meta(description="A text file that holds the description, in the place of one here."),
]
_PRIORITY = Annotated[
    str,
    msgspec.Meta(description="How urgent it is.", extra_json_schema={"enum": [*PRIORITIES]}),
]
_STATUS = Annotated[
    str, msgspec.Meta(description="How it stands.", extra_json_schema={"enum": [*STATUSES]})
]
_NEEDS = Annotated[
    tuple[str, ...], msgspec.Meta(description="Ids of the tasks that must be done before.")
]


class TasksOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a `tasks` entry of an agent file may say; without a `path` it is `tasks.json` beside
    the agent file."""

    path: str = "tasks.json"


class NewTask(msgspec.Struct, frozen=True):
    """What `create_task` takes."""

    title: _TITLE
    description: _DESCRIPTION | None = None
    path: _PATH | None = None
    priority: _PRIORITY | None = None
    dependencies: _NEEDS | None = None


class ChangedTask(msgspec.Struct, frozen=True):
    """What `update_task` takes; what is left out or empty stays as it is."""

    id: _ID
    title: _TITLE | None = None
    description: _DESCRIPTION | None = None
    path: _PATH | None = None
    priority: _PRIORITY | None = None
    status: _STATUS | None = None
    dependencies: _NEEDS | None = None


class OneTask(msgspec.Struct, frozen=True):
    """What `get_task` and `delete_task` take."""

    id: _ID


class Filter(msgspec.Struct, frozen=True):
    """What `list_tasks` takes."""

    status: _STATUS | None = None
    priority: _PRIORITY | None = None


class Nothing(msgspec.Struct, frozen=True):
    """What `next_task` takes."""


class Dependency(msgspec.Struct, frozen=True, rename="camel"):
    """What `add_dependency` and `remove_dependency` take."""

    task_id: Annotated[str, msgspec.Meta(description="The task that has to wait.")]
    depends_on_id: Annotated[str, msgspec.Meta(description="The task that must be done before.")]


Reading = Callable[[TaskList, Any], str]
Changing = Callable[[TaskList, Any, str | None], str]
"""Changes the list and says what comes of it; the text is that of the file that was named."""


class Tasks:
    """Eight tools over one file for each caller: `path` is that of callers without key and `user`,
    those of others lie in the folder `callers`."""

    name = "tasks"
    scope: Scope = "caller"
    status: Status = READY

    def __init__(
        self, path: Path, callers: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path = path
        self._callers = callers
        self._now = now
        self._texts = TextFolder(path.parent, (path, callers))
        self._reading: Mapping[str, Reading] = {
            "get_task": self._get,
            "list_tasks": self._list,
            "next_task": self._next,
        }
        self._changing: Mapping[str, Changing] = {
            "create_task": self._create,
            "update_task": self._update,
            "delete_task": self._delete,
            "add_dependency": self._add,
            "remove_dependency": self._remove,
        }
        self._tools = ToolList([_spec(*row) for row in _ROWS], instructions=_INSTRUCTIONS)

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        wanted = _PARAMETERS[name].read(arguments)
        path = of_caller(self._path, context.caller, self._callers)
        reading = self._reading.get(name)
        if reading is not None:
            return ToolResult(reading(TaskList.read(await read_kept(path), path.name), wanted))
        file = getattr(wanted, "path", None)
        text = await self._texts.read(file, MAX_DESCRIPTION) if file else None
        async with changing(path, MAX_CALLERS if context.caller else 0):
            tasks = TaskList.read(await read_kept(path), path.name)
            answer = self._changing[name](tasks, wanted, text)
            await write_kept(path, tasks.encoded())
        return ToolResult(answer)

    def _get(self, tasks: TaskList, wanted: OneTask) -> str:
        return _json(tasks.shown(tasks.get(wanted.id)))

    def _list(self, tasks: TaskList, wanted: Filter) -> str:
        status, priority = _status(wanted.status), _priority(wanted.priority)
        return _json(
            [
                tasks.shown(task)
                for task in tasks.ordered()
                if (not status or tasks.effective(task) == status)
                and (not priority or task.priority == priority)
            ]
        )

    def _next(self, tasks: TaskList, wanted: Nothing) -> str:
        open = (
            task for task in tasks.ordered() if tasks.effective(task) not in ("blocked", "done")
        )
        task = next(open, None)
        return NOTHING_TO_DO if task is None else _json(tasks.shown(task))

    def _create(self, tasks: TaskList, wanted: NewTask, text: str | None) -> str:
        if not wanted.title.strip():
            raise ToolError("argument `title` is empty; say what the task is called")
        now = self._time()
        task = Task(
            str(uuid.uuid4()),
            wanted.title,
            (wanted.description or "") if text is None else text,
            _priority(wanted.priority) or "medium",
            dependencies=_once(wanted.dependencies or ()),
            created_at=now,
            updated_at=now,
        )
        tasks.put(task)
        return _json(plain(task))

    def _update(self, tasks: TaskList, wanted: ChangedTask, text: str | None) -> str:
        task = tasks.get(wanted.id)
        needs = wanted.dependencies
        return self._put(
            tasks,
            task,
            title=wanted.title or task.title,
            description=(wanted.description or task.description) if text is None else text,
            priority=_priority(wanted.priority) or task.priority,
            status=_status(wanted.status) or task.status,
            dependencies=task.needs if needs is None else _once(needs),
        )

    def _delete(self, tasks: TaskList, wanted: OneTask, text: str | None) -> str:
        tasks.remove(wanted.id)
        return _json({"deleted": wanted.id})

    def _add(self, tasks: TaskList, wanted: Dependency, text: str | None) -> str:
        task = tasks.get(wanted.task_id)
        if wanted.depends_on_id in task.needs:
            raise ToolError(f"dependency already exists: {wanted.depends_on_id}")
        return self._put(tasks, task, dependencies=(*task.needs, wanted.depends_on_id))

    def _remove(self, tasks: TaskList, wanted: Dependency, text: str | None) -> str:
        task = tasks.get(wanted.task_id)
        needs = tuple(id for id in task.needs if id != wanted.depends_on_id)
        return self._put(tasks, task, dependencies=needs)

    def _put(self, tasks: TaskList, task: Task, **changes: Any) -> str:  # noqa: ANN401 - any field
        changed = msgspec.structs.replace(task, updated_at=self._time(), **changes)
        tasks.put(changed)
        return _json(plain(changed))

    def _time(self) -> str:
        return self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _once(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))


def _priority(priority: str | None) -> str | None:
    if priority and priority not in PRIORITIES:
        raise ToolError(f"invalid priority: {priority}; use {', '.join(PRIORITIES)}")
    return priority


def _status(status: str | None) -> str | None:
    if status and status not in STATUSES:
        raise ToolError(f"invalid status: {status}; use {', '.join(STATUSES)}")
    return status


def _json(value: JSON) -> str:
    return msgspec.json.encode(value).decode()


_PARAMETERS: Mapping[str, Parameters[Any]] = {
    "create_task": Parameters(NewTask),
    "get_task": Parameters(OneTask),
    "update_task": Parameters(ChangedTask),
    "delete_task": Parameters(OneTask),
    "list_tasks": Parameters(Filter),
    "next_task": Parameters(Nothing),
    "add_dependency": Parameters(Dependency),
    "remove_dependency": Parameters(Dependency),
}
_READS, _DESTROYS = ("get_task", "list_tasks", "next_task"), ("delete_task",)
_ROWS = (
    ("create_task", "Create Task", "Add a task."),
    ("get_task", "Get Task", "Show one task with its effective status."),
    ("update_task", "Update Task", "Change a task."),
    ("delete_task", "Delete Task", "Delete a task, also from what others depend on."),
    ("list_tasks", "List Tasks", "Show tasks: those not blocked first, then the most urgent."),
    ("next_task", "Next Task", "Show the most urgent task that can be worked on."),
    ("add_dependency", "Add Dependency", "Let a task wait for another one."),
    ("remove_dependency", "Remove Dependency", "Let a task no longer wait for another one."),
)


def _spec(name: str, title: str, description: str) -> ToolSpec:
    parameters = _PARAMETERS[name]
    return ToolSpec(
        name,
        description,
        parameters.schema,
        read_only=name in _READS,
        destructive=name in _DESTROYS,
        title=title,
        category="tasks",
        tidy=parameters.tidy,
    )
