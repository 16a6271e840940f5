"""Results too large for a model: cut in the middle, or a notice and their end. Pure."""

from __future__ import annotations

MAX_BYTES = 50 * 1024
"""UTF-8 bytes of one result that a model is shown (runtime.md §5.6)."""

MAX_LINES = 2000
"""Lines of one result that a model is shown."""


MAX_OPENING = 300
"""Characters of the first line that a notice repeats: it often says how a command ended."""


def is_large(text: str, max_bytes: int = MAX_BYTES, max_lines: int = MAX_LINES) -> bool:
    """Whether a model may not be shown all of it."""
    if len(text) <= max_bytes // 4 and len(text) < max_lines:
        return False
    return text.count("\n") + 1 > max_lines or len(text.encode("utf-8", "replace")) > max_bytes


def ending(text: str, path: str, reader: str) -> str:
    """The notice that all of `text` is in the file `path`, which the tool `reader` reads, and as
    much of its end as fits behind it."""
    opening = text.lstrip().partition("\n")[0][:MAX_OPENING]
    notice = (
        f"[… This result is too large to show: it has {len(text)} characters in "
        f"{text.count(chr(10)) + 1} lines, and the limit is {MAX_BYTES // 1024} KiB or {MAX_LINES} "
        f"lines. All of it is in the file {path}; read parts of it with `{reader}`, `offset` and "
        f"`limit`; should it be gone, call the tool again. It begins: {opening} … This is its "
        "end: …]\n\n"
    )
    room = MAX_BYTES - len(notice.encode("utf-8", "replace"))
    return notice + _head(text[::-1], room, MAX_LINES - notice.count("\n"))[::-1]


def shortened(text: str, max_bytes: int = MAX_BYTES, max_lines: int = MAX_LINES) -> str:
    """`text` as it is, or its head and tail with a line between them that says what is missing.

    Both halves together hold at most `max_lines` lines and `max_bytes` bytes; the notice comes on
    top.
    """
    if not is_large(text, max_bytes, max_lines):
        return text
    lines = text.count("\n") + 1
    head = _head(text, max_bytes // 2, max_lines // 2)
    rest = text[len(head) :]
    tail = _head(rest[::-1], max_bytes - max_bytes // 2, max_lines - max_lines // 2)[::-1]
    missing = len(rest) - len(tail)
    return (
        f"{head}\n\n[… {missing} characters left out here; the whole has {len(text)} characters "
        f"in {lines} lines. Ask for less at a time to see them …]\n\n{tail}"
    )


def _head(text: str, max_bytes: int, max_lines: int) -> str:
    """The beginning of `text` within both limits, in whole lines where that costs less than
    half."""
    fitting = text[:max_bytes].encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore")
    kept = "\n".join(fitting.split("\n", max_lines)[:max_lines])
    end = kept.rfind("\n")
    return kept[:end] if len(kept) == len(fitting) and end > len(kept) // 2 else kept
