"""Tool calls that small models write as text: recognised while they stream, or forced by a JSON
schema. Pure.

Source: runtime.md §4.1. Besides `<tool_call>` blocks, models without a trained format write bare
JSON `{"name": …, "arguments": {…}}`, in a code fence, in `<tools>` tags or in doubled braces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Sequence
from typing import Literal, NoReturn, cast

from docker_agent.messages import JSON, Format, ToolCall, ToolSpec

TextCallsMode = Literal["tags", "full"]
"""`tags`: only `<tool_call>` blocks, anywhere in the text. `full`: also the bare forms, at the
start of the text."""

LONGEST_STRING = 400
"""Characters of a string in forced arguments that set no limit: small models run on otherwise."""

_TAG = "<tool_call>"
_TAG_OPENS = re.compile(r"<tool_call>\s*(?=\{)")
_WRAPPERS = ("```", "<tools>", _TAG)
_BEFORE = re.compile(r"\s*(?:(?:```\w*|<tools>|<tool_call>)\s*)*")
_BETWEEN = re.compile(r"\s*(?:(?:```\w*|</?tools>|</?tool_call>|,)\s*)*")
_OUTER_BRACE = re.compile(r"\{\s*(?=\{)")
_OUTER_END = re.compile(r"\s*\}")
_HEAD = re.compile(r'\{\s*(?:\{\s*)?"(?:name"\s*:\s*"(?P<name>[^"\\]*)"|arguments"\s*:)')
_NAME_BEGUN = ('{"name":"', '{{"name":"')
_SCHEMA_MAPS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_VALUES = ("enum", "const", "default", "examples")
_LIMITS = frozenset({"enum", "const", "pattern", "format", "maxLength"})
_HEADS_BEGUN = (*_NAME_BEGUN, '{"arguments":', '{{"arguments":')


class TextCalls:
    """A gate for one reply's text: lets text through, keeps what may be a call to an `offered`
    tool.

    However the text is cut, what is shown and the calls are the same. Once a call was recognised,
    text after it is dropped; text that was no call is shown unchanged.
    """

    __slots__ = ("_held", "_offered", "_opened", "_starting")

    def __init__(self, offered: Container[str], mode: TextCallsMode) -> None:
        self._offered = offered
        self._held: list[str] = []
        self._opened = False
        self._starting = mode == "full"

    def feed(self, text: str) -> str:
        """The text that may be shown now: all that can no longer become a call."""
        if self._opened:
            self._held.append(text)
            return ""
        if not self._held and not self._starting and "<" not in text:
            return text
        if self._held:
            text = "".join((*self._held, text))
            self._held.clear()
        if self._starting:
            self._opened, begun = _look_at_start(text, self._offered)
            if self._opened or begun:
                self._held.append(text)
                return ""
            self._starting = False
        return self._show_up_to_tag(text)

    def _show_up_to_tag(self, text: str) -> str:
        if tag := _TAG_OPENS.search(text):
            self._opened = True
            cut = tag.start()
        else:
            cut = _tag_begun(text)
        if cut < len(text):
            self._held.append(text[cut:])
        return text[:cut]

    def finish(self) -> tuple[str, tuple[ToolCall, ...]]:
        """At the end of the text: what is still to be shown, and the calls (`call_0`, …)."""
        text = "".join(self._held)
        self._held.clear()
        calls = _calls_at_start(text, self._offered) if self._starting else ()
        return ("", calls) if calls else _calls_in_tags(text, self._offered)


def _look_at_start(text: str, offered: Container[str]) -> tuple[bool, bool]:
    """Whether a call to an offered tool has begun with certainty, and whether one still may."""
    before = _BEFORE.match(text)
    rest = text[before.end() :] if before else text
    if head := _HEAD.match(rest):
        name: str | None = head["name"]
        return name is None or name in offered, False
    if any(wrapper.startswith(rest) for wrapper in _WRAPPERS):
        return False, True
    compact = "".join(rest.split())
    in_name = compact.startswith(_NAME_BEGUN) and compact.count('"') == 3
    return False, in_name or any(head.startswith(compact) for head in _HEADS_BEGUN)


def _tag_begun(text: str) -> int:
    """Where a `<tool_call>` begins that the end of `text` cuts off; the length if none does."""
    start = text.rfind("<")
    if start < 0:
        return len(text)
    tail = text[start:].rstrip()
    cut_off = _TAG.startswith(tail) and (tail == _TAG or not text[-1].isspace())
    return start if cut_off else len(text)


def _calls_at_start(text: str, offered: Container[str]) -> tuple[ToolCall, ...]:
    calls: list[ToolCall] = []
    gap = _BEFORE.match(text)
    while gap and (found := _call_at(text, gap.end(), offered)):
        name, arguments, end = found
        calls.append(ToolCall(f"call_{len(calls)}", name, arguments))
        gap = _BETWEEN.match(text, end)
    return tuple(calls)


def _calls_in_tags(text: str, offered: Container[str]) -> tuple[str, tuple[ToolCall, ...]]:
    calls: list[ToolCall] = []
    content, position = text, 0
    while tag := _TAG_OPENS.search(text, position):
        position = tag.end()
        if found := _call_at(text, position, offered):
            name, arguments, position = found
            if not calls:
                content = text[: tag.start()]
            calls.append(ToolCall(f"call_{len(calls)}", name, arguments))
    return content, tuple(calls)


def _call_at(text: str, start: int, offered: Container[str]) -> tuple[str, str, int] | None:
    """Name, arguments and end of the call whose JSON begins at `start`; None when none does."""
    outer = _OUTER_BRACE.match(text, start)
    try:
        value, end = _DECODER.raw_decode(text, outer.end() if outer else start)
        call = _call_of(value, offered)
    except (ValueError, RecursionError):
        return None
    if outer and (closing := _OUTER_END.match(text, end)):
        end = closing.end()
    return (*call, end) if call else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse_constant)


def _call_of(value: JSON, offered: Container[str]) -> tuple[str, str] | None:
    if not isinstance(value, dict):
        return None
    fields = cast(dict[str, JSON], value)
    name, arguments = fields.get("name"), fields.get("arguments")
    if not isinstance(name, str) or name not in offered:
        return None
    if isinstance(arguments, str):
        written, arguments = arguments, _DECODER.decode(arguments)
    else:
        written = ""
    if not isinstance(arguments, dict):
        return None
    return name, _sendable(written) or _sendable(_dump(arguments)) or _dump(arguments, ascii=True)


def _dump(arguments: JSON, *, ascii: bool = False) -> str:
    return json.dumps(arguments, ensure_ascii=ascii, allow_nan=False)


def _sendable(text: str) -> str:
    """The text, or nothing when UTF-8 cannot carry it: half a surrogate pair was escaped in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return ""
    return text


def forced_format(specs: Sequence[ToolSpec]) -> Format:
    """The answer format in which a model can only call one of `specs`; `forced_call` reads it."""
    parameters: dict[str, JSON] = {}
    calls: list[JSON] = []
    for number, spec in enumerate(specs):
        key = f"arguments_{number}"
        whole = {"additionalProperties": False, **spec.parameters, "type": "object"}
        parameters[key] = _bounded(whole, f"#/$defs/{key}")
        calls.append(
            {
                "type": "object",
                "properties": {
                    "name": {"const": spec.name},
                    "arguments": {"$ref": f"#/$defs/{key}"},
                },
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    return Format("json_schema", "tool_call", {"anyOf": calls, "$defs": parameters})


def forced_call(text: str, offered: Container[str]) -> ToolCall | None:
    """The call in an answer of that format; None when it was cut off. Its id is `call_0`."""
    found = _call_at(text.strip(), 0, offered)
    return ToolCall("call_0", found[0], found[1]) if found else None


def _bounded(schema: JSON, root: str) -> JSON:
    """A schema with a limit on every string, and its references counted from `root`."""
    if isinstance(schema, list):
        return [_bounded(item, root) for item in cast(list[JSON], schema)]
    if not isinstance(schema, dict):
        return schema
    node = cast(dict[str, JSON], schema)
    bounded: dict[str, JSON] = {}
    for key, value in node.items():
        if key in _SCHEMA_MAPS and isinstance(value, dict):
            entries = cast(dict[str, JSON], value).items()
            bounded[key] = {name: _bounded(entry, root) for name, entry in entries}
        else:
            bounded[key] = value if key in _VALUES else _bounded(value, root)
    kind, reference = node.get("type"), node.get("$ref")
    is_string = kind == "string" or (isinstance(kind, list) and "string" in kind)
    if is_string and not _LIMITS & node.keys():
        shortest = node.get("minLength")
        bounded["maxLength"] = max(LONGEST_STRING, shortest if isinstance(shortest, int) else 0)
    if isinstance(reference, str) and reference.startswith("#"):
        bounded["$ref"] = root + reference[1:]
    return bounded
