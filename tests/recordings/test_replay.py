"""Which recorded answer a question gets. Source: the promise of `--fake`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from docker_agent.config.model import Model, Provider
from docker_agent.loader.taped import over_the_recorded_api, recorded_one
from docker_agent.models.cassette import Interaction
from docker_agent.models.errors import HttpError
from docker_agent.models.replay import Replay, path_of
from docker_agent.models.resolve import resolve
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

CHAT = "https://api.openai.com/v1/chat/completions"
RESPONSES = "https://api.openai.com/v1/responses"


def recorded(answer: str, *said: str, url: str = CHAT, model: str = "m") -> Interaction:
    """An interaction: the last word of `said` is the last message."""
    return Interaction("POST", url, asked(*said, model=model), 200, {}, answer.encode())


def asked(*said: str, model: str = "m") -> str:
    """A question's body."""
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(said)]
    system = {"role": "system", "content": "You answer."}
    return json.dumps({"model": model, "messages": [system, *messages]})


async def answers(tape: Replay, questions: Sequence[str], url: str = CHAT) -> list[str]:
    """What a recording answers to these bodies."""
    heard: list[str] = []
    for body in questions:
        async with tape.post(url, {}, body.encode()) as response:
            text = b""
            while piece := await response.read():
                text += piece
            assert response.at_end()
            heard.append(text.decode())
    return heard


@requirement("models:replay:order")
async def test_answers_come_in_the_order_of_the_recording() -> None:
    """issue 4.6: replay in order, whatever the bodies."""
    tape = Replay("t", [recorded("one"), recorded("two"), recorded("three")])
    assert await answers(tape, ["{}", "no json", asked("x")]) == ["one", "two", "three"]


@requirement("models:replay:order")
async def test_a_question_that_was_recorded_gets_its_own_answer() -> None:
    """Two agents that ask side by side, in another order than recorded."""
    tape = Replay("t", [recorded("to a", "a"), recorded("to b", "b"), recorded("to b 2", "b")])
    assert await answers(tape, [asked("b"), asked("a"), asked("b")]) == ["to b", "to a", "to b 2"]


@requirement("models:replay:order")
async def test_calls_that_only_the_recorder_made_are_passed_over() -> None:
    """The Go program asks for titles beside the conversation."""
    tape = Replay(
        "t",
        [
            recorded("a title", "Based on this message, generate a title: hi"),
            recorded("hello", "hi"),
            recorded("fine", "hi", "hello", "how are you?"),
        ],
    )
    bodies = [asked("hi", model="other"), asked("hi", "hello", "how are you?")]
    assert await answers(tape, bodies) == ["hello", "fine"]


GO_TITLE = "Based on the following message, generate a short, descriptive title: hi"


@requirement("models:replay:order")
async def test_a_title_is_nobody_elses_answer() -> None:
    """The last of a recording is often a title; a question too many must not get it."""
    tape = Replay("t", [recorded("hello", "hi"), recorded("a title", GO_TITLE)])
    assert await answers(tape, [asked("hi")]) == ["hello"]
    with pytest.raises(HttpError, match=r"the rest are for POST /v1/chat/completions \(a title\)"):
        await answers(tape, [asked("and now?")])
    assert await answers(tape, [asked(GO_TITLE)]) == ["a title"]
    assert await answers(Replay("t", [recorded("a title", GO_TITLE)]), ["{}"]) == ["a title"]


@requirement("models:replay:order")
async def test_instructions_that_were_sent_as_messages_do_not_count() -> None:
    """The Go program sends Gemini an agent's instructions as messages of the user."""
    url = "https://generativelanguage.googleapis.com/v1beta/models/m:streamGenerateContent"

    def contents(*said: str) -> str:
        roles = ["user"] * (len(said) - 2) + ["model", "user"] if len(said) > 2 else ["user"]
        listed = [{"role": r, "parts": [{"text": t}]} for r, t in zip(roles, said, strict=False)]
        return json.dumps({"contents": listed})

    def kept(answer: str, *said: str) -> Interaction:
        return replace(recorded(answer, url=url), body=contents(*said))

    tape = Replay(
        "t",
        [
            kept("first", "You are kind.", "hi", "hello", "result one"),
            kept("second", "You are kind.", "bye", "so long", "result two"),
        ],
    )
    bodies = [contents("bye", "so long", "another result"), contents("hi", "hello", "some result")]
    assert await answers(tape, bodies, url) == ["second", "first"]


@requirement("models:replay:order")
async def test_bodies_with_bare_line_breaks_are_compared_too() -> None:
    """Recordings whose requests hold line breaks inside JSON texts."""
    tape = Replay("t", [broken("to a", "a"), broken("to b", "b")])
    assert await answers(tape, [asked("b"), asked("a")]) == ["to b", "to a"]


def broken(answer: str, said: str) -> Interaction:
    """An interaction whose question is no JSON, strictly."""
    body = asked(said).replace("You answer.", "You\n\nanswer.") + "\n"
    return replace(recorded(answer, said), body=body)


@requirement("models:replay:order")
async def test_the_path_decides_before_the_body() -> None:
    """Each protocol has its own row of answers; another host does not matter."""
    anthropic = "https://api.anthropic.com/v1/messages"
    tape = Replay("t", [recorded("c", url=anthropic), recorded("o")])
    assert await answers(tape, [asked("x")], "http://localhost:1/v1/chat/completions/?a=1") == ["o"]
    assert await answers(tape, [asked("x")], "https://proxy.test/claude/v1/messages") == ["c"]


@requirement("models:replay:choice")
@pytest.mark.parametrize(
    ("url", "model", "provider"),
    [
        ("http://127.0.0.1:12434/engines/v1/chat/completions", "ai/gemma3", "dmr"),
        ("http://127.0.0.1:40123/v1/chat/completions", "smollm2", "local"),
        ("https://api.openai.com/v1/chat/completions", "gpt-4o-mini", "openai"),
        ("https://elsewhere.test/v1/chat/completions", "m", None),
    ],
)
def test_a_recording_knows_which_models_it_has_answers_of(
    url: str, model: str, provider: str | None
) -> None:
    """Models of this machine are known by their address, of one provider's by their name."""
    tape = Replay("t", [recorded("one", "hi", url=url, model=model)])
    names = ("dmr/ai/qwen3", "local/smollm2", "openai/gpt-4o", "openai/gpt-4o-mini")
    candidates = [Model(provider=a, model=b) for a, _, b in (name.partition("/") for name in names)]
    chosen = recorded_one(tape, candidates, {})
    assert (chosen and chosen.provider) == provider
    if provider == "openai":
        assert chosen and chosen.model == model


@requirement("models:replay:choice")
@pytest.mark.parametrize(
    ("url", "api_type", "protocol"),
    [
        (CHAT, "", "openai_chatcompletions"),
        (RESPONSES, "", "openai_responses"),
        (CHAT, "openai_responses", "openai_responses"),
    ],
)
def test_a_model_is_asked_over_the_api_that_was_recorded(
    url: str, api_type: str, protocol: str
) -> None:
    """agent-file.md §3.1 chooses by the model's name, unless the file says it; a recording has its
    own choice."""
    tape = Replay("t", [recorded("one", "hi", url=url, model="gpt-5-mini")])
    providers = {"mine": Provider(api_type=api_type)}
    found = resolve(Model(provider="mine", model="gpt-5-mini"), providers)
    assert over_the_recorded_api(tape, found).protocol == protocol
    other = resolve(Model(provider="openai", model="gpt-5"), {})
    assert over_the_recorded_api(tape, other) is other


@requirement("models:replay:exhausted")
async def test_a_recording_that_runs_out_says_so() -> None:
    """issue 4.6: a clear error, with what was asked and what is left."""
    tape = Replay("talk.yaml", [recorded("one"), recorded("r", url=RESPONSES)])
    await answers(tape, ["{}"])
    with pytest.raises(HttpError) as failed:
        await answers(tape, ["{}"])
    assert str(failed.value) == (
        "the recording talk.yaml has no answer left for POST /v1/chat/completions: 1 of its 2 "
        "answers were used, the rest are for POST /v1/responses"
    )
    assert not failed.value.transient
    with pytest.raises(HttpError, match="it is empty"):
        await answers(Replay("t", []), ["{}"])


@requirement("models:replay:order")
@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://h/v1//x/", "/v1/x"),
        ("https://h", "/"),
        ("h/v1/x?y=1#z", "/v1/x"),
        ("http+unix://%2Fvar%2Fs.sock/engines/v1/x", "/engines/v1/x"),
    ],
)
def test_paths_are_compared_without_what_means_nothing(url: str, path: str) -> None:
    """Slashes at the end, parameters, hosts."""
    assert path_of(url) == path


@requirement("models:replay:events")
async def test_a_stream_is_replayed_event_by_event() -> None:
    """A client of a replay sees a stream, not a lump; Go's recordings have no headers."""
    body = "data: 1\r\n\r\ndata: 2\n\n: bye"
    tape = Replay("t", [recorded(body), recorded('{"a": 1}')])
    async with tape.post(CHAT, {}, b"") as response:
        assert response.headers["content-type"] == "text/event-stream"
        pieces = [await response.read() for _ in range(4)]
    assert pieces == [b"data: 1\r\n\r\n", b"data: 2\n\n", b": bye", b""]
    async with tape.post(CHAT, {}, b"") as response:
        assert response.headers["content-type"] == "application/json"
