"""JavaScript template literals in fields of an agent file, evaluated with bounds on time and
memory."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Protocol, cast

import quickjs  # pyright: ignore[reportMissingTypeStubs] - it has none

from docker_agent.messages import JSON

TIME_LIMIT = 0.2
"""Seconds of CPU for one evaluation."""
TOTAL_TIME = 1.0
"""Seconds of CPU after which what is left of a text stays as it is."""
MEMORY_LIMIT = 16 * 1024 * 1024
"""Bytes for all evaluations of one text."""
_MOST_ROUNDS = 8
"""Evaluations for finding which variables a text asks for."""

_ENV_NAME = re.compile(r"""env(?:\.|\[\s*["'])([A-Za-z_][A-Za-z0-9_]*)""")
_QUOTES = "'\"`"

_PRELUDE = """
(() => {
  const run = (0, eval), parse = JSON.parse, write = JSON.stringify, text = String;
  const own = Object.prototype.hasOwnProperty, call = Function.prototype.call.bind(own);
  const wellFormed = Function.prototype.call.bind(String.prototype.toWellFormed);
  return (known, values) => {
    const data = parse(known), asked = [];
    const env = new Proxy({}, {get: (_, name) => {
      if (typeof name !== "string") return undefined;
      if (!call(data, name)) { asked[asked.length] = name; return ""; }
      return data[name];
    }});
    globalThis.env = env;
    const named = parse(values);
    for (const name in named) globalThis[name] = named[name];
    return (source) => {
      const value = run(source);
      const shown = value === null || value === undefined ? "" : wellFormed(text(value));
      return write([shown, asked]);
    };
  };
})()
"""
"""A function that makes an evaluator, which answers the text of a value and the names of `env` that
were asked for in vain. It keeps the built-ins it needs, whatever evaluated code does to them."""


def evaluate(text: str, env: Callable[[str], str | None], values: Mapping[str, JSON]) -> str:
    """The whole text as one template literal; where that fails, each `${…}` on its own, and those
    that fail again stay as they are."""
    template = _Template(env, values)
    template.know(_ENV_NAME.findall(text))
    escaped = text.replace("\\", "\\\\").replace("`", "\\`")
    whole = template.value(f"`{escaped}`")
    if whole is not None:
        return whole
    pieces: list[str] = []
    at = 0
    while (start := text.find("${", at)) >= 0:
        end = _closing_brace(text, start + 2)
        if end is None:
            break
        value = template.value(f"({text[start + 2 : end]}\n)")
        pieces += (text[at:start], text[start : end + 1] if value is None else value)
        at = end + 1
    return "".join((*pieces, text[at:]))


class _Evaluator(Protocol):
    def __call__(self, source: str) -> str: ...


class _MakeEvaluator(Protocol):
    def __call__(self, known: str, values: str) -> _Evaluator: ...


class _Context(Protocol):
    def set_memory_limit(self, limit: int) -> None: ...
    def set_time_limit(self, limit: float) -> None: ...
    def eval(self, code: str) -> _MakeEvaluator: ...


_JSError = cast(type[Exception], quickjs.JSException)  # pyright: ignore[reportUnknownMemberType]
_new_context = cast(Callable[[], _Context], quickjs.Context)  # pyright: ignore[reportUnknownMemberType]


class _Template:
    """Evaluates expressions; variables they ask for are looked up, then they are evaluated anew.

    With a time limit JavaScript cannot call Python, so what `env` knows goes in as data.
    """

    def __init__(self, env: Callable[[str], str | None], values: Mapping[str, JSON]) -> None:
        self._env = env
        self._values = json.dumps(dict(values))
        self._known: dict[str, str] = {}
        self._until = time.thread_time() + TOTAL_TIME

    def know(self, names: list[str]) -> None:
        """Look `names` up."""
        for name in names:
            if name not in self._known:
                self._known[name] = self._env(name) or ""

    def value(self, source: str) -> str | None:
        """The text of what `source` evaluates to; None when it throws or takes too much."""
        for _ in range(_MOST_ROUNDS):
            if time.thread_time() > self._until:
                return None
            try:
                answer = self._evaluator()(source)
            except (_JSError, ValueError):
                return None
            value, asked = json.loads(answer)
            unknown = [name for name in asked if name not in self._known]
            if not unknown:
                return value
            self.know(unknown)
        return None

    def _evaluator(self) -> _Evaluator:
        context = _new_context()
        context.set_memory_limit(MEMORY_LIMIT)
        context.set_time_limit(TIME_LIMIT)
        return context.eval(_PRELUDE)(json.dumps(self._known), self._values)


def _closing_brace(text: str, start: int) -> int | None:
    """Where the `}` stands that closes an expression beginning at `start`, past nested braces and
    quoted text; None when there is none."""
    depth = 0
    at = start
    while at < len(text):
        character = text[at]
        if character in _QUOTES:
            at = _closing_quote(text, at)
        elif character == "{":
            depth += 1
        elif character == "}":
            if depth == 0:
                return at
            depth -= 1
        at += 1
    return None


def _closing_quote(text: str, start: int) -> int:
    """Where the quote that opens at `start` closes; the end of the text when it does not."""
    at = start + 1
    while at < len(text) and text[at] != text[start]:
        at += 2 if text[at] == "\\" else 1
    return at
