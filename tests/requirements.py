"""Every promise with its source; tests and rows are checked both ways (`tests/test_requirements.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Test = TypeVar("Test", bound=Callable[..., Any])


def requirement(*ids: str) -> Callable[[Test], Test]:
    """Marks a test as the proof of the promises `ids`."""

    def mark(test: Test) -> Test:
        known: tuple[str, ...] = getattr(test, "requirements", ())
        test.requirements = (*known, *ids)  # type: ignore[attr-defined]
        return test

    return mark
