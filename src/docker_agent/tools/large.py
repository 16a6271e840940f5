"""Results too large for a model, cut in the middle. Pure."""

from __future__ import annotations

MAX_BYTES = 50 * 1024
"""UTF-8 bytes of one result that a model is shown (runtime.md §5.6)."""

MAX_LINES = 2000
"""Lines of one result that a model is shown."""


def shortened(text: str, max_bytes: int = MAX_BYTES, max_lines: int = MAX_LINES) -> str:
    """`text` as it is, or its head and tail with a line between them that says what is missing.

    Both halves together hold at most `max_lines` lines and `max_bytes` bytes; the notice comes on
    top.
    """
    lines = text.count("\n") + 1
    if lines <= max_lines and len(text.encode("utf-8", "replace")) <= max_bytes:
        return text
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
