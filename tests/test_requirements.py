"""The table of promises and the tests, both ways: no promise without a test, no test without a
promise."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from tests.promises.seed import TITLES
from tests.promises.sources import SECTIONS, SEED_LINES, seed_lines, unknown_sources
from tests.requirements import PROMISES, requirement

TESTS = Path(__file__).parent


@lru_cache(maxsize=1)
def claims() -> dict[str, list[str]]:
    """For each id that a test carries, the tests that carry it (`server/test_x.py::test_y`)."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for id in _ids(node):
                    found.setdefault(id, []).append(f"{path.relative_to(TESTS)}::{node.name}")
    return found


def _ids(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in test.decorator_list:
        match decorator:
            case ast.Call(func=ast.Name(id="requirement"), args=arguments):
                for argument in arguments:
                    assert isinstance(argument, ast.Constant), f"{test.name}: write ids as texts"
                    yield str(argument.value)
            case _:
                pass


@requirement("style:requirements")
def test_no_two_promises_have_one_id() -> None:
    """STYLE.md, Tests: one row per promise."""
    assert [id for id, count in Counter(row.id for row in PROMISES).items() if count > 1] == []


@requirement("style:requirements")
def test_every_promise_has_a_test() -> None:
    """STYLE.md, Tests: a row without a test is a promise nobody keeps."""
    assert [row.id for row in PROMISES if row.id not in claims()] == []


@requirement("style:requirements")
def test_every_id_that_a_test_carries_is_a_promise() -> None:
    """STYLE.md, Tests: a test says what it proves in the table's words."""
    known = {row.id for row in PROMISES}
    assert {id: tests for id, tests in claims().items() if id not in known} == {}


@requirement("style:requirements")
def test_every_source_exists() -> None:
    """STYLE.md, Tests: every promise says where it comes from."""
    assert {row.id: bad for row in PROMISES if (bad := unknown_sources(row.source))} == {}


@requirement("style:requirements")
def test_every_line_of_the_seed_is_promised() -> None:
    """chat-server.md: every sentence of the seed must hold."""
    promised = {line for row in PROMISES for line in seed_lines(row.source)}
    assert set(range(1, SEED_LINES + 1)) - promised - TITLES == set()


@requirement("style:requirements")
def test_every_section_of_the_contract_is_promised() -> None:
    """chat-server.md: this page adds what the seed leaves open."""
    promised = {piece for row in PROMISES for piece in row.source.split("; ")}
    contract = {f"chat-server.md §{section}" for section in SECTIONS["chat-server.md"]}
    assert contract - promised == set()
