"""Answers with a shape: what is checked, what is mended, and how long that may take."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping

import anyio
import pytest

from docker_agent.errors import ModelError
from docker_agent.messages import JSON, AssistantMessage, Format, Usage, UserMessage
from docker_agent.runtime.agent import Agent
from docker_agent.runtime.loop import run
from docker_agent.runtime.request import Outcome, Overrides
from docker_agent.runtime.shape import problem_in, unfenced
from tests.requirements import requirement
from tests.runtime.players import (
    PATIENCE,
    Actor,
    Listener,
    Play,
    agent,
    asking,
    call,
    fine,
    says,
    team,
)

pytestmark = pytest.mark.anyio

SCHEMA: Mapping[str, JSON] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "who": {"$ref": "#/$defs/name"}},
    "required": ["n"],
    "additionalProperties": False,
    "$defs": {"name": {"type": "string", "pattern": "^[A-Z]"}},
}
NUMBER = Format("json_schema", "number", SCHEMA)
OBJECT = Format("json_object")


def shaped(*plays: Play, format: Format | None = NUMBER) -> Agent:
    """An agent whose answers have a shape."""
    return dataclasses.replace(agent("root", Actor(*plays), {"t": fine}), format=format)


async def answered(of: Agent, *others: Agent, **fields: JSON) -> tuple[Outcome, str]:
    """The outcome of a run, and what was heard while it went on."""
    everybody, listener = team(of, *others), Listener()
    with anyio.fail_after(PATIENCE):
        outcome = await run(everybody, asking(everybody, **fields), listener)
    return outcome, listener.text()


def asked(of: Agent) -> Actor:
    """The model of an agent."""
    assert isinstance(of.model, Actor)
    return of.model


@requirement("runtime:16.1:shape")
@pytest.mark.parametrize(
    ("text", "format", "problem"),
    [
        ('{"n": 1}', NUMBER, None),
        ('{"n": 1, "who": "Ann"}', NUMBER, None),
        ("{}", NUMBER, "'n' is a required property"),
        ('{"n": "1"}', NUMBER, "$.n: '1' is not of type 'integer'"),
        ('{"n": 1, "who": "ann"}', NUMBER, "$.who: 'ann' does not match '^[A-Z]'"),
        ('{"n": 1, "x": 2}', NUMBER, "'x' is not one of the keys there may be"),
        ("Sure: {}", NUMBER, "not valid JSON"),
        ("[1]", OBJECT, "it is JSON, but no object"),
        ("{}", OBJECT, None),
        ("", OBJECT, "not valid JSON"),
    ],
)
def test_an_answer_is_checked(text: str, format: Format, problem: str | None) -> None:
    """runtime.md §16.1: validate the final text."""
    found = problem_in(format, text)
    assert found is None if problem is None else found is not None and problem in found


@requirement("runtime:16.1:bounds")
@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string", "pattern": "(a+)+$"}, '"' + "a" * 5000 + '!"'),
        ({"patternProperties": {"(a+)+$": {}}}, '{"' + "a" * 5000 + '!": 1}'),
        (
            {"additionalProperties": False, "patternProperties": {"(a|a)*$": {}}},
            '{"' + "a" * 5000 + '!": 1}',
        ),
        (
            {
                "$ref": "#/$defs/a40",
                "$defs": {
                    "a0": {"type": "object"},
                    **{
                        f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n - 1}"}] * 2}
                        for n in range(1, 41)
                    },
                },
            },
            "{}",
        ),
        ({"$ref": "#"}, "{}"),
        ({"$ref": "http://127.0.0.1:1/x"}, "{}"),
        ({"type": "nonsense"}, "{}"),
        ({"items": {"type": "integer"}}, "[" + "1," * 200_000 + "1]"),
    ],
    ids=["pattern", "pattern key", "other key", "doubling", "circle", "far", "unknown", "long"],
)
def test_no_schema_takes_long(schema: Mapping[str, JSON], text: str) -> None:
    """DESIGN.md §8: schemas come from clients; what cannot be checked passes."""
    started = time.thread_time()
    problem_in(Format("json_schema", "x", schema), text)
    assert time.thread_time() - started < 5


@requirement("runtime:16.1:shape")
async def test_a_reply_that_nobody_has_heard_is_mended_once() -> None:
    """runtime.md §16.1: JSON replies get one repair attempt; it is what is kept, its tokens
    count."""
    root = shaped(says("Let me see.", call("t")), '{"n": "1"}', '```json\n{"n": 1}\n```')
    outcome, heard = await answered(root, whole=True)
    assert outcome.text == 'Let me see.\n\n{"n": 1}'
    assert '{"n": "1"}' in heard and '{"n": 1}' not in heard
    assert outcome.conversation.messages[-1] == AssistantMessage('{"n": 1}', agent="root")
    assert outcome.usage == Usage(3, 3)
    last = asked(root).asked[-1]
    assert isinstance(last.messages[-1], UserMessage)
    assert "$.n: '1' is not of type 'integer'" in str(last.messages[-1].content)
    assert (last.choice.mode, last.format) == ("none", NUMBER)


@requirement("runtime:16.1:shape")
@pytest.mark.parametrize("second", ["still wrong", ModelError("model_error", "down")])
async def test_a_repair_that_does_not_help_changes_nothing(
    second: str | ModelError, caplog: pytest.LogCaptureFixture
) -> None:
    """runtime.md §16.1: else it is returned as is and logged."""
    root = shaped("wrong", second, "never")
    outcome, _ = await answered(root, whole=True)
    assert (outcome.text, outcome.failure, len(asked(root).asked)) == ("wrong", None, 2)
    assert "does not have the shape that was asked for" in caplog.text


@requirement("runtime:16.1:shape")
async def test_a_code_block_around_the_answer_needs_no_second_call() -> None:
    """runtime.md §16.1: what is inside it fits."""
    root = shaped('```json\n{"n": 1}\n```')
    outcome, _ = await answered(root, whole=True)
    assert (outcome.text, len(asked(root).asked)) == ('{"n": 1}', 1)
    assert unfenced("```\na\n```") == "a"
    assert unfenced("x ```a```") == "x ```a```"


@requirement("runtime:16.1:shape")
async def test_what_was_streamed_stays(caplog: pytest.LogCaptureFixture) -> None:
    """runtime.md §16.1: a stream cannot be taken back; the log says what is wrong with it."""
    root = shaped("wrong", "never")
    outcome, heard = await answered(root)
    assert (outcome.text, heard, len(asked(root).asked)) == ("wrong", "wrong", 1)
    assert "does not have the shape" in caplog.text


@requirement("runtime:16.1:shape")
@pytest.mark.parametrize(
    "play",
    [says('{"n":', finish="length"), says("I cannot", finish="content_filter"), "", '{"n":1}'],
)
async def test_what_was_cut_or_refused_is_not_asked_for_again(play: Play) -> None:
    """runtime.md §16.1: only a whole answer can have the wrong shape."""
    root = shaped(play, "never")
    await answered(root, whole=True)
    assert len(asked(root).asked) == 1


@requirement("runtime:16.1:shape")
async def test_a_clients_own_format_counts_where_the_agent_has_none() -> None:
    """runtime.md §16.1: the request's `response_format`, on the same road."""
    root = shaped("[]", "{}", format=None)
    outcome, _ = await answered(root, whole=True, overrides=Overrides(format=OBJECT))
    assert outcome.text == "{}"


@requirement("runtime:16.1:shape")
async def test_a_sub_agents_answer_is_mended_in_a_stream_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """runtime.md §16.1: nobody but its caller hears it."""
    with caplog.at_level(logging.WARNING):
        sub = dataclasses.replace(shaped("wrong", '{"n": 2}'), name="sub")
        root = agent("root", Actor((call("transfer_task", agent="sub", task="x"),), "done"))
        root = dataclasses.replace(root, sub_agents=("sub",))
        outcome, _ = await answered(root, sub)
    assert outcome.text == "done"
    assert asked(root).results() == [('{"n": 2}', False)]
    assert "does not have the shape" not in caplog.text
