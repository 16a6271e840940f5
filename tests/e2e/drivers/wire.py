"""How a driver is spoken to: one JSON object a line in, and out.

A driver is a small program in an environment of its own that drives one client library. It is
asked for a case (`{"case": "stream", "url": …, "key": …, "model": …, "text": …}`), says `piece`s
as they arrive, and ends with what is `done`, or with the client's own `error`.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any

Ask = dict[str, Any]
Case = Callable[[Ask], Any]

SCHEMA = {
    "type": "object",
    "title": "Weather",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}

_out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what a library prints is no answer


def tell(**said: object) -> None:
    """One line to whoever asked."""
    _out.write(json.dumps(said) + "\n")
    _out.flush()


def piece(text: str | None) -> str:
    """Say that some text has arrived."""
    if text:
        tell(piece=text)
    return text or ""


def weather(city: str) -> str:
    """The weather in a city."""
    return f"22 degrees in {city}"


def serve(**cases: Case) -> None:
    """Answer until stdin ends."""
    with asyncio.Runner() as runner:
        tell(done=sorted(cases))
        for line in sys.stdin:
            ask = json.loads(line)
            try:
                done = cases[ask["case"]](ask)
                if inspect.iscoroutine(done):
                    done = runner.run(done)
                tell(done=done)
            except Exception as exc:
                status = getattr(exc, "status_code", None)
                tell(error={"type": type(exc).__name__, "status": status, "message": str(exc)})
