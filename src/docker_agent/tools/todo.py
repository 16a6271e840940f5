"""The todo toolset: a list of things to do that lasts as long as the conversation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status

MAX_TODOS = 1000
"""Items of one list: it is kept with every turn of the conversation."""

TodoStatus = Literal["pending", "in-progress", "completed"]

_INSTRUCTIONS = """\
## Todo Tools

For work of several steps keep a list, so that nothing is forgotten:
- write the steps down with `create_todos` before you begin,
- set one item to `in-progress` when you start it and to `completed` when it is done
  (`update_todos` takes several at once),
- look at `list_todos` before you finish: no item should be open."""


class TodoOptions(msgspec.Struct, frozen=True):
    """What a `todo` entry may say: with `shared`, all agents of a conversation have one list."""

    shared: bool = False


class Item(msgspec.Struct, frozen=True):
    """One thing to do."""

    id: str
    description: str
    status: TodoStatus = "pending"


class NewTodo(msgspec.Struct, frozen=True):
    """What `create_todo` takes."""

    description: Annotated[str, msgspec.Meta(description="What is to be done.")]


class NewTodos(msgspec.Struct, frozen=True):
    """What `create_todos` takes."""

    descriptions: Annotated[
        tuple[str, ...], msgspec.Meta(description="What is to be done, one text for each item.")
    ]


class Update(msgspec.Struct, frozen=True):
    """One change of `update_todos`."""

    id: Annotated[str, msgspec.Meta(description="The item, such as `todo_1`.")]
    status: Annotated[TodoStatus, msgspec.Meta(description="Its new status.")]


class Updates(msgspec.Struct, frozen=True):
    """What `update_todos` takes."""

    updates: Annotated[tuple[Update, ...], msgspec.Meta(description="The changes.")]


class Nothing(msgspec.Struct, frozen=True):
    """What `list_todos` takes."""


Answer = tuple[tuple[Item, ...], dict[str, JSON]]
"""The list after a call, and what the answer says before the list itself."""


class Todo:
    """Four tools. A list belongs to one agent of one conversation, or to all its agents."""

    scope: Scope = "conversation"
    name = "todo"

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        self._items = msgspec.json.Decoder(tuple[Item, ...])
        self._tools = ToolList([_spec(*row) for row in _ROWS], instructions=_INSTRUCTIONS)

    @property
    def status(self) -> Status:
        return READY

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        key = self.name if self._shared else f"{self.name}/{context.agent}"
        kept = context.state.get(key)
        before = self._items.decode(kept) if kept else ()
        items, answer = _CALLS[name](before, arguments)
        if items != before:
            context.state.put(key, msgspec.json.encode(items))
        whole = "todos" if name == "list_todos" else "all_todos"
        answer[whole] = items
        if reminder := _reminder(items):
            answer["reminder"] = reminder
        return ToolResult(msgspec.json.encode(answer).decode())


def _create_one(items: tuple[Item, ...], arguments: dict[str, JSON]) -> Answer:
    (created,) = _made(items, [_NEW_TODO.read(arguments).description])
    return (*items, created), {"created": created}


def _create_several(items: tuple[Item, ...], arguments: dict[str, JSON]) -> Answer:
    created = _made(items, _NEW_TODOS.read(arguments).descriptions)
    return (*items, *created), {"created": created}


def _made(items: Sequence[Item], descriptions: Sequence[str]) -> list[Item]:
    if len(items) + len(descriptions) > MAX_TODOS:
        raise ToolError(f"a list holds at most {MAX_TODOS} items")
    return [
        Item(f"todo_{number}", description)
        for number, description in enumerate(descriptions, len(items) + 1)
    ]


def _update(items: tuple[Item, ...], arguments: dict[str, JSON]) -> Answer:
    by_id = {item.id: item for item in items}
    updated: list[Update] = []
    not_found: list[str] = []
    for update in _UPDATES.read(arguments).updates:
        item = by_id.get(update.id)
        if item is None:
            not_found.append(update.id)
        else:
            by_id[item.id] = msgspec.structs.replace(item, status=update.status)
            updated.append(update)
    if not updated:
        named = ", ".join(not_found) or "none named"
        known = ", ".join(by_id) or "none; create some first"
        raise ToolError(f"no item was updated; not found: {named}; the items are: {known}")
    return tuple(by_id.values()), {"updated": updated, "not_found": not_found}


def _list(items: tuple[Item, ...], arguments: dict[str, JSON]) -> Answer:
    return items, {}


def _reminder(items: Sequence[Item]) -> str:
    """A sentence that names the open items, those being worked on first; empty without any."""
    named = [
        f"({status}) [{item.id}] {item.description}"
        for status in ("in-progress", "pending")
        for item in items
        if item.status == status
    ]
    return f"Some items are still open: {', '.join(named)}" if named else ""


_NEW_TODO = Parameters(NewTodo)
_NEW_TODOS = Parameters(NewTodos)
_UPDATES = Parameters(Updates)
_NOTHING = Parameters(Nothing)

_CALLS: dict[str, Callable[[tuple[Item, ...], dict[str, JSON]], Answer]] = {
    "create_todo": _create_one,
    "create_todos": _create_several,
    "update_todos": _update,
    "list_todos": _list,
}
_ROWS = (
    ("create_todo", "Create Todo", "Add one item to the list of things to do.", _NEW_TODO),
    ("create_todos", "Create Todos", "Add several items to the list.", _NEW_TODOS),
    ("update_todos", "Update Todos", "Change the status of one or more items.", _UPDATES),
    ("list_todos", "List Todos", "Show all items with their status.", _NOTHING),
)


def _spec(name: str, title: str, description: str, parameters: Parameters[Any]) -> ToolSpec:
    return ToolSpec(
        name,
        description,
        parameters.schema,
        read_only=True,
        harmless=True,
        title=title,
        category="todo",
        tidy=parameters.tidy,
    )
