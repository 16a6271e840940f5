"""Whether an answer has the shape that was asked for, within bounds on time: schemas and answers
come from outside. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import msgspec

from docker_agent.messages import JSON, UNREADABLE, Format

CHECK_SECONDS = 0.5
"""Seconds of computing for one check; an answer that takes longer passes unchecked."""

PATTERN_SECONDS = 0.1
"""Seconds for one regular expression of a schema."""

MAX_PROBLEMS = 3
MAX_PROBLEM = 300
"""Problems that are named, and characters of each."""

_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL | re.IGNORECASE)

_Keyword = Callable[[Any, Any, Any, Any], Iterator[Any]]


def unfenced(text: str) -> str:
    """The inside of an answer that is one Markdown code block; any other text as it is."""
    found = _FENCE.fullmatch(text)
    return found[1] if found else text


def problem_in(format: Format, text: str) -> str | None:
    """What is wrong with an answer, in words for the model that wrote it; None when it fits, and
    when its schema cannot be used.

    References lead nowhere outside the schema. Takes at most about `CHECK_SECONDS`; call it in a
    thread, the first call imports for 0.2 s.
    """
    try:
        value = msgspec.json.decode(text)
    except UNREADABLE as exc:
        return f"it is not valid JSON: {exc}"
    if format.schema is None:
        return None if isinstance(value, dict) else "it is JSON, but no object"
    return _against(format.schema, value)


def _against(schema: Mapping[str, JSON], value: JSON) -> str | None:
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    base = cast(Mapping[str, _Keyword], Draft202012Validator.VALIDATORS)
    until = time.thread_time() + CHECK_SECONDS

    def bounded(keyword: _Keyword) -> _Keyword:
        def check(validator: Any, wanted: Any, instance: Any, within: Any) -> Iterator[Any]:  # noqa: ANN401 - jsonschema's
            if time.thread_time() > until:
                raise TimeoutError
            return keyword(validator, wanted, instance, within)

        return check

    keywords = {
        **{name: bounded(base[name]) for name in ("$ref", "$dynamicRef", "items", "properties")},
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    }
    registry = cast(Callable[[], object], Registry)()
    make = cast(Any, validators).extend(Draft202012Validator, keywords)
    try:
        errors = make(schema, registry=registry).iter_errors(value)
        found = [error for error, _ in zip(errors, range(MAX_PROBLEMS), strict=False)]
    except Exception:  # noqa: BLE001 - a schema of anybody's: unknown types, endless references, bad expressions
        return None
    lines = [f"{error.json_path}: {error.message}"[:MAX_PROBLEM] for error in found]
    return "; ".join(lines) or None


def _matches(pattern: str, text: str) -> bool:
    import regex  # pyright: ignore[reportMissingTypeStubs] - it has none

    search = cast(Callable[..., object], regex.search)
    return search(pattern, text, timeout=PATTERN_SECONDS, concurrent=True) is not None


def _pattern(validator: Any, wanted: Any, instance: Any, within: Any) -> Iterator[Any]:  # noqa: ANN401 - jsonschema's
    from jsonschema import ValidationError

    if isinstance(instance, str) and not _matches(wanted, instance):
        yield ValidationError(f"{instance!r} does not match {wanted!r}")


def _pattern_properties(validator: Any, wanted: Any, instance: Any, within: Any) -> Iterator[Any]:  # noqa: ANN401 - jsonschema's
    if isinstance(instance, dict):
        for pattern, schema in wanted.items():
            for key, each in cast(dict[str, JSON], instance).items():
                if _matches(pattern, key):
                    yield from validator.descend(each, schema, path=key, schema_path=pattern)


def _additional_properties(
    validator: Any,  # noqa: ANN401 - jsonschema's
    wanted: Any,  # noqa: ANN401 - jsonschema's
    instance: Any,  # noqa: ANN401 - jsonschema's
    within: Any,  # noqa: ANN401 - jsonschema's
) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not isinstance(instance, dict):
        return
    known, patterns = within.get("properties", {}), within.get("patternProperties", {})
    for key, each in cast(dict[str, JSON], instance).items():
        if key in known or any(_matches(pattern, key) for pattern in patterns):
            continue
        if wanted is False:
            yield ValidationError(f"{key!r} is not one of the keys there may be")
        elif isinstance(wanted, dict):
            yield from validator.descend(each, wanted, path=key)
