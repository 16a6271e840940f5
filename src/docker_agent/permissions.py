"""May this call run? Rules, then the safety mode: pure, so that every answer can be tested.

Source: runtime.md §6.2 to §6.4, chat-server.md §6. Nobody can be asked in a server, so `ask` is a
refusal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from docker_agent.errors import ConfigError
from docker_agent.messages import JSON, Label, Meaning, ToolSpec

SafetyMode = Literal["strict", "restricted", "balanced", "autonomous"]
SAFETY_MODES: tuple[SafetyMode, ...] = ("strict", "restricted", "balanced", "autonomous")
"""Strictest first."""


def strictest(*modes: SafetyMode | None) -> SafetyMode:
    """The strictest of the modes that are set; `autonomous` when none is."""
    for mode in SAFETY_MODES:
        if mode in modes:
            return mode
    return "autonomous"


class Glob:
    """`*` matches anything, `?` one character, case does not count. Matching takes linear time,
    whatever a model writes."""

    __slots__ = ("_pieces", "literal")

    def __init__(self, pattern: str) -> None:
        self.literal = "*" not in pattern and "?" not in pattern
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

    @property
    def literal(self) -> bool:
        """Whether its argument globs leave nothing open."""
        return all(glob.literal for _, glob in self.arguments)

    def matches(
        self, name: str, arguments: Mapping[str, JSON] | None, *, if_unreadable: bool
    ) -> bool:
        """True when the call fits; a rule with argument globs answers `if_unreadable` when the
        arguments are no object, or too deep to look into."""
        if not self.tool.matches(name):
            return False
        if not self.arguments:
            return True
        if arguments is None:
            return if_unreadable
        try:
            return all(
                key in arguments and glob.matches(_value_text(arguments[key]))
                for key, glob in self.arguments
            )
        except RecursionError:
            return if_unreadable


class Rules(msgspec.Struct, frozen=True):
    """The `permissions` of a team."""

    allow: tuple[Rule, ...] = ()
    ask: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()


NO_RULES = Rules()


class Decision(msgspec.Struct, frozen=True):
    """Whether a call runs; `source` is one word for the audit line, `text` what the model reads
    when it does not.

    `final`: a deny rule said so, and nothing counts beside it. `asks`: it would be a question to
    somebody, which a hook may answer.
    """

    allowed: bool
    source: str
    text: str = ""
    final: bool = False
    asks: bool = False


def parse_rule(pattern: str) -> Rule:
    """A rule from `name`, `mcp:server:name` or `name:arg=glob:arg2=glob`; `*` matches anything,
    case does not count.

    A `:` splits only before `word=`, so values may hold colons. Raises `ConfigError` for `mcp:`
    without a server's name, which would speak of every tool. Source: runtime.md §6.3.
    """
    head, *rest = re.split(r":(?=[A-Za-z_][A-Za-z0-9_]*=)", pattern.strip())
    if head.startswith("mcp:"):
        server, colon, tool = head[len("mcp:") :].partition(":")
        if not colon or not tool or not server.strip("*?"):
            raise ConfigError(
                f"permissions: {pattern!r} must name a server and its tools, like mcp:github:*"
            )
        head = f"{server}_{tool}"
    arguments = tuple((part.split("=", 1)[0], Glob(part.split("=", 1)[1])) for part in rest)
    return Rule(pattern, Glob(head), arguments)


def label(spec: ToolSpec, arguments: Mapping[str, JSON] | None = None) -> Label:
    """What a call may do to the world: what the tool makes of its arguments, else its own hints."""
    if spec.meaning is not None:
        return "unknown" if arguments is None else spec.meaning(arguments).label
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
    classify: Callable[[ToolSpec, Mapping[str, JSON] | None], Label] = label,
) -> Decision:
    """Deny rules, allow rules, ask rules, then the mode on the call's label.

    `arguments` is None when the model's JSON could not be read: deny rules then match, allow rules
    do not. Where a call does several things, one of them is enough for a deny or ask rule, and all
    of them are needed for allow rules.
    """
    name = spec.name
    meaning = spec.meaning(arguments) if spec.meaning and arguments is not None else None
    if _refuses(rules.deny, name, arguments, meaning):
        text = f"Tool '{name}' is denied by permissions configuration."
        return Decision(False, "team_permissions_deny", text, final=True)
    if _allows(rules.allow, name, arguments, meaning):
        return Decision(True, "team_permissions_allow")
    if _refuses(rules.ask, name, arguments, meaning):
        text = f"Tool '{name}' requires user confirmation but the session is non-interactive."
        return Decision(False, "team_permissions_ask", text)
    return _by_mode(mode, name, classify(spec, arguments))


def refusal(rules: Rules, mode: SafetyMode, spec: ToolSpec) -> Literal["", "whole", "part"]:
    """How much of a tool is refused: no call, every call, or those whose arguments are neither
    harmless to this mode nor named by an allow rule."""
    found = decide(rules, mode, spec, {})
    if found.allowed:
        return ""
    harmless = spec.meaning is not None and _by_mode(mode, spec.name, "safe").allowed
    named = any(rule.arguments and rule.tool.matches(spec.name) for rule in rules.allow)
    return "part" if found.source == f"mode_{mode}" and (harmless or named) else "whole"


def _refuses(
    rules: Sequence[Rule],
    name: str,
    arguments: Mapping[str, JSON] | None,
    meaning: Meaning | None,
) -> bool:
    """Whether one rule matches anything that the call does, or may do."""
    seen = [arguments]
    if meaning is not None:
        seen += [*meaning.parts, *meaning.hidden, *([] if meaning.whole else [None])]
    return any(rule.matches(name, each, if_unreadable=True) for rule in rules for each in seen)


def _allows(
    rules: Sequence[Rule],
    name: str,
    arguments: Mapping[str, JSON] | None,
    meaning: Meaning | None,
) -> bool:
    """Whether a rule without wildcards matches what the model wrote, or rules match everything
    that the call does."""
    if any(rule.literal and rule.matches(name, arguments, if_unreadable=False) for rule in rules):
        return True
    parts = meaning.parts if meaning is not None and meaning.parts else (arguments,)
    return all(
        any(rule.matches(name, part, if_unreadable=False) for rule in rules) for part in parts
    )


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
        asks=mode in ("strict", "balanced"),
    )


def _value_text(value: JSON) -> str:
    match value:
        case str():
            return value
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case _:
            return msgspec.json.encode(value).decode()
