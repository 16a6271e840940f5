"""What a robots.txt allows one robot to fetch: RFC 9309, without I/O.

Matching takes time in proportion to rule and path, whatever the rule: a site's own file must not be
able to keep the server busy, as it could with regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, unquote_to_bytes

import msgspec

MAX_SIZE = 64 * 1024
"""Bytes of a robots.txt that are read."""

_TOKEN = re.compile(r"[A-Za-z_-]+")
_SAFE = "/?&=:@!$'()*+,;~-._#[]%"


class RobotsRule(msgspec.Struct, frozen=True):
    """One line: paths that fit `pattern` are allowed, or not."""

    pattern: str
    allowed: bool


class Robots(msgspec.Struct, frozen=True):
    """The rules for one robot; none: all is allowed."""

    rules: tuple[RobotsRule, ...] = ()

    def allows(self, path: str) -> bool:
        """Whether `path`, with its query, may be fetched: the longest rule that fits decides, of
        equally long ones the one that allows."""
        if path.partition("?")[0] == "/robots.txt":
            return True
        plain = _plain(path or "/")
        fitting = [rule for rule in self.rules if _fits(rule.pattern, plain)]
        return not fitting or max((len(rule.pattern), rule.allowed) for rule in fitting)[1]


def read_robots(data: bytes, robot: str) -> Robots:
    """The rules of a robots.txt for the product token `robot`: those of all groups that name it,
    else those for `*`. Lines that make no sense are passed over, a cut one at the end is no line.
    """
    if len(data) > MAX_SIZE:
        data = data[:MAX_SIZE].rpartition(b"\n")[0]
    mine: list[RobotsRule] = []
    general: list[RobotsRule] = []
    named = False
    for agents, rules in _groups(data.decode("utf-8-sig", "replace")):
        if robot.lower() in agents:
            named = True
            mine += rules
        elif "*" in agents:
            general += rules
    return Robots(tuple(mine if named else general))


def _groups(text: str) -> Iterator[tuple[set[str], list[RobotsRule]]]:
    agents: set[str] = set()
    rules: list[RobotsRule] = []
    ruled = False
    for line in re.split(r"[\r\n]+", text):
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            if ruled:
                yield agents, rules
                agents, rules, ruled = set[str](), [], False
            token = _TOKEN.match(value)
            agents.add("*" if value.startswith("*") else token[0].lower() if token else "")
        elif key in ("allow", "disallow") and agents:
            ruled = True
            if value:
                rules.append(RobotsRule(_plain(value), key == "allow"))
    yield agents, rules


def _plain(path: str) -> str:
    """A path as it is compared: what need not be encoded is not, everything else is."""
    pieces = re.split(r"(%(?:2[Ff]|3[Ff]|2[36AaBb]|24|25|3[Bb]|3[Dd]|40))", path)
    pieces[::2] = [quote(unquote_to_bytes(piece), safe=_SAFE) for piece in pieces[::2]]
    pieces[1::2] = [piece.upper() for piece in pieces[1::2]]
    return "".join(pieces)


def _fits(pattern: str, path: str) -> bool:
    """Whether `path` begins as `pattern` says; `*` is any text, `$` at the end the end."""
    whole = pattern.endswith("$")
    first, *rest = (pattern[:-1] if whole else pattern).split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    if not rest:
        return not whole or at == len(path)
    last = rest.pop() if whole else ""
    for piece in rest:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(path) - len(last) >= at and path.endswith(last)
