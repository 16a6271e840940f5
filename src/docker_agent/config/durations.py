"""Durations as Go writes them: `300ms`, `1m30s`, `2h`."""

from __future__ import annotations

import re

from docker_agent.errors import ConfigError

_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_PART = re.compile(r"(?P<number>[0-9]+\.?[0-9]*|\.[0-9]+)(?P<unit>[^0-9.]*)")
_LONGEST = (2**63 - 1) / 1e9
"""Seconds in the longest duration Go can hold, about 292 years."""


def parse_duration(text: str) -> float:
    """Seconds in a duration such as `30m`, `1h30m`, `-1.5s` or `250ms`; `0` needs no unit.

    Raises `ConfigError` naming the part that does not fit.
    Source: the duration flags, and durations in agent files (agent-file.md §2.14).
    """
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0.0
    if not rest:
        raise ConfigError(f"{text!r} is no duration; write one such as '30s' or '1h30m'")
    total = 0.0
    while rest:
        part = _PART.match(rest)
        if part is None:
            raise ConfigError(f"{text!r} is no duration: a number was expected at {rest!r}")
        total += float(part["number"]) * _seconds(text, part["number"], part["unit"])
        rest = rest[part.end() :]
    if total > _LONGEST:
        raise ConfigError(f"{text!r} is too long for a duration; the longest is about 292 years")
    return -total if text[0] == "-" else total


def _seconds(text: str, number: str, unit: str) -> float:
    if unit in _UNITS:
        return _UNITS[unit]
    if not unit:
        raise ConfigError(f"{text!r} is no duration: {number!r} needs a unit, such as '{number}s'")
    raise ConfigError(
        f"{text!r} is no duration: {unit!r} is no unit; use one of ns, us, ms, s, m, h"
    )


def parse_file_duration(text: str) -> float:
    """As `parse_duration`, but nothing is 0 and a bare whole number is seconds.

    Source: agent-file.md §2.14.
    """
    if not text:
        return 0.0
    if re.fullmatch(r"[-+]?[0-9]{1,12}", text):
        return float(text)
    return parse_duration(text)
