"""Tasks that depend on each other: a file's worth of them, and what may be done next. Pure.

Source: runtime.md §9.15, whose file other programs read and write too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, UNREADABLE

MAX_TASKS = 1000
"""Tasks of one caller."""

Priority = Literal["critical", "high", "medium", "low"]
TaskStatus = Literal["pending", "in_progress", "done", "blocked"]
PRIORITIES: tuple[str, ...] = get_args(Priority)
STATUSES: tuple[str, ...] = get_args(TaskStatus)


class Task(msgspec.Struct, frozen=True, rename="camel"):
    """One task as the file has it; times are UTC as RFC 3339 writes them."""

    id: str = ""
    title: str = ""
    description: str = ""
    priority: str = "medium"
    status: str = "pending"
    dependencies: tuple[str, ...] | None = ()
    created_at: str = ""
    updated_at: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """The ids of tasks that must be done before."""
        return self.dependencies or ()


class _File(msgspec.Struct, frozen=True):
    tasks: dict[str, Task] | None = None


class TaskList:
    """The tasks of one file by id; changes are made in place."""

    def __init__(self, tasks: Mapping[str, Task] | None = None) -> None:
        self._tasks = dict(tasks or {})

    @classmethod
    def read(cls, data: bytes | None, name: str) -> TaskList:
        """The tasks of a file; None is an empty one. Raises `ToolError` for what is none."""
        if data is None or not data.strip():
            return cls()
        try:
            found = msgspec.json.decode(data, type=_File).tasks or {}
        except UNREADABLE as exc:
            raise ToolError(f"{name} is no file of tasks ({exc}); nothing was changed") from exc
        return cls({id: msgspec.structs.replace(task, id=id) for id, task in found.items()})

    def encoded(self) -> bytes:
        """The file."""
        tasks = {
            id: msgspec.structs.replace(task, dependencies=task.needs)
            for id, task in self._tasks.items()
        }
        return msgspec.json.format(msgspec.json.encode(_File(tasks)), indent=2)

    def get(self, id: str) -> Task:
        """A task. Raises `ToolError` when there is none."""
        task = self._tasks.get(id)
        if task is None:
            raise ToolError(f"task not found: {id}")
        return task

    def put(self, task: Task) -> None:
        """Add a task, or put it in the place of the one it was. Raises `ToolError` for needs that
        are not there, or lead back to it."""
        if task.id not in self._tasks and len(self._tasks) >= MAX_TASKS:
            raise ToolError(f"there are {MAX_TASKS} tasks already; delete some that are done")
        for id in task.needs:
            if id not in self._tasks:
                raise ToolError(f"dependency task not found: {id}")
        if self._leads_to(task.id, task.needs):
            raise ToolError("adding these dependencies would create a cycle")
        self._tasks[task.id] = task

    def remove(self, id: str) -> None:
        """Remove a task, also from what others need."""
        del self._tasks[self.get(id).id]
        for other in self._tasks.values():
            if id in other.needs:
                needs = tuple(each for each in other.needs if each != id)
                self._tasks[other.id] = msgspec.structs.replace(other, dependencies=needs)

    def effective(self, task: Task) -> str:
        """The status, `blocked` while something it needs is not done."""
        if task.status == "done":
            return "done"
        found = [self._tasks[id] for id in task.needs if id in self._tasks]
        return "blocked" if any(each.status != "done" for each in found) else task.status

    def ordered(self) -> Sequence[Task]:
        """All of them: unblocked first, then by priority, then the oldest first."""
        order = {priority: place for place, priority in enumerate(PRIORITIES)}

        def place(task: Task) -> tuple[bool, int, str]:
            blocked = self.effective(task) == "blocked"
            return blocked, order.get(task.priority, len(order)), task.created_at

        return sorted(self._tasks.values(), key=place)

    def shown(self, task: Task) -> dict[str, JSON]:
        """A task with its effective status."""
        return {**plain(task), "effectiveStatus": self.effective(task)}

    def _leads_to(self, id: str, needs: Sequence[str]) -> bool:
        seen: set[str] = set()
        ahead = [*needs]
        while ahead:
            current = ahead.pop()
            if current == id:
                return True
            if current not in seen and current in self._tasks:
                seen.add(current)
                ahead += self._tasks[current].needs
        return False


def plain(task: Task) -> dict[str, JSON]:
    """A task as JSON."""
    return msgspec.to_builtins(msgspec.structs.replace(task, dependencies=task.needs))
