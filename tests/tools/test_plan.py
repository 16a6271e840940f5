"""The plan toolset: what it answers, what it keeps, and that nobody reads what another wrote."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from docker_agent.config.decode import decode
from docker_agent.env.chain import Values
from docker_agent.errors import ToolError
from docker_agent.tools import kept_file, plan_store
from docker_agent.tools.opening import Opening
from docker_agent.tools.plan import Plans
from docker_agent.tools.table import TOOLSETS
from tests.requirements import requirement
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

WHEN = "2026-09-21T14:00:00Z"
FILE = {
    "name": "ship-it",
    "title": "Ship it",
    "author": "ann",
    "status": "approved",
    "content": "# Ship it\n",
    "revision": 3,
    "updated_at": "2026-07-01T10:00:00Z",
}
"""A file as the Go program writes it."""


def plans_in(folder: Path) -> Plans:
    """The toolset with its data and its working directory below one folder."""
    (folder / "work").mkdir(exist_ok=True)
    now = datetime(2026, 9, 21, 14, tzinfo=UTC)
    data = folder / "data"
    return Plans(data / "plans", data / "callers", folder / "work", lambda: now)


async def told(plans: Plans, name: str, caller: str = "", /, **arguments: Any) -> Any:  # noqa: ANN401 - JSON
    """What a tool answers to one caller, decoded."""
    result = await plans.call(name, arguments, msgspec.structs.replace(context(), caller=caller))
    assert not result.is_error
    return json.loads(result.text)


@requirement("plan:tools")
async def test_plans_are_written_read_changed_listed_and_deleted(tmp_path: Path) -> None:
    """runtime.md §9.16: the tools."""
    plans = plans_in(tmp_path)
    assert await told(plans, "list_plans") == []
    about = {
        "name": "a",
        "title": "A",
        "author": "",
        "status": "draft",
        "revision": 1,
        "updated_at": WHEN,
    }
    assert await told(plans, "write_plan", name="a", content="one", title="A") == about
    assert await told(plans, "read_plan", name="a") == {**about, "content": "one"}
    again = await told(plans, "write_plan", name="a", content="two", author="ann")
    assert again == {**about, "author": "ann", "revision": 2}
    moved = await told(plans, "set_plan_status", name="a", status="approved")
    assert moved == {**again, "status": "approved", "revision": 3}
    assert await told(plans, "get_plan_status", name="a") == moved
    assert (await told(plans, "read_plan", name="a"))["content"] == "two"
    await told(plans, "write_plan", name="0-b_c", content="x")
    assert [each["name"] for each in await told(plans, "list_plans")] == ["0-b_c", "a"]
    assert await told(plans, "delete_plan", name="a") == {"deleted": "a"}
    for tool, more in (
        ("read_plan", {}),
        ("get_plan_status", {}),
        ("set_plan_status", {"status": "x"}),
        ("delete_plan", {}),
        ("export_plan_to_file", {"path": "p.md"}),
    ):
        with pytest.raises(ToolError, match=r'^plan "a" not found$'):
            await told(plans, tool, name="a", **more)


@requirement("plan:revision")
async def test_nobodys_change_is_lost(tmp_path: Path) -> None:
    """runtime.md §9.16: the optimistic lock; of many at once, also in two servers, one wins."""
    plans, others = plans_in(tmp_path), plans_in(tmp_path)
    for tool, more in (("write_plan", {"content": "x"}), ("set_plan_status", {"status": "s"})):
        await told(plans, "write_plan", name="a", content="one")
        revision = (await told(plans, "read_plan", name="a"))["revision"]
        with pytest.raises(ToolError, match=f"is at revision {revision}, not 99; read it again"):
            await told(plans, tool, name="a", last_known_revision=99, **more)
        results = await asyncio.gather(
            *(
                told((plans, others)[n % 2], tool, name="a", last_known_revision=revision, **more)
                for n in range(10)
            ),
            return_exceptions=True,
        )
        won = [each for each in results if not isinstance(each, BaseException)]
        assert [each["revision"] for each in won] == [revision + 1]
    with pytest.raises(ToolError, match="not 1; read it again"):
        await told(plans, "delete_plan", name="a", last_known_revision=1)
    with pytest.raises(ToolError, match="not 0; read it again"):
        await told(plans, "write_plan", name="a", content="new", last_known_revision=0)
    await told(plans, "write_plan", name="b", content="new", last_known_revision=0)
    await asyncio.gather(*(told(plans, "write_plan", name="b", content="x") for _ in range(9)))
    assert (await told(others, "get_plan_status", name="b"))["revision"] == 10


@requirement("plan:file")
async def test_files_of_the_go_program_are_read_and_written(tmp_path: Path) -> None:
    """runtime.md §9.16: the file; private, indented; one that is none is told and left alone."""
    plans = plans_in(tmp_path)
    folder = tmp_path / "data" / "plans"
    folder.mkdir(parents=True)
    path = folder / "ship-it.json"
    path.write_text(json.dumps({**FILE, "later": 1}))
    assert await told(plans, "read_plan", name="ship-it") == FILE
    await told(plans, "set_plan_status", name="ship-it", status="done", last_known_revision=3)
    found = json.loads(path.read_bytes())
    assert found == {**FILE, "status": "done", "revision": 4, "updated_at": WHEN}
    assert path.stat().st_mode & 0o777 == 0o600 and '\n  "title"' in path.read_text()
    (folder / "broken.json").write_text("{")
    (folder / "Other.json").write_text("{}")
    os.mkfifo(folder / "pipe.json")
    assert [each["name"] for each in await told(plans, "list_plans")] == ["ship-it"]
    for tool, more in (("read_plan", {}), ("write_plan", {"content": "x"})):
        with pytest.raises(ToolError, match=r"broken\.json is no file of a plan"):
            await told(plans, tool, name="broken", **more)
    assert (folder / "broken.json").read_text() == "{"


@requirement("plan:names")
@pytest.mark.parametrize(
    "name", ["", "A", "-a", "_a", "a.b", "../a", "a/b", "a\n", "ä", "a" * 101, "a\0", ".."]
)
async def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    """runtime.md §9.16: `^[a-z0-9][a-z0-9_-]*$`."""
    plans = plans_in(tmp_path)
    more = {"content": "x", "status": "s", "path": "p.md"}
    (tmp_path / "work" / "p.md").write_text("x")
    for spec in (await plans.tools(around())).specs:
        if spec.name != "list_plans":
            with pytest.raises(ToolError, match="is no name of a plan"):
                await told(plans, spec.name, name=name, **more)


@requirement("plan:paths")
async def test_files_are_taken_from_and_put_into_the_working_directory_alone(
    tmp_path: Path,
) -> None:
    """runtime.md §9.16 R: the same sandbox as filesystem."""
    plans = plans_in(tmp_path)
    work, outside = tmp_path / "work", tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("secret")
    (work / "link.md").symlink_to(outside / "secret.md")
    (work / "folder").symlink_to(outside)
    os.mkfifo(work / "pipe")
    (work / "in.md").write_text("# From a file")
    about = await told(plans, "update_plan_from_file", name="a", path="in.md", status="new")
    assert (about["revision"], about["status"]) == (1, "new")
    assert (await told(plans, "read_plan", name="a"))["content"] == "# From a file"
    out = await told(plans, "export_plan_to_file", name="a", path="sub/out.md")
    assert out == {"name": "a", "path": str(work / "sub" / "out.md"), "revision": 1}
    assert (work / "sub" / "out.md").read_text() == "# From a file"
    await told(plans, "export_plan_to_file", name="a", path=str(work / "in.md"))
    wrong = [
        "../outside/secret.md",
        str(outside / "secret.md"),
        str(tmp_path / "data" / "plans" / "a.json"),
        "link.md",
        "folder/secret.md",
        "folder/new.md",
        "pipe",
        "/dev/zero",
        "~/x",
        ".",
        "",
        "a\0b",
    ]
    for path in wrong:
        for tool in ("update_plan_from_file", "export_plan_to_file"):
            with pytest.raises(ToolError):
                await told(plans, tool, name="a", path=path)
    assert {each.name for each in outside.iterdir()} == {"secret.md"}
    assert (outside / "secret.md").read_text() == "secret"
    assert (await told(plans, "get_plan_status", name="a"))["revision"] == 1


@requirement("plan:scope")
async def test_two_callers_never_see_each_others_plans(tmp_path: Path) -> None:
    """runtime.md §1.3, §9.16 R: key and user divide them, under the same names; also after a
    restart."""
    callers = ["", "key", "key\nanna", "key\nben", "KEY", "../key"]
    plans = plans_in(tmp_path)
    assert plans.scope == "caller"
    await asyncio.gather(
        *(told(plans, "write_plan", who, name="a", content=f"of <{who}>") for who in callers)
    )
    await told(plans, "delete_plan", "key", name="a")
    fresh = plans_in(tmp_path)
    for who in callers:
        if who == "key":
            assert await told(fresh, "list_plans", who) == []
        else:
            assert (await told(fresh, "read_plan", who, name="a"))["content"] == f"of <{who}>"
    for path in (tmp_path / "data").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


@requirement("plan:bounds")
async def test_plans_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN.md: a limit on every size."""
    plans = plans_in(tmp_path)
    monkeypatch.setattr(plan_store, "MAX_PLANS", 2)
    monkeypatch.setattr(plan_store, "MAX_CALLERS", 1)
    for name in ("a", "b"):
        await told(plans, "write_plan", name=name, content="x")
    with pytest.raises(ToolError, match="plans already; delete some"):
        await told(plans, "write_plan", name="c", content="x")
    await told(plans, "write_plan", name="b", content="y")
    await told(plans, "write_plan", "ann", name="a", content="x")
    with pytest.raises(ToolError, match="too many callers"):
        await told(plans, "write_plan", "ben", name="a", content="x")
    await told(plans, "write_plan", "ann", name="a", content="z")
    monkeypatch.setattr(kept_file, "MAX_BYTES", 300)
    with pytest.raises(ToolError, match="no room for more"):
        await told(plans, "write_plan", name="b", content="x" * 300)
    for content in ("", "  "):
        with pytest.raises(ToolError, match="`content` is empty"):
            await told(plans, "write_plan", name="b", content=content)
    assert (await told(plans, "read_plan", name="b"))["content"] == "y"


@requirement("plan:scope")
async def test_a_file_from_elsewhere_has_plans_of_its_own(tmp_path: Path) -> None:
    """chat-server.md §6: what others wrote reads nothing of the operator's."""
    opening = Opening(tmp_path, Values({}), data_dir=tmp_path / "data", source="a.yaml")
    elsewhere = msgspec.structs.replace(opening, trusted=False)
    for where, count in ((opening, 1), (elsewhere, 0)):
        async with TOOLSETS["plan"](decode(b"{}", "agent.yaml"), where) as toolset:
            if where is opening:
                await toolset.call("write_plan", {"name": "a", "content": "x"}, context())
            listed = await toolset.call("list_plans", {}, context())
            assert len(json.loads(listed.text)) == count


@requirement("plan:hints")
async def test_the_hints_and_the_prompt_say_what_plans_are(tmp_path: Path) -> None:
    """runtime.md §9.16: RO and DES."""
    listing = await plans_in(tmp_path).tools(around())
    assert [spec.name for spec in listing.specs if spec.destructive] == ["delete_plan"]
    assert {spec.name for spec in listing.specs if spec.read_only} == {
        "read_plan",
        "get_plan_status",
        "list_plans",
    }
    assert listing.by_name["write_plan"].parameters["required"] == ["name", "content"]
    assert "last_known_revision" in listing.instructions
    assert not (tmp_path / "data").exists()
