"""read_file and read_multiple_files."""

from __future__ import annotations

import base64
import json
import os
import socket
from pathlib import Path

import anyio
import pytest

from docker_agent.messages import ImagePart
from docker_agent.tools.filesystem.content import image_type, is_binary
from docker_agent.tools.filesystem.options import FilesystemOptions
from docker_agent.tools.filesystem.read import MAX_IMAGE, MAX_PICTURES, MAX_TEXT
from tests.requirements import requirement
from tests.tools.filesystem.desk import Desk, call

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
LINES = "one\ntwo\r\nthree\nfour"


@requirement("tool:filesystem:read_file")
@pytest.mark.parametrize(
    ("content", "arguments", "text"),
    [
        (LINES, {}, LINES),
        (LINES, {"offset": 2}, "two\r\nthree\nfour"),
        (LINES, {"offset": 2, "limit": 1}, "two\r\n"),
        (LINES, {"limit": 2}, "one\ntwo\r\n"),
        (LINES, {"offset": 0, "limit": "1"}, "one\n"),
        (LINES, {"offset": 4, "limit": 9}, "four"),
        ("", {}, ""),
        ("żółw ✓\n", {}, "żółw ✓\n"),
        (b"caf\xe9", {}, "caf�"),
    ],
)
async def test_read_file_answers_with_the_text(
    desk: Desk, content: str | bytes, arguments: dict[str, int], text: str
) -> None:
    """runtime.md §9.1: file text, with offset and limit in lines."""
    result = await desk.put({"a.txt": content}).call("read_file", path="a.txt", **arguments)
    assert (result.text, result.is_error) == (text, False)


@requirement("tool:filesystem:read_file")
async def test_a_missing_file_is_not_found(desk: Desk) -> None:
    """runtime.md §9.1: the exact text."""
    result = await desk.call("read_file", path="nope/a.txt")
    assert (result.text, result.is_error) == ("not found", True)


@requirement("tool:filesystem:read_file")
@pytest.mark.parametrize("offset", [4, 5, 1000])
async def test_an_offset_past_the_end_is_an_error(desk: Desk, offset: int) -> None:
    """runtime.md §9.1 R: offset counts lines."""
    result = await desk.put({"a": "1\n2\n3\n"}).call("read_file", path="a", offset=offset)
    assert result.is_error
    assert f"offset {offset} is past the end" in result.text


@requirement("tool:filesystem:limits")
async def test_a_large_file_is_cut_at_a_line_and_can_be_read_on(desk: Desk) -> None:
    """runtime.md §9.1 R: 2 MiB at most, the rest by offset."""
    line = "x" * 1023 + "\n"
    desk.put({"big": line * 5000})
    first = await desk.call("read_file", path="big")
    text, note = first.text.split("\n[cut here")
    onward = int(note.rsplit("offset ", 1)[1].rstrip("]"))
    second = await desk.call("read_file", path="big", offset=onward, limit=1)
    assert len(text) == MAX_TEXT
    assert onward == MAX_TEXT // 1024 + 1
    assert second.text == line


@requirement("tool:filesystem:limits")
async def test_one_endless_line_is_cut_too(desk: Desk) -> None:
    """runtime.md §9.1 R: 2 MiB at most."""
    result = await desk.put({"big": "x" * (MAX_TEXT + 5)}).call("read_file", path="big")
    assert len(result.text) < MAX_TEXT + 100
    assert result.text.endswith(f"[cut here: the file has {MAX_TEXT + 5} bytes]")


@requirement("tool:filesystem:images")
@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        (b"GIF89a....", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
async def test_pictures_come_as_pictures(desk: Desk, head: bytes, mime: str) -> None:
    """runtime.md §9.1: one line about it, and an image part."""
    result = await desk.put({"pic": head}).call("read_file", path="pic")
    assert result.text == f"Read image file pic [{mime}] ({len(head)} bytes)"
    assert result.parts == (ImagePart(f"data:{mime};base64,{base64.b64encode(head).decode()}"),)


@requirement("tool:filesystem:images")
async def test_a_picture_that_is_too_large_is_refused(desk: Desk) -> None:
    """runtime.md §5.7: 4.5 MB; nothing here scales pictures."""
    picture = PNG.ljust(MAX_IMAGE + 1, b"\0")
    result = await desk.put({"pic.png": picture}).call("read_file", path="pic.png")
    assert result.is_error
    assert str(MAX_IMAGE) in result.text
    assert not result.parts


@requirement("tool:filesystem:binary")
@pytest.mark.parametrize(
    ("head", "binary"),
    [
        (b"", False),
        (b"plain text\r\n\tand\x0c \x1b[1mcolour\x1b[0m", False),
        ("żółw ✓".encode(), False),
        (b"caf\xe9", False),
        (b"a\0b", True),
        (b"%PDF-1.7", True),
        (b"\x7fELF\x02\x01", True),
        (b"PK\x03\x04", True),
        ("text".encode("utf-16"), True),
    ],
)
def test_binary_files_are_known_by_their_first_bytes(head: bytes, binary: bool) -> None:
    """runtime.md §9.1: binary detection."""
    assert is_binary(head) == binary
    assert image_type(head) is None


@requirement("tool:filesystem:binary")
async def test_a_binary_file_is_not_shown(desk: Desk) -> None:
    """runtime.md §9.1: binary detection."""
    result = await desk.put({"a.out": b"\x7fELF\0\0"}).call("read_file", path="a.out")
    assert result.is_error
    assert "binary file (6 bytes)" in result.text


@requirement("tool:filesystem:special")
async def test_pipes_sockets_and_devices_are_refused_without_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """chat-server.md §6: a model cannot make a read wait for ever."""
    os.mkfifo(desk.root / "pipe")
    filesystem = desk.filesystem(FilesystemOptions(allow_list=(".", "/dev")))
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(desk.root)
        listener.bind("socket")
        with anyio.fail_after(5):
            for path in ("pipe", "socket", "/dev/zero"):
                for tool, more in (("read_file", {}), ("write_file", {"content": "x"})):
                    result = await call(filesystem, tool, path=path, **more)
                    assert result.is_error, path
                    assert "not a regular file" in result.text
            found = await call(filesystem, "search_files_content", path=".", query="x")
    assert found.text == "No results found"


@requirement("tool:filesystem:read_file")
async def test_a_directory_is_no_file(desk: Desk) -> None:
    """runtime.md §9.1: errors say what is wrong."""
    desk.put({"d/x": ""})
    for path in ("d", ".", str(desk.root)):
        result = await desk.call("read_file", path=path)
        assert result.is_error
        assert result.text.endswith("is a directory, not a file")


@requirement("tool:filesystem:read_file")
async def test_a_path_may_be_absolute_or_below_home(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """runtime.md §9.1, path rules."""
    monkeypatch.setenv("HOME", str(desk.root))
    desk.put({"d/a": "text"})
    for path in ("d/a", "./d/../d/a", str(desk.root / "d/a"), "~/d/a", "../work/d/a"):
        assert (await desk.call("read_file", path=path)).text == "text"


@requirement("tool:filesystem:read_multiple_files")
async def test_several_files_come_in_one_answer(desk: Desk) -> None:
    """runtime.md §9.1: the format, errors in place."""
    desk.put({"a": "A\n", "b": b"\0"})
    paths = ["a", "nope", "b"]
    result = await desk.call("read_multiple_files", paths=paths)
    listed = await desk.call("read_multiple_files", paths=paths, json=True)
    binary = (
        "b is a binary file (1 bytes); only text and pictures (jpg, png, gif, webp) can be read"
    )
    assert not result.is_error
    assert result.text == (f"=== a ===\nA\n\n\n=== nope ===\nnot found\n\n=== b ===\n{binary}\n\n")
    assert json.loads(listed.text) == [
        {"path": "a", "content": "A\n"},
        {"path": "nope", "content": "not found"},
        {"path": "b", "content": binary},
    ]


@requirement("tool:filesystem:limits")
async def test_several_files_share_one_limit(desk: Desk) -> None:
    """runtime.md §9.1 R: one call gives no more than 2 MiB, whatever it asks for."""
    desk.put({"big": "x" * MAX_TEXT, "small": "y", "pic": PNG.ljust(MAX_IMAGE, b"\0")})
    result = await desk.call("read_multiple_files", paths=["big", "small"])
    pictures = await desk.call("read_multiple_files", paths=["pic", "pic", "small"])
    assert "=== small ===\nleft out" in result.text
    assert len(pictures.parts) == MAX_PICTURES * 3 // 4 // MAX_IMAGE == 1
    assert "left out: too many pictures" in pictures.text
    assert "=== small ===\ny" in pictures.text


@requirement("tool:filesystem:read_multiple_files")
async def test_one_path_may_be_given_without_a_list(desk: Desk) -> None:
    """runtime.md §5.4: scalar where a list is expected."""
    desk.put({"a": "A"})
    for paths in ("a", '["a"]'):
        result = await desk.call("read_multiple_files", paths=paths)
        assert result.text == "=== a ===\nA\n\n"
    assert (await desk.call("read_multiple_files", paths=[])).is_error


@requirement("tool:filesystem:read_file")
async def test_links_inside_the_tree_are_followed(desk: Desk) -> None:
    """runtime.md §9.1: links are resolved first, then the real path is checked."""
    desk.put({"d/a": "text"})
    (desk.root / "link").symlink_to(Path("d"))
    (desk.root / "d/again").symlink_to(desk.root / "d/a")
    assert (await desk.call("read_file", path="link/again")).text == "text"
