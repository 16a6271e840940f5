"""search_files_content."""

from __future__ import annotations

import anyio
import pytest

from docker_agent.messages import JSON
from docker_agent.tools.filesystem.search import MAX_FILE, MAX_OUTPUT, NO_RESULTS
from tests.requirements import requirement
from tests.tools.filesystem.desk import Desk, call

pytestmark = pytest.mark.anyio

TREE = {
    "a.py": "import os\r\n\r\nprint(os.name)\r\n",
    "d/b.py": "x = 1\n    y = os.sep  # os\n",
    "d/c.txt": "Os OS\nżółw os\n",
    "d/dist/d.js": "os",
    "bin": b"os\0",
}


@requirement("tool:filesystem:search_files_content")
@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            {"path": ".", "query": "os."},
            ["a.py:3:7: print(os.name)", "d/b.py:2:9:     y = os.sep  # os"],
        ),
        ({"path": "d", "query": "żółw"}, ["d/c.txt:2:1: żółw os"]),
        ({"path": "d/c.txt", "query": "os"}, ["d/c.txt:2:6: żółw os"]),
        ({"path": ".", "query": "o.\\.", "is_regex": True, "excludePatterns": ["d"]},
         ["a.py:3:7: print(os.name)"]),
        ({"path": ".", "query": "(?i)^OS", "is_regex": True, "excludePatterns": "dist/"},
         ["d/c.txt:1:1: Os OS"]),
        ({"path": ".", "query": "^x|sep$", "is_regex": "true", "excludePatterns": ["*.js"]},
         ["d/b.py:1:1: x = 1"]),
        ({"path": ".", "query": "nowhere"}, [NO_RESULTS]),
        ({"path": ".", "query": "o.", "excludePatterns": ["*.py", "/d/dist"]}, [NO_RESULTS]),
    ],
)  # fmt: skip
async def test_matches_come_as_lines(
    desk: Desk, arguments: dict[str, JSON], lines: list[str]
) -> None:
    """runtime.md §9.1: `path:line:column: preview`, one-based; binary files are left out."""
    result = await desk.put(TREE).call("search_files_content", **arguments)
    assert (result.text.split("\n"), result.is_error) == (lines, False)


@requirement("tool:filesystem:search_files_content")
async def test_an_absolute_path_gives_absolute_results(desk: Desk) -> None:
    """runtime.md §9.1: what is found can be read under the name it is given."""
    desk.put(TREE)
    found = await desk.call("search_files_content", path=str(desk.root / "d"), query="= 1")
    path = found.text.split(":")[0]
    assert path == str(desk.root / "d/b.py")
    assert (await desk.call("read_file", path=path)).text == TREE["d/b.py"]


@requirement("tool:filesystem:search_files_content")
@pytest.mark.parametrize(
    ("line", "preview"),
    [
        ("<" + "x" * 95 + "needle"[:4], None),
        ("a" * 50 + "needle" + "b" * 50, "..." + "a" * 20 + "needle" + "b" * 20 + "..."),
        ("needle" + "b" * 100, "needle" + "b" * 20 + "..."),
        ("a" * 100 + "needle", "..." + "a" * 20 + "needle"),
        ("a" * 47 + "needle" + "b" * 47, "a" * 47 + "needle" + "b" * 47),
    ],
)
async def test_long_lines_are_shortened_around_the_match(
    desk: Desk, line: str, preview: str | None
) -> None:
    """runtime.md §9.1: 20 characters on both sides."""
    desk.put({"f": line})
    result = await desk.call("search_files_content", path="f", query="needle")
    assert result.text == (
        NO_RESULTS if preview is None else f"f:1:{line.index('needle') + 1}: {preview}"
    )


@requirement("tool:filesystem:limits")
async def test_an_answer_that_is_too_long_says_so(desk: Desk) -> None:
    """runtime.md §5.7: 1 MiB of output, and a note."""
    desk.put({"f": "needle in a haystack\n" * 60_000})
    result = await desk.call("search_files_content", path=".", query="needle")
    *lines, note = result.text.split("\n")
    assert len("\n".join(lines)) <= MAX_OUTPUT
    assert lines[-1].endswith("needle in a haystack")
    assert "1 MiB" in note


@requirement("tool:filesystem:limits")
async def test_files_that_are_too_large_are_left_out(desk: Desk) -> None:
    """runtime.md §5.7: more than 10 MiB."""
    desk.put({"big": "needle" + "x" * MAX_FILE, "small": "needle"})
    result = await desk.call("search_files_content", path=".", query="needle")
    assert result.text == "small:1:1: needle"


@requirement("tool:filesystem:patterns")
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("(", "is not a regular expression"),
        ("a" * 1001, "longer than 1000"),
        ("(?:a|(?R))*", "recursive"),
        ("(a(?1)?)", "recursive"),
        ("(" * 900, "is not a regular expression"),
        ("", "the query is empty"),
    ],
)
async def test_a_pattern_that_cannot_be_used_is_explained(
    desk: Desk, query: str, words: str
) -> None:
    """runtime.md §9.1: a RE2-like language, and errors the model can act on."""
    desk.put({"f": "aaa"})
    result = await desk.call("search_files_content", path=".", query=query, is_regex=True)
    assert result.is_error
    assert words in result.text


SLOW = r"(a|aa)+$"
BAIT = "a" * 5000 + "b"


@requirement("tool:filesystem:patterns")
async def test_a_regular_expression_that_takes_for_ever_is_stopped(desk: Desk) -> None:
    """runtime.md §9.1 R: an engine that can be stopped; what was found before is kept."""
    desk.put({"a": "aa", "b": BAIT, "c": "aa"})
    filesystem = desk.filesystem(search_seconds=0.3)
    arguments = {"query": SLOW, "is_regex": True}
    with anyio.fail_after(30):
        alone = await call(filesystem, "search_files_content", path="b", **arguments)
        among = await call(filesystem, "search_files_content", path=".", **arguments)
    assert alone.is_error
    assert "takes too long" in alone.text
    assert not among.is_error
    first, note = among.text.split("\n")
    assert first == "a:1:1: aa"
    assert "takes too long" in note


@requirement("tool:filesystem:patterns")
async def test_the_server_goes_on_while_a_search_is_slow_and_can_leave_it(desk: Desk) -> None:
    """runtime.md §9.1 R: a slow pattern holds up nobody else; cancellation does not wait for it."""
    filesystem = desk.put({"b": BAIT}).filesystem(search_seconds=60)
    steps = 0

    async def search() -> None:
        await call(filesystem, "search_files_content", path=".", query=SLOW, is_regex=True)
        pytest.fail("the search ended before it was cancelled")

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(search)
            while steps < 1000:
                steps += 1
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()


@requirement("tool:filesystem:ignore_vcs")
async def test_hidden_files_are_not_searched(desk: Desk) -> None:
    """runtime.md §9.1, ignore_vcs."""
    desk.put({".gitignore": "out/\n", "out/x": "needle", ".git/x": "needle", "d/x": "needle"})
    (desk.root / "loop").symlink_to(".")
    result = await desk.call("search_files_content", path=".", query="needle")
    assert result.text == "d/x:1:1: needle"
