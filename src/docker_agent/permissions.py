"""May this call run? Rules, then the safety mode: pure, so that every answer can be tested.

Source: runtime.md §6.2 to §6.4, chat-server.md §6. Nobody can be asked in a server, so `ask` is a
refusal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from docker_agent.messages import JSON, ToolSpec

SafetyMode = Literal["strict", "restricted", "balanced", "autonomous"]
SAFETY_MODES: tuple[SafetyMode, ...] = ("strict", "restricted", "balanced", "autonomous")
"""Strictest first."""

Label = Literal["safe", "destructive", "unknown"]


def strictest(*modes: SafetyMode | None) -> SafetyMode:
    """The strictest of the modes that are set; `autonomous` when none is."""
    for mode in SAFETY_MODES:
        if mode in modes:
            return mode
    return "autonomous"


class Glob:
    """`*` matches anything, `?` one character, case does not count. Matching takes linear time,
    whatever a model writes."""

    __slots__ = ("_pieces",)

    def __init__(self, pattern: str) -> None:
        pieces = [re.escape(piece).replace(r"\?", ".") for piece in pattern.split("*")]
        self._pieces = tuple(re.compile(piece, re.IGNORECASE | re.DOTALL) for piece in pieces)

    def matches(self, text: str) -> bool:
        """True when the whole text fits."""
        first, *rest = self._pieces
        if not rest:
            return first.fullmatch(text) is not None
        *middle, last = rest
        found = first.match(text)
        for piece in middle:
            found = found and piece.search(text, found.end())
        start = len(text) - _width(last)
        return (
            found is not None and start >= found.end() and last.fullmatch(text, start) is not None
        )


def _width(piece: re.Pattern[str]) -> int:
    return len(re.sub(r"\\(.)", r"\1", piece.pattern, flags=re.DOTALL))


class Rule(msgspec.Struct, frozen=True):
    """One pattern of an agent file's `permissions`: a tool glob, and globs that arguments must
    match."""

    pattern: str
    tool: Glob
    arguments: tuple[tuple[str, Glob], ...] = ()

    def matches(
        self, name: str, arguments: Mapping[str, JSON] | None, *, if_unreadable: bool
    ) -> bool:
        """True when the call fits; a rule with argument globs answers `if_unreadable` when the
        arguments are no object."""
        if not self.tool.matches(name):
            return False
        if not self.arguments:
            return True
        if arguments is None:
            return if_unreadable
        return all(
            key in arguments and glob.matches(_value_text(arguments[key]))
            for key, glob in self.arguments
        )


class Rules(msgspec.Struct, frozen=True):
    """The `permissions` of a team."""

    allow: tuple[Rule, ...] = ()
    ask: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()


NO_RULES = Rules()


class Decision(msgspec.Struct, frozen=True):
    """Whether a call runs; `source` is one word for the audit line, `text` what the model reads
    when it does not."""

    allowed: bool
    source: str
    text: str = ""


def parse_rule(pattern: str) -> Rule:
    """A rule from `name`, `mcp:server:name` or `name:arg=glob:arg2=glob`; `*` matches anything,
    case does not count.

    A `:` splits only before `word=`, so values may hold colons. Source: runtime.md §6.3.
    """
    head, *rest = re.split(r":(?=[A-Za-z_][A-Za-z0-9_]*=)", pattern.strip())
    if head.startswith("mcp:"):
        head = head[len("mcp:") :].replace(":", "_", 1)
    arguments = tuple((part.split("=", 1)[0], Glob(part.split("=", 1)[1])) for part in rest)
    return Rule(pattern, Glob(head), arguments)


def label(spec: ToolSpec) -> Label:
    """What a tool may do to the world, from its own hints."""
    if spec.harmless:
        return "safe"
    if spec.destructive:
        return "destructive"
    return "safe" if spec.read_only else "unknown"


def decide(
    rules: Rules,
    mode: SafetyMode,
    spec: ToolSpec,
    arguments: Mapping[str, JSON] | None,
    classify: Callable[[ToolSpec, Mapping[str, JSON] | None], Label] = lambda spec, _: label(spec),
) -> Decision:
    """Deny rules, allow rules, ask rules, then the mode on the call's label.

    `arguments` is None when the model's JSON could not be read: deny rules then match, allow rules
    do not.
    """
    name = spec.name
    for rule in rules.deny:
        if rule.matches(name, arguments, if_unreadable=True):
            return Decision(
                False,
                "team_permissions_deny",
                f"Tool '{name}' is denied by permissions configuration.",
            )
    for rule in rules.allow:
        if rule.matches(name, arguments, if_unreadable=False):
            return Decision(True, "team_permissions_allow")
    for rule in rules.ask:
        if rule.matches(name, arguments, if_unreadable=True):
            text = f"Tool '{name}' requires user confirmation but the session is non-interactive."
            return Decision(False, "team_permissions_ask", text)
    return _by_mode(mode, name, classify(spec, arguments))


def _by_mode(mode: SafetyMode, name: str, found: Label) -> Decision:
    source = f"mode_{mode}"
    if mode == "autonomous" or (found == "safe" and mode != "strict"):
        return Decision(True, source)
    allowed = "no tool without an allow rule" if mode == "strict" else "only safe tools"
    return Decision(
        False,
        source,
        f"Tool '{name}' was denied: safety mode '{mode}' allows {allowed}. "
        "Do not try again; say what you could not do.",
    )


def _value_text(value: JSON) -> str:
    match value:
        case str():
            return value
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case _:
            return msgspec.json.encode(value).decode()
