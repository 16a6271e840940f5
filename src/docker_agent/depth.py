"""How deep JSON from outside may be nested.

A schema or the arguments of a call pass through functions that call themselves, here and in
libraries, and are written again further down the stack than they were read: what was just readable
would end there in a RecursionError. Pure.
"""

from __future__ import annotations

from typing import cast

from docker_agent.messages import JSON

MAX_DEPTH = 128
"""Arrays and objects inside each other. OpenAI takes schemas of ten levels, which are twice as many
objects."""

TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


def may_be_too_deep(text: str | bytes) -> bool:
    """Whether JSON with this text can be: one with few brackets cannot, and need not be walked
    through."""
    if isinstance(text, str):
        return text.count("{") + text.count("[") > MAX_DEPTH
    return text.count(b"{") + text.count(b"[") > MAX_DEPTH


def is_too_deep(value: JSON) -> bool:
    """Whether `value` is nested deeper than `MAX_DEPTH`."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[JSON] = []
        for each in level:
            if isinstance(each, dict):
                below += cast(dict[str, JSON], each).values()
            elif isinstance(each, list):
                below += cast(list[JSON], each)
        if not below:
            return False
        level = below
    return True
