"""Reading files: text from any line on, pictures as pictures, never more than fits."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import Annotated, BinaryIO

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import ImagePart, Part, ToolResult
from docker_agent.tools.filesystem.content import SNIFFED, image_type, is_binary
from docker_agent.tools.filesystem.handles import NotFound, explained, open_file
from docker_agent.tools.filesystem.places import Place
from docker_agent.tools.filesystem.work import Disk, Stop, printable

MAX_TEXT = 2 * 1024 * 1024
"""Bytes of text one call gives (runtime.md §9.1)."""

MAX_IMAGE = 4_500_000
"""Bytes of a picture (runtime.md §5.7)."""

MAX_PICTURES = 8_000_000
"""Characters of all the data URLs in one answer."""

_CHUNK = 64 * 1024


class ReadFile(msgspec.Struct, frozen=True):
    """What `read_file` takes."""

    path: Annotated[str, msgspec.Meta(description="The file to read.")]
    offset: Annotated[
        int, msgspec.Meta(description="The first line to read, counted from 1; for large files.")
    ] = 1
    limit: Annotated[
        int, msgspec.Meta(description="How many lines to read; 0 reads to the end.")
    ] = 0


class ReadFiles(msgspec.Struct, frozen=True):
    """What `read_multiple_files` takes."""

    paths: Annotated[tuple[str, ...], msgspec.Meta(description="The files to read.")]
    json: Annotated[
        bool, msgspec.Meta(description="Answer with a JSON list of objects with path and content.")
    ] = False


def read_file(disk: Disk, wanted: ReadFile, stop: Stop) -> ToolResult:
    """The text of a file, or a picture with one line about it. Raises `ToolError`, `not found`
    for a missing file."""
    return _read(disk.boundary.locate(wanted.path), wanted, MAX_TEXT, stop)


def read_multiple_files(disk: Disk, wanted: ReadFiles, stop: Stop) -> ToolResult:
    """Several files in one answer; what is wrong with one stands in its place. All together give
    at most `MAX_TEXT` bytes."""
    if not wanted.paths:
        raise ToolError("paths is empty")
    found: list[tuple[str, str]] = []
    parts: list[Part] = []
    left = MAX_TEXT
    for path in wanted.paths:
        try:
            if left <= 0:
                raise ToolError("left out: the files before it fill this answer")
            result = _read(disk.boundary.locate(path), ReadFile(path), left, stop)
            if _size((*parts, *result.parts)) > MAX_PICTURES:
                raise ToolError("left out: too many pictures for one answer")
        except ToolError as exc:
            result = ToolResult(str(exc))
        found.append((printable(path), result.text))
        parts.extend(result.parts)
        left -= len(result.text.encode())
    if wanted.json:
        listed = [{"path": path, "content": text} for path, text in found]
        return ToolResult(msgspec.json.encode(listed).decode(), parts=tuple(parts))
    text = "".join(f"=== {path} ===\n{text}\n\n" for path, text in found)
    return ToolResult(text, parts=tuple(parts))


def _size(parts: Sequence[Part]) -> int:
    return sum(len(part.url) for part in parts if isinstance(part, ImagePart))


def _read(place: Place, wanted: ReadFile, cap: int, stop: Stop) -> ToolResult:
    try:
        handle = open_file(place)
    except NotFound as exc:
        raise ToolError("not found") from exc
    with os.fdopen(handle, "rb") as file, explained(place):
        head = file.read(SNIFFED)
        size = os.fstat(handle).st_size
        mime = image_type(head)
        if mime is not None:
            return _image(place, mime, head + file.read(MAX_IMAGE + 1 - len(head)), size)
        if is_binary(head):
            raise ToolError(
                f"{place.shown} is a binary file ({size} bytes); only text and pictures (jpg, png, "
                "gif, webp) can be read"
            )
        file.seek(0)
        return ToolResult(_text(file, max(1, wanted.offset), wanted.limit, cap, stop))


def _image(place: Place, mime: str, data: bytes, size: int) -> ToolResult:
    if len(data) > MAX_IMAGE:
        raise ToolError(
            f"{place.shown} is a picture of {size} bytes; at most {MAX_IMAGE} bytes can be shown "
            "and it cannot be scaled down here"
        )
    url = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    text = f"Read image file {place.shown} [{mime}] ({len(data)} bytes)"
    return ToolResult(text, parts=(ImagePart(url),))


def _text(file: BinaryIO, first: int, limit: int, cap: int, stop: Stop) -> str:
    _skip_lines(file, first, stop)
    pieces: list[bytes] = []
    size = lines = 0
    while limit <= 0 or lines < limit:
        piece = file.readline(_CHUNK)
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
        lines += piece.endswith(b"\n")
        if size > cap:
            return _cut(b"".join(pieces)[:cap], first, os.fstat(file.fileno()).st_size)
        stop.check()
    if first > 1 and not pieces:
        raise ToolError(f"offset {first} is past the end of the file")
    return b"".join(pieces).decode("utf-8", "replace")


def _skip_lines(file: BinaryIO, first: int, stop: Stop) -> None:
    line = 1
    while line < first:
        piece = file.readline(_CHUNK)
        if not piece:
            raise ToolError(f"offset {first} is past the end of the file")
        line += piece.endswith(b"\n")
        stop.check()


def _cut(data: bytes, first: int, size: int) -> str:
    end = data.rfind(b"\n") + 1
    line = first + data.count(b"\n")
    onward = f"; go on with offset {line}" if end else ""
    text = data[: end or None].decode("utf-8", "replace")
    return f"{text}\n[cut here: the file has {size} bytes{onward}]"
