"""write_file, edit_file, create_directory and remove_directory."""

from __future__ import annotations

import asyncio
import os
import stat

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.errors import ToolError
from docker_agent.messages import JSON
from tests.requirements import requirement
from tests.tools.filesystem.desk import Desk, call

pytestmark = pytest.mark.anyio


@requirement("tool:filesystem:write_file")
async def test_write_file_makes_directories_and_says_how_much(desk: Desk) -> None:
    """runtime.md §9.1: the exact text; bytes are counted."""
    result = await desk.call("write_file", path="new/deep/a.txt", content="żółw")
    assert result.text == "File written successfully: new/deep/a.txt (7 bytes)"
    assert (desk.root / "new/deep/a.txt").read_bytes() == "żółw".encode()


@requirement("tool:filesystem:write_file")
async def test_write_file_replaces_the_whole_file_and_leaves_nothing_behind(desk: Desk) -> None:
    """runtime.md §9.1: write_file."""
    desk.put({"a": "long old content"})
    await desk.call("write_file", path="a", content="new")
    assert (desk.root / "a").read_text() == "new"
    assert list(desk.root.iterdir()) == [desk.root / "a"]


@requirement("tool:filesystem:writes")
async def test_a_new_file_stands_in_for_the_old_one_with_its_mode(desk: Desk) -> None:
    """runtime.md §5.2 R: whoever reads meanwhile sees the old file or the new one."""
    path = desk.put({"run.sh": "old"}).root / "run.sh"
    path.chmod(0o751)
    with path.open() as reader:
        await desk.call("write_file", path="run.sh", content="new")
        assert reader.read() == "old"
    assert stat.S_IMODE(path.stat().st_mode) == 0o751
    assert path.read_text() == "new"


@requirement("tool:filesystem:writes")
async def test_other_names_of_a_file_still_lead_to_it(desk: Desk) -> None:
    """runtime.md §9.1: neither a hard link nor a symbolic one is cut."""
    desk.put({"a": "old"})
    os.link(desk.root / "a", desk.root / "hard")
    (desk.root / "soft").symlink_to("a")
    await desk.call("write_file", path="soft", content="one, longer")
    assert (desk.root / "hard").read_text() == "one, longer"
    await desk.call("edit_file", path="hard", edits=[{"oldText": ", longer", "newText": ""}])
    assert [(desk.root / name).read_text() for name in ("a", "hard", "soft")] == ["one"] * 3
    assert (desk.root / "soft").is_symlink()


@requirement("tool:filesystem:edit_file")
@pytest.mark.parametrize(
    ("edits", "text", "after"),
    [
        (
            [{"oldText": "a", "newText": "X"}],
            "File edited successfully. Replaced 1 characters",
            "X b a b",
        ),
        (
            [{"oldText": "a", "newText": "b"}, {"oldText": "b b", "newText": "c"}],
            "File edited successfully. Changes:\nEdit 1: Replaced 1 characters\n"
            "Edit 2: Replaced 3 characters",
            "c a b",
        ),
        (
            '[{"oldText": "a b", "newText": "1\n2"}]',
            "File edited successfully. Replaced 3 characters",
            "1\n2 a b",
        ),
        (
            {"oldText": " b a b", "newText": None},
            "File edited successfully. Replaced 6 characters",
            "a",
        ),
    ],
)
async def test_edits_are_made_in_order_at_the_first_place(
    desk: Desk, edits: JSON, text: str, after: str
) -> None:
    """runtime.md §9.1: sequential, first occurrence; §5.4: edits as text."""
    result = await desk.put({"f": "a b a b"}).call("edit_file", path="f", edits=edits)
    assert (result.text, result.is_error) == (text, False)
    assert (desk.root / "f").read_text() == after


@requirement("tool:filesystem:edit_file")
@pytest.mark.parametrize(
    ("edits", "text"),
    [
        (
            [{"oldText": "a", "newText": "x"}, {"oldText": "zzz", "newText": "y"}],
            "Edit 2 failed: old text not found",
        ),
        ([{"oldText": "", "newText": "y"}], "Edit 1 failed: old text is empty"),
        ([], "edits is empty"),
    ],
)
async def test_nothing_is_written_when_one_edit_fails(desk: Desk, edits: JSON, text: str) -> None:
    """runtime.md §9.1: the exact text."""
    result = await desk.put({"f": "a b"}).call("edit_file", path="f", edits=edits)
    assert (result.text, result.is_error) == (text, True)
    assert (desk.root / "f").read_text() == "a b"


@requirement("tool:filesystem:edit_file")
async def test_edits_that_lack_a_key_are_explained(desk: Desk) -> None:
    """runtime.md §5.4 R: the error names the field and shows the schema line."""
    with pytest.raises(ToolError, match=r"`edits`.*`newText`.*expected"):
        await desk.put({"f": "a"}).call("edit_file", path="f", edits=[{"oldText": "a"}])


@requirement("tool:filesystem:edit_file")
async def test_line_ends_and_foreign_bytes_survive_an_edit(desk: Desk) -> None:
    """runtime.md §9.1: an edit changes what it names and nothing else."""
    desk.put({"f": b"caf\xe9\r\none\r\ntwo\r\n"})
    edits = [{"oldText": "one\ntwo", "newText": "1\n2"}]
    assert not (await desk.call("edit_file", path="f", edits=edits)).is_error
    assert (desk.root / "f").read_bytes() == b"caf\xe9\r\n1\r\n2\r\n"


@requirement("tool:filesystem:edit_file")
async def test_a_missing_file_cannot_be_edited(desk: Desk) -> None:
    """runtime.md §9.1: `not found`."""
    edits = [{"oldText": "a", "newText": "b"}]
    result = await desk.call("edit_file", path="nope", edits=edits)
    assert (result.text, result.is_error) == ("not found", True)


@requirement("tool:filesystem:writes")
async def test_edits_of_one_file_at_once_are_all_kept(desk: Desk) -> None:
    """runtime.md §5.2 R: writes to the same path are made one after the other."""
    names = [f"<{number}>" for number in range(20)]
    filesystem = desk.put({"f": " ".join(names)}).filesystem()
    (desk.root / "link").symlink_to("f")

    async def shout(number: int) -> None:
        path = "link" if number % 2 else "./f"
        edit = {"oldText": names[number], "newText": f"[{number}]"}
        result = await call(filesystem, "edit_file", path=path, edits=[edit])
        assert not result.is_error

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(shout, number)
    assert (desk.root / "f").read_text() == " ".join(f"[{number}]" for number in range(20))


@requirement("tool:filesystem:edit_file")
@given(before=st.text(), old=st.text(min_size=1), after=st.text(), new=st.text())
def test_an_edit_replaces_exactly_its_first_place(
    tmp_path_factory: pytest.TempPathFactory, before: str, old: str, after: str, new: str
) -> None:
    """runtime.md §9.1: whatever the text, byte for byte."""
    desk = Desk(tmp_path_factory.mktemp("edit"))
    text = before + old + after
    desk.put({"f": text})
    asyncio.run(_edit(desk, old, new))
    assert (desk.root / "f").read_bytes() == text.replace(old, new, 1).encode()


async def _edit(desk: Desk, old: str, new: str) -> None:
    result = await desk.call("edit_file", path="f", edits=[{"oldText": old, "newText": new}])
    assert result.text == f"File edited successfully. Replaced {len(old)} characters"


@requirement("tool:filesystem:create_directory")
async def test_directories_are_made_with_those_above_them(desk: Desk) -> None:
    """runtime.md §9.1: one line per path."""
    desk.put({"file": ""})
    result = await desk.call("create_directory", paths=["a/b/c", "a", "file/x"])
    assert result.text.split("\n")[:2] == [
        "Directory created successfully: a/b/c",
        "Directory created successfully: a",
    ]
    assert result.text.split("\n")[2].startswith("Error: file/x: ")
    assert result.is_error
    assert (desk.root / "a/b/c").is_dir()


@requirement("tool:filesystem:remove_directory")
async def test_only_empty_directories_are_removed(desk: Desk) -> None:
    """runtime.md §9.1: one line per path."""
    desk.put({"full/x": "", "file": ""})
    (desk.root / "empty").mkdir()
    (desk.root / "link").symlink_to("empty")
    paths = ["full", "file", "link", "nope", ".", "empty"]
    result = await desk.call("remove_directory", paths=paths)
    assert result.is_error
    assert result.text.split("\n") == [
        "Error: full: the directory is not empty",
        "Error: file: is not a directory",
        "Error: link: is not a directory",
        "Error: nope: not found",
        "Error: . is the root of an allowed directory",
        "Directory removed successfully: empty",
    ]
    assert sorted(path.name for path in desk.root.iterdir()) == ["file", "full", "link"]


@requirement("tool:filesystem:write_file")
@pytest.mark.parametrize("path", ["d", "file/x", "n" * 300])
async def test_a_place_that_cannot_be_written_is_explained(desk: Desk, path: str) -> None:
    """runtime.md §9.1: errors the model can act on, without server paths."""
    desk.put({"d/x": "", "file": ""})
    result = await desk.call("write_file", path=path, content="x")
    assert result.is_error
    assert str(desk.root) not in result.text
    assert (desk.root / "file").read_text() == ""
