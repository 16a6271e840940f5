"""The tasks toolset: what it answers, what it keeps, and that nobody reads what another wrote."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.config.decode import decode
from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError, ToolError
from docker_agent.tools import kept_file
from docker_agent.tools.opening import Opening
from docker_agent.tools.table import TOOLSETS
from docker_agent.tools.task_list import MAX_TASKS, Task, TaskList
from docker_agent.tools.tasks import MAX_DESCRIPTION, NOTHING_TO_DO, Tasks
from tests.requirements import requirement
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

START = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)

GO: dict[str, dict[str, dict[str, Any]]] = {
    "tasks": {
        "a1": {
            "id": "a1",
            "title": "Write it",
            "description": "",
            "priority": "high",
            "status": "in_progress",
            "dependencies": [],
            "createdAt": "2026-07-01T10:00:00Z",
            "updatedAt": "2026-07-01T10:00:00Z",
        },
        "b2": {
            "id": "b2",
            "title": "Test it",
            "description": "all of it",
            "priority": "critical",
            "status": "pending",
            "dependencies": ["a1"],
            "createdAt": "2026-07-01T11:00:00Z",
            "updatedAt": "2026-07-01T11:00:00Z",
            "later": {"unknown": True},
        },
    }
}
"""A file as the Go program writes it."""


def clock() -> Callable[[], datetime]:
    """A second passes between two looks."""
    ticks = itertools.count()
    return lambda: START + timedelta(seconds=next(ticks))


def tasks_in(folder: Path) -> Tasks:
    """The toolset over `tasks.json` in a folder."""
    return Tasks(folder / "tasks.json", folder / "data" / "callers", clock())


def names_in(folder: Path) -> set[str]:
    """The names of what lies there."""
    return {path.name for path in folder.iterdir()}


async def told(tasks: Tasks, name: str, caller: str = "", /, **arguments: Any) -> Any:  # noqa: ANN401 - JSON
    """What a tool answers to one caller, decoded."""
    result = await tasks.call(name, arguments, msgspec.structs.replace(context(), caller=caller))
    assert not result.is_error
    return json.loads(result.text) if result.text[0] in "[{" else result.text


async def made(tasks: Tasks, title: str, caller: str = "", /, **more: Any) -> str:  # noqa: ANN401 - arguments
    """The id of a new task."""
    return (await told(tasks, "create_task", caller, title=title, **more))["id"]


async def titles(tasks: Tasks, caller: str = "", /, **arguments: Any) -> list[str]:  # noqa: ANN401 - arguments
    """The titles of a listing."""
    return [each["title"] for each in await told(tasks, "list_tasks", caller, **arguments)]


@requirement("tasks:tools")
async def test_tasks_are_made_shown_changed_and_deleted(tmp_path: Path) -> None:
    """runtime.md §9.15: the results."""
    tasks = tasks_in(tmp_path)
    assert await told(tasks, "list_tasks") == []
    assert await told(tasks, "next_task") == NOTHING_TO_DO
    one = await told(tasks, "create_task", title="one")
    assert one == {
        "id": one["id"],
        "title": "one",
        "description": "",
        "priority": "medium",
        "status": "pending",
        "dependencies": [],
        "createdAt": "2026-09-21T14:00:00Z",
        "updatedAt": "2026-09-21T14:00:00Z",
    }
    assert len(one["id"]) == 36
    two = await made(tasks, "two", priority="critical", dependencies=[one["id"]], description="d")
    shown = await told(tasks, "get_task", id=two)
    assert (shown["status"], shown["effectiveStatus"]) == ("pending", "blocked")
    assert (await told(tasks, "next_task"))["title"] == "one"
    done = await told(tasks, "update_task", id=one["id"], status="done", title="")
    assert (done["status"], done["title"]) == ("done", "one")
    assert done["createdAt"] < done["updatedAt"] and "effectiveStatus" not in done
    assert (await told(tasks, "next_task"))["effectiveStatus"] == "pending"
    assert await told(tasks, "delete_task", id=one["id"]) == {"deleted": one["id"]}
    assert (await told(tasks, "get_task", id=two))["dependencies"] == []
    changed = await told(tasks, "update_task", id=two, description="e", priority="low")
    assert (changed["description"], changed["priority"]) == ("e", "low")
    await told(tasks, "update_task", id=two, status="blocked")
    assert await told(tasks, "next_task") == NOTHING_TO_DO


@requirement("tasks:order")
async def test_unblocked_first_then_the_most_urgent_then_the_oldest(tmp_path: Path) -> None:
    """runtime.md §9.15: the order of a listing, and its filters."""
    tasks = tasks_in(tmp_path)
    low = await made(tasks, "low", priority="low")
    await made(tasks, "blocked", priority="critical", dependencies=[low])
    await made(tasks, "older")
    await made(tasks, "newer")
    await made(tasks, "high", priority="high")
    assert await titles(tasks) == ["high", "older", "newer", "low", "blocked"]
    assert await titles(tasks, status="blocked") == ["blocked"]
    assert await titles(tasks, status="pending", priority="medium") == ["older", "newer"]
    await told(tasks, "update_task", id=low, status="done")
    assert await titles(tasks, status="blocked") == []
    assert (await told(tasks, "next_task"))["title"] == "blocked"


@requirement("tasks:errors")
async def test_what_cannot_be_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    """runtime.md §9.15: the errors."""
    tasks = tasks_in(tmp_path)
    one = await made(tasks, "one")
    two = await made(tasks, "two", dependencies=[one])
    before = (tmp_path / "tasks.json").read_bytes()
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("get_task", {"id": "x"}, "task not found: x"),
        ("update_task", {"id": "x"}, "task not found: x"),
        ("delete_task", {"id": "x"}, "task not found: x"),
        ("add_dependency", {"taskId": "x", "dependsOnId": one}, "task not found: x"),
        ("remove_dependency", {"taskId": "x", "dependsOnId": one}, "task not found: x"),
        ("add_dependency", {"taskId": one, "dependsOnId": "x"}, "dependency task not found: x"),
        ("create_task", {"title": "t", "dependencies": ["x"]}, "dependency task not found: x"),
        ("create_task", {"title": "t", "priority": "urgent"}, "invalid priority: urgent"),
        ("update_task", {"id": one, "status": "open"}, "invalid status: open"),
        ("list_tasks", {"status": "open"}, "invalid status: open"),
        ("add_dependency", {"taskId": one, "dependsOnId": two}, "would create a cycle"),
        ("add_dependency", {"taskId": one, "dependsOnId": one}, "would create a cycle"),
        ("update_task", {"id": one, "dependencies": [two]}, "would create a cycle"),
        ("add_dependency", {"taskId": two, "dependsOnId": one}, "dependency already exists"),
        ("create_task", {"title": " "}, "`title` is empty"),
        ("create_task", {}, "`title` is missing"),
        ("create_task", {"title": "t", "description": "x" * (MAX_DESCRIPTION + 1)}, "description"),
    ]
    for name, arguments, text in cases:
        with pytest.raises(ToolError, match=text):
            await told(tasks, name, **arguments)
    assert (tmp_path / "tasks.json").read_bytes() == before
    await told(tasks, "remove_dependency", taskId=two, dependsOnId=one)
    assert (await told(tasks, "add_dependency", taskId=one, dependsOnId=two))["dependencies"] == [
        two
    ]
    cleared = await told(tasks, "update_task", id=one, dependencies=[])
    assert cleared["dependencies"] == []


@requirement("tasks:file")
async def test_files_of_the_go_program_are_read_and_written(tmp_path: Path) -> None:
    """runtime.md §9.15: the file; private, indented, replaced as a whole."""
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(GO))
    path.chmod(0o644)
    tasks = tasks_in(tmp_path)
    assert await titles(tasks) == ["Write it", "Test it"]
    await told(tasks, "update_task", id="a1", status="done")
    found = json.loads(path.read_bytes())
    assert set(found["tasks"]) == {"a1", "b2"}
    assert set(found["tasks"]["a1"]) == set(GO["tasks"]["a1"])
    assert found["tasks"]["a1"]["status"] == "done"
    assert path.read_text().startswith('{\n  "tasks": {\n    "a1": {\n')
    assert path.stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path) == {"tasks.json", "tasks.json.lock"}
    for null in ('{"tasks": null}', "", '{"tasks": {"x": {"title": "t", "dependencies": null}}}'):
        path.write_text(null)
        assert len(await titles(tasks)) == null.count('"x"')


@requirement("tasks:file")
@pytest.mark.parametrize("text", ["{", "[]", '{"tasks": []}', '{"tasks": {"a": 1}}', "\udcff"])
async def test_a_file_that_is_none_is_told_and_left_alone(tmp_path: Path, text: str) -> None:
    """STYLE.md, Errors: what was wrong, where; never a traceback, and nothing is lost."""
    path = tmp_path / "tasks.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    tasks = tasks_in(tmp_path)
    for name, arguments in (("list_tasks", {}), ("create_task", {"title": "t"})):
        with pytest.raises(ToolError, match=r"tasks\.json is no file of tasks"):
            await told(tasks, name, **arguments)
    assert path.read_bytes() == text.encode("utf-8", "surrogateescape")


@requirement("tasks:file")
async def test_what_is_no_regular_file_never_blocks(tmp_path: Path) -> None:
    """runtime.md §9.1 R: pipes are refused."""
    os.mkfifo(tmp_path / "tasks.json")
    with pytest.raises(ToolError, match="no regular file"):
        await told(tasks_in(tmp_path), "list_tasks")


@requirement("tasks:bounds")
async def test_a_list_and_its_file_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN.md: a limit on every size."""
    full = {"tasks": {str(n): {"id": str(n), "title": "t"} for n in range(MAX_TASKS)}}
    (tmp_path / "tasks.json").write_text(json.dumps(full))
    tasks = tasks_in(tmp_path)
    with pytest.raises(ToolError, match="1000 tasks already"):
        await made(tasks, "one more")
    await told(tasks, "delete_task", id="7")
    await made(tasks, "one more")
    monkeypatch.setattr(kept_file, "MAX_BYTES", 1000)
    with pytest.raises(ToolError, match="larger than"):
        await titles(tasks)
    with pytest.raises(ToolError, match="no room for more"):
        await made(tasks, "t", "ann", description="x" * 1000)
    monkeypatch.setattr("docker_agent.tools.tasks.MAX_CALLERS", 2)
    for caller in ("ann", "ben"):
        await made(tasks, "t", caller)
    with pytest.raises(ToolError, match="too many are kept"):
        await made(tasks, "t", "eve")
    await made(tasks, "t", "ann")


@requirement("tasks:scope")
async def test_two_callers_never_see_each_others_tasks(tmp_path: Path) -> None:
    """runtime.md §1.3, §9.15: key and user divide them; not even a known id helps."""
    callers = ["", "key", "key\nanna", "key\nben", "KEY", "../key", "a/b", "\ud800"]
    tasks = tasks_in(tmp_path)
    assert tasks.scope == "caller"
    ids = {caller: await made(tasks, f"of <{caller!r}>", caller) for caller in callers}
    for caller in callers:
        assert await titles(tasks, caller) == [f"of <{caller!r}>"]
        for other in set(callers) - {caller}:
            for name in ("get_task", "update_task", "delete_task"):
                with pytest.raises(ToolError, match="task not found"):
                    await told(tasks, name, caller, id=ids[other])
            with pytest.raises(ToolError, match="dependency task not found"):
                await made(tasks, "x", caller, dependencies=[ids[other]])
    assert names_in(tmp_path) == {"tasks.json", "tasks.json.lock", "data"}
    for path in (tmp_path / "data").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


@requirement("tasks:together")
async def test_many_users_and_servers_at_once_lose_nothing(tmp_path: Path) -> None:
    """runtime.md §9.15 R: a file lock, also between servers; and a restart."""
    tasks = [tasks_in(tmp_path) for _ in range(3)]
    await asyncio.gather(
        *(made(tasks[n % 3], f"t{n}", ("", "ann")[n % 2]) for n in range(40)),
    )
    fresh = tasks_in(tmp_path)
    assert sorted(await titles(fresh)) == sorted(f"t{n}" for n in range(0, 40, 2))
    assert sorted(await titles(fresh, "ann")) == sorted(f"t{n}" for n in range(1, 40, 2))


@requirement("tasks:together")
async def test_a_lock_that_is_held_is_waited_for_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """runtime.md §9.15 R: bounded; a call that is cancelled lets go."""
    tasks = tasks_in(tmp_path)
    await made(tasks, "one")
    with (tmp_path / "tasks.json.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = asyncio.create_task(made(tasks, "two"))
        cancelled = asyncio.create_task(made(tasks, "never"))
        await asyncio.sleep(0.1)
        assert await titles(tasks) == ["one"]
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert not waiting.done()
        fcntl.flock(held, fcntl.LOCK_UN)
        await waiting
        fcntl.flock(held, fcntl.LOCK_EX)
        monkeypatch.setattr(kept_file, "LOCK_SECONDS", 0.2)
        with pytest.raises(ToolError, match="being changed by somebody else"):
            await made(tasks, "three")
    assert await titles(tasks) == ["one", "two"]


@requirement("tasks:path")
async def test_a_description_comes_from_a_file_of_that_folder_alone(tmp_path: Path) -> None:
    """runtime.md §9.15: below the store's folder; links, devices and the store itself refused."""
    base, outside = tmp_path / "base", tmp_path / "outside"
    (base / "sub").mkdir(parents=True)
    outside.mkdir()
    (base / "sub" / "a.md").write_text("from a file")
    (outside / "secret.md").write_text("secret")
    (base / "link.md").symlink_to(outside / "secret.md")
    (base / "folder").symlink_to(outside)
    (base / "binary").write_bytes(b"\xff\xfe\x00")
    (base / "large.md").write_text("x" * (MAX_DESCRIPTION + 1))
    os.mkfifo(base / "pipe")
    tasks = Tasks(base / "tasks.json", base / "data" / "callers")
    await made(tasks, "other", "ann")
    (callers,) = (base / "data" / "callers").glob("*.json")
    id = await made(tasks, "t", path="sub/a.md", description="not this")
    assert (await told(tasks, "get_task", id=id))["description"] == "from a file"
    (base / "sub" / "a.md").write_text("changed")
    found = await told(tasks, "update_task", id=id, path=str(base / "sub" / ".." / "sub" / "a.md"))
    assert found["description"] == "changed"
    for path in (
        "../outside/secret.md",
        str(outside / "secret.md"),
        "/etc/passwd",
        "link.md",
        "folder/secret.md",
        "~/x",
        "tasks.json",
        f"data/callers/{callers.name}",
        "pipe",
        "sub",
        "nope.md",
        "binary",
        "large.md",
        "/dev/zero",
        "/proc/self/environ",
        "a\0b",
        "x" * 5000,
    ):
        for name, more in (("create_task", {"title": "t"}), ("update_task", {"id": id})):
            with pytest.raises(ToolError):
                await told(tasks, name, path=path, **more)
    assert len(await titles(tasks)) == 1


@requirement("tasks:path")
async def test_where_the_file_lies_is_the_agent_files_word(tmp_path: Path) -> None:
    """agent-file.md §2.9: `path`; beside the agent file, and nowhere it leads out."""
    folder, data = tmp_path / "config", tmp_path / "data"
    folder.mkdir()

    async def created(options: str, opening: Opening) -> None:
        async with TOOLSETS["tasks"](decode(options.encode(), "agent.yaml"), opening) as toolset:
            result = await toolset.call("create_task", {"title": "t"}, context())
            assert not result.is_error

    here = Opening(tmp_path, Values({"NAME": "mine"}), data_dir=data, config_dir=folder, source="a")
    await created("{}", here)
    await created("path: sub/$NAME.json", here)
    assert (folder / "tasks.json").exists() and (folder / "sub" / "mine.json").exists()
    for wrong in ("../t.json", "/etc/t.json", "sub"):
        with pytest.raises(ConfigError, match=r"agent.yaml:1: .*path"):
            await created(f"path: {wrong}", here)
    elsewhere = msgspec.structs.replace(here, trusted=False, config_dir=None)
    await created("{}", elsewhere)
    assert not (tmp_path / "tasks.json").exists()
    assert [path.name for path in (data / "tasks").rglob("*.json")] == ["tasks.json"]


names = st.sampled_from("abcde")


@requirement("tasks:order")
@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(names, names), max_size=20))
def test_dependencies_never_form_a_circle(pairs: list[tuple[str, str]]) -> None:
    """runtime.md §9.15: whatever is asked in whatever order, something can always be done next."""
    tasks = TaskList({name: Task(name, name) for name in "abcde"})
    for one, other in pairs:
        task = tasks.get(one)
        try:
            tasks.put(msgspec.structs.replace(task, dependencies=(*task.needs, other)))
        except ToolError as exc:
            assert "cycle" in str(exc)
    for _ in range(5):
        first = tasks.ordered()[0]
        assert tasks.effective(first) != "blocked"
        tasks.remove(first.id)
        assert all(first.id not in task.needs for task in tasks.ordered())
    assert not tasks.ordered()


@requirement("tasks:hints")
async def test_the_hints_and_the_prompt_say_what_tasks_are(tmp_path: Path) -> None:
    """runtime.md §9.15: RO and DES; §6.4: what the modes do with them."""
    listing = await tasks_in(tmp_path).tools(around())
    assert {spec.name for spec in listing.specs if spec.read_only} == {
        "get_task",
        "list_tasks",
        "next_task",
    }
    assert {spec.name for spec in listing.specs if spec.destructive} == {"delete_task"}
    assert {spec.name: spec.parameters["required"] for spec in listing.specs} == {
        "create_task": ["title"],
        "get_task": ["id"],
        "update_task": ["id"],
        "delete_task": ["id"],
        "list_tasks": [],
        "next_task": [],
        "add_dependency": ["taskId", "dependsOnId"],
        "remove_dependency": ["taskId", "dependsOnId"],
    }
    assert listing.by_name["create_task"].parameters["properties"]["priority"]["enum"]
    assert "next_task" in listing.instructions and not names_in(tmp_path)
