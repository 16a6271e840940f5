"""YAML text to our tree: libyaml's events, with what libyaml refuses but YAML 1.2 allows put
right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Protocol

import yaml
import yaml.parser
import yaml.reader
import yaml.scanner

from docker_agent.config.compose import compose
from docker_agent.config.excerpt import BadSyntax, excerpt
from docker_agent.config.tree import Node


class EventSource(Protocol):
    """A YAML parser."""

    def get_event(self) -> yaml.Event | None: ...


class PureParser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's own parser, for where libyaml is absent."""

    def __init__(self, stream: str) -> None:
        yaml.reader.Reader.__init__(self, stream)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


try:
    from yaml._yaml import CParser
except ImportError:
    fastest: Callable[[str], EventSource] = PureParser
else:
    fastest: Callable[[str], EventSource] = CParser

_OLD_BREAKS = "\x85\u2028\u2029"
"""Line breaks in YAML 1.1, which libyaml speaks; ordinary characters in 1.2."""
_STAND_INS = range(0xE000, 0xF8FF)
"""Private-use characters, of which three that the text lacks take their place meanwhile."""
_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters outside of YAML 1.2.2 §5.1, which the parsers refuse without saying where."""
_MOST_READ = 20 * 1024 * 1024
"""Characters read in all while tabs are put right; each tab costs another parse."""


def read_yaml(text: str, parser: Callable[[str], EventSource] = fastest) -> Node | None:
    """The first document of `text`; None when there is nothing in it.

    Raises `BadSyntax` with an excerpt, and `MarkedError` for duplicate keys and the like.
    """
    stand_ins = _stand_ins(text)
    text = text.translate(stand_ins)
    back = {ord(stand_in): code for code, stand_in in stand_ins.items()}
    for _ in range(2 + _MOST_READ // (len(text) + 1)):
        try:
            return compose(_events(parser(text), back))
        except yaml.reader.ReaderError:
            raise _unreadable(text) from None
        except yaml.MarkedYAMLError as exc:
            repaired = _without_tab(text, exc)
            if repaired is None:
                raise _syntax_error(text, exc) from None
            text = repaired
    raise BadSyntax(1, 1, "there are too many tabs between indicators; use blanks")


def _events(source: EventSource, back: dict[int, int]) -> Iterator[yaml.Event]:
    while (event := source.get_event()) and not isinstance(event, yaml.StreamEndEvent):
        if back and isinstance(event, yaml.ScalarEvent):
            event.value = event.value.translate(back)
        yield event


def _stand_ins(text: str) -> dict[int, str]:
    used = [character for character in _OLD_BREAKS if character in text]
    free = (chr(code) for code in _STAND_INS if chr(code) not in text) if used else iter(())
    return {ord(character): next(free, character) for character in used}


def _without_tab(text: str, exc: yaml.MarkedYAMLError) -> str | None:
    """`text` with a blank for the tab at which libyaml gave up, where YAML allows a tab: behind
    something else, or with nothing but a comment behind itself. Else None."""
    if exc.problem_mark is None:
        return None
    at = exc.problem_mark.index
    if text[at : at + 1] != "\t":
        return None
    before = text[:at].rpartition("\n")[2].strip(" \t")
    behind = text[at:].partition("\n")[0].strip(" \t")
    if before or not behind or behind.startswith("#"):
        return f"{text[:at]} {text[at + 1 :]}"
    return None


def _syntax_error(text: str, exc: yaml.MarkedYAMLError) -> BadSyntax:
    mark = exc.problem_mark or exc.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.split("\n")
    shown = lines[line - 1].rstrip() if line <= len(lines) else ""
    problem = exc.problem or exc.context or "this is no YAML"
    if shown[column - 1 : column] == "\t":
        problem = "a tab cannot indent; use blanks"
    if exc.context and exc.context_mark and exc.context_mark.line + 1 != line:
        problem = f"{problem} ({exc.context} that began at line {exc.context_mark.line + 1})"
    return BadSyntax(line, column, problem + excerpt(shown, column))


def _unreadable(text: str) -> BadSyntax:
    found = _NOT_PRINTABLE.search(text)
    if found is None:
        return BadSyntax(1, 1, "the file holds a character that YAML does not allow")
    before = text[: found.start()]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return BadSyntax(line, column, f"the character U+{ord(found[0]):04X} is not allowed in a file")
