"""The documents that promises come from, and the sections each has."""

from __future__ import annotations

from collections.abc import Mapping

SEED_LINES = 160

_NUMBERED: Mapping[str, str] = {
    "chat-server.md": "1 2 3 4 5 6 7",
    "DESIGN.md": "1 2 3 4 5 6 7 8 9",
    "agent-file.md": """
        1 1.1 1.2 1.3 1.4 1.5 1.6 1.7 1.8 2 2.1 2.2 2.3 2.4 2.5 2.6 2.7 2.7.1 2.7.2 2.8 2.8.1 2.8.2
        2.9 2.9.1 2.10 2.11 2.12 2.12b 2.13 2.14 3 3.1 3.2 3.2.1 3.2.2 3.2.3 3.2.4 3.3 3.4 3.5 3.6
        3.7 3.8 3.9 3.10 3.11 3.12 3.13 4 4.1 4.2 4.3 4.4 4.5 5 5.1 5.2 5.3 5.4 5.5 5.6 5.7 6 6.1
        6.2 6.3 6.4 7 7.1 7.2 7.3 8 9 11 12
    """,
    "runtime.md": """
        1 1.1 1.2 1.3 2 2.1 2.2 2.3 3 3.1 3.2 3.3 3.4 3.5 3.6 3.7 3.8 3.9 3.10 3.11 4 4.1 4.2 4.3 5
        5.1 5.2 5.3 5.4 5.5 5.6 5.7 6 6.1 6.2 6.3 6.4 6.5 7 7.1 7.2 7.3 7.4 8 8.1 8.2 8.3 8.4 8.5
        8.6 8.7 8.8 9 9.0 9.1 9.2 9.3 9.4 9.5 9.6 9.7 9.8 9.9 9.10 9.11 9.12 9.13 9.14 9.15 9.16
        9.17 9.18 9.19 9.20 9.21 9.22 10 10.1 10.2 10.3 10.4 10.5 10.6 10.7 11 11.1 11.2 11.3 11.4
        11.5 11.6 11.7 12 12.1 12.2 12.3 12.4 12.5 12.6 13 13.1 13.2 13.3 14 14.1 14.2 14.3 14.4 15
        16 16.1 16.2 16.3 17 18 18.1 18.2 18.3 18.4 18.5 18.6 19 19.1 20 20.1 20.2 A B C
    """,
    "clients.md": "3.1 3.2 3.3 3.4 3.5 3.6 3.7",
    "perf.md": "0 1 2 3 4 5 6 7 8",
    "openai-wire.md": "5.1 5.2 5.3 5.4",
    "parts.md": "0 A A1 A2 A3 A4 A5 B B1 B2 C D E F G H I J",
}
SECTIONS: Mapping[str, frozenset[str]] = {
    **{name: frozenset(sections.split()) for name, sections in _NUMBERED.items()},
    "STYLE.md": frozenset(
        [
            "Rooms",
            "Values and ports",
            "Async",
            "Errors",
            "Names, docstrings, comments",
            "Types and tools",
            "Tests",
            "Benchmarks, docs, examples",
            "Habits",
        ]
    ),
}


def seed_lines(source: str) -> set[int]:
    """The lines of seed.txt that a promise's source names: `seed.txt:4-6; seed.txt:116`."""
    lines: set[int] = set()
    for piece in source.split("; "):
        if piece.startswith("seed.txt:"):
            first, _, last = piece.removeprefix("seed.txt:").partition("-")
            lines.update(range(int(first), int(last or first) + 1))
    return lines


def unknown_sources(source: str) -> list[str]:
    """The pieces of a source that point nowhere."""
    unknown: list[str] = []
    for piece in source.split("; "):
        name, _, section = piece.partition(" §")
        if name.startswith("seed.txt:"):
            known = max(seed_lines(piece)) <= SEED_LINES
        else:
            known = section in SECTIONS.get(name, frozenset())
        if not known:
            unknown.append(piece)
    return unknown
