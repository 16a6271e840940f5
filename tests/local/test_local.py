"""The embedded model as a model: real answers of SmolLM2, and what is said when it cannot run."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import jsonschema
import pytest

from docker_agent.errors import ConfigError, ModelError
from docker_agent.events import Delta, ReasoningDelta
from docker_agent.messages import (
    JSON,
    NO_TOOLS,
    AssistantMessage,
    Format,
    ImagePart,
    Message,
    Sampling,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolList,
    ToolMessage,
    ToolSpec,
    UserMessage,
)
from docker_agent.models.http_port import Http
from docker_agent.models.local import (
    LocalModel,
    LocalOptions,
    check_local,
    open_local,
    options_of,
    suited,
)
from docker_agent.models.port import Ask
from tests.local.conftest import declared
from tests.local.processes import Watch, engines_of
from tests.requirements import requirement

LIMIT = 120.0
"""Seconds a few answers may take on a busy machine."""

WEATHER = ToolSpec(
    "get_weather",
    "Get the weather of a city",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"enum": ["C", "F"]},
            "days": {"$ref": "#/$defs/Days"},
        },
        "required": ["city", "unit", "days"],
        "$defs": {"Days": {"type": "integer", "minimum": 1, "maximum": 5}},
    },
)
NOW = ToolSpec("now", "Tell the time", {"type": "object", "properties": {}})
TOOLS = ToolList([WEATHER, NOW])
END_TOKENS = ("0", "2")
"""SmolLM2's tokens that end a text and a message."""

QUESTION = UserMessage("What is the weather in Paris?")


class Listener:
    """Keeps what was emitted."""

    def __init__(self) -> None:
        self.batches: list[tuple[Delta, ...]] = []
        self.first = anyio.Event()

    async def __call__(self, deltas: tuple[Delta, ...]) -> None:
        self.batches.append(deltas)
        self.first.set()

    @property
    def text(self) -> str:
        """The text of all deltas."""
        return "".join(
            delta.text
            for batch in self.batches
            for delta in batch
            if not isinstance(delta, ReasoningDelta)
        )


@requirement("local:reply")
@pytest.mark.anyio
async def test_an_answer_streams_and_its_pieces_are_the_whole(model: LocalModel) -> None:
    """models/port.py: `reply`."""
    listener = Listener()
    ask = Ask(
        (SystemMessage("You are friendly."), UserMessage("Hello!")),
        sampling=Sampling(max_tokens=12, temperature=0.0),
    )
    with anyio.fail_after(LIMIT):
        reply = await model.reply(ask, listener)
    assert len(listener.batches) > 1
    assert listener.text == reply.message.text != ""
    assert reply.finish in ("stop", "length")
    assert reply.usage.prompt > 0
    assert 0 < reply.usage.completion <= 12
    assert reply.model == model.card.name == "smollm2"


@requirement("local:reply")
@pytest.mark.anyio
async def test_many_requests_at_a_time_are_all_answered(model: LocalModel) -> None:
    """parts.md A3: more calls than slots queue."""
    texts: list[str] = []

    async def ask() -> None:
        question = Ask((UserMessage("Hello!"),), sampling=Sampling(max_tokens=4, temperature=0.0))
        texts.append((await model.reply(question, Listener())).message.text)

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(ask)
    assert len(texts) == 6
    assert all(texts)


@requirement("local:format")
@pytest.mark.anyio
async def test_an_answer_follows_a_json_schema(model: LocalModel) -> None:
    """parts.md A4: a schema is always followed."""
    schema = {
        "type": "object",
        "properties": {"answer": {"enum": ["yes", "no"]}, "sure": {"type": "boolean"}},
        "required": ["answer", "sure"],
        "additionalProperties": False,
    }
    listener = Listener()
    ask = Ask((UserMessage("Is Rome in Italy?"),), format=Format("json_schema", "it", schema))
    with anyio.fail_after(LIMIT):
        reply = await model.reply(ask, listener)
    jsonschema.validate(json.loads(reply.message.text), schema)
    assert listener.text == reply.message.text


@requirement("local:forced")
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (ToolChoice("required"), {"get_weather", "now"}),
        (ToolChoice("function", "get_weather"), {"get_weather"}),
        (ToolChoice("function", "now"), {"now"}),
    ],
)
async def test_a_forced_choice_always_gives_a_valid_call_and_no_text(
    choice: ToolChoice, names: set[str], model: LocalModel
) -> None:
    """parts.md A4: with a schema even the smallest model calls."""
    listener = Listener()
    ask = Ask((SystemMessage("Be brief."), QUESTION), tools=TOOLS, choice=choice)
    with anyio.fail_after(LIMIT):
        reply = await model.reply(ask, listener)
    (call,) = reply.message.calls
    assert call.name in names
    assert call.id.startswith("call_")
    jsonschema.validate(json.loads(call.arguments), dict(TOOLS.by_name[call.name].parameters))
    assert (reply.finish, reply.message.text, listener.batches) == ("tool_calls", "", [])


@requirement("local:forced")
@pytest.mark.anyio
async def test_a_forced_call_that_was_cut_off_is_shown_as_what_it_is(model: LocalModel) -> None:
    """runtime.md §4.1, finish `length`: nothing is lost."""
    listener = Listener()
    ask = Ask(
        (QUESTION,),
        tools=TOOLS,
        choice=ToolChoice("required"),
        sampling=Sampling(max_tokens=3, temperature=0.0),
    )
    with anyio.fail_after(LIMIT):
        reply = await model.reply(ask, listener)
    assert (reply.finish, reply.message.calls) == ("length", ())
    assert listener.text == reply.message.text != ""


@requirement("local:context")
@pytest.mark.anyio
async def test_a_prompt_that_does_not_fit_is_told_as_such(model: LocalModel) -> None:
    """runtime.md §4.3: compaction acts on this kind."""
    with anyio.fail_after(LIMIT), pytest.raises(ModelError) as caught:
        await model.reply(Ask((UserMessage("word " * 5000),)), Listener())
    assert caught.value.kind == "context_length_exceeded"
    assert not caught.value.transient


@requirement("local:picture")
@pytest.mark.anyio
async def test_a_picture_is_refused_once_and_for_good(model: LocalModel) -> None:
    """runtime.md §4.2: the engine calls it a server error, but it cannot succeed later."""
    picture = UserMessage((TextPart("What is this?"), ImagePart("data:image/png;base64,AAAA")))
    with anyio.fail_after(LIMIT), pytest.raises(ModelError, match="image input") as caught:
        await model.reply(Ask((picture,)), Listener())
    assert not caught.value.transient


@requirement("local:cancel")
@pytest.mark.anyio
async def test_a_cancelled_answer_gives_its_place_to_the_next(http: Http, cache_dir: Path) -> None:
    """models/port.py: cancellation closes the provider's connection."""
    options = {"slots": 1, "context_size": 4096}
    with anyio.fail_after(LIMIT):
        async with open_local(declared("smollm2", options), http, cache_dir) as model:
            endless = Ask(
                (UserMessage("Tell a long story."),),
                sampling=Sampling(logit_bias=dict.fromkeys(END_TOKENS, -100.0)),
            )
            listener = Listener()
            async with anyio.create_task_group() as group:
                group.start_soon(model.reply, endless, listener)
                await listener.first.wait()
                group.cancel_scope.cancel()
            reply = await model.reply(
                Ask((UserMessage("Hello!"),), sampling=Sampling(max_tokens=2, temperature=0.0)),
                Listener(),
            )
    assert reply.message.text


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@requirement("local:engine:restart")
@pytest.mark.anyio
async def test_a_crash_fails_the_answer_for_good_and_the_next_question_starts_anew(
    http: Http, cache_dir: Path
) -> None:
    """DESIGN.md §6: a native crash takes no conversation along."""
    before = engines_of(os.getpid())
    with anyio.fail_after(LIMIT):
        async with open_local(declared("smollm2", {"slots": 1}), http, cache_dir) as model:
            ask = Ask((UserMessage("Tell a long story."),))

            async def kill(_: tuple[Delta, ...]) -> None:
                for process in engines_of(os.getpid(), but=before):
                    os.kill(process, signal.SIGKILL)

            with pytest.raises(ModelError) as caught:
                await model.reply(ask, kill)
            error = caught.value
            assert (error.kind, error.transient, error.emitted) == ("model_error", False, True)
            assert str(error) == "model smollm2 failed: its engine crashed"
            short = Ask((UserMessage("Hello!"),), sampling=Sampling(max_tokens=2, temperature=0.0))
            assert (await model.reply(short, Listener())).message.text
            (process,) = engines_of(os.getpid(), but=before)
            watch = Watch(process)
    assert watch.ended()
    watch.close()


def asked(*messages: Message, choice: str = "auto") -> Ask:
    """A question with tools."""
    modes = {mode: ToolChoice(mode) for mode in ("auto", "none", "required")}
    return Ask(messages, tools=TOOLS, choice=modes[choice])


RESULT = (
    QUESTION,
    AssistantMessage(calls=(ToolCall("call_0", "now", "{}"),)),
    ToolMessage("call_0", "noon"),
)


@requirement("local:weak")
@pytest.mark.parametrize(
    ("ask", "model", "offered"),
    [
        (asked(QUESTION), "smollm2", True),
        (asked(QUESTION, choice="none"), "smollm2", False),
        (asked(*RESULT), "smollm2", False),
        (asked(*RESULT), "qwen2.5-coder-0.5b", False),
        (asked(*RESULT), "qwen2.5-coder-1.5b", True),
        (asked(*RESULT), "/models/mine.gguf", True),
        (asked(*RESULT, QUESTION), "smollm2", True),
    ],
)
def test_weak_models_get_no_tools_right_after_a_result(ask: Ask, model: str, offered: bool) -> None:
    """parts.md A4: they would only call again."""
    assert suited(ask, model).tools == (TOOLS if offered else NO_TOOLS)


@requirement("local:check")
def test_a_missing_engine_is_a_command_to_run(cache_dir: Path) -> None:
    """parts.md A5: extra `[local]`."""
    with pytest.raises(ConfigError, match=r"run: pip install 'docker-agent\[local\]'"):
        check_local("smollm2", cache_dir, find_module=lambda name: None)


@requirement("local:check")
def test_missing_weights_are_a_command_to_run(tmp_path: Path) -> None:
    """parts.md A5."""
    with pytest.raises(ConfigError, match=r"run: docker-agent models pull qwen2\.5"):
        check_local("qwen2.5-coder-0.5b", tmp_path)


@requirement("local:check")
def test_a_cpu_that_is_too_old_is_a_sentence(cache_dir: Path, tmp_path: Path) -> None:
    """parts.md A3."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : fpu fma f16c bmi2\n")
    with pytest.raises(ConfigError, match="this CPU lacks AVX2, which the embedded engine needs"):
        check_local("smollm2", cache_dir, cpuinfo=cpuinfo, machine="x86_64")


@requirement("local:check")
@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"PK\3\4", "this is no GGUF file"), (b"", "this is no GGUF file")],
)
def test_a_path_must_lead_to_a_gguf_file(
    content: bytes | None, said: str, cache_dir: Path, tmp_path: Path
) -> None:
    """parts.md A5: `local//path/to.gguf`."""
    path = tmp_path / "mine.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        check_local(str(path), cache_dir)


@requirement("local:check")
@pytest.mark.anyio
async def test_what_cannot_run_is_told_before_anything_starts(http: Http, tmp_path: Path) -> None:
    """errors.py: the operator reads it at the start."""
    with pytest.raises(ConfigError, match="models pull smollm2"):
        async with open_local(declared("smollm2"), http, tmp_path):
            raise AssertionError("nothing to open")


@requirement("local:path")
@pytest.mark.anyio
async def test_any_gguf_file_runs_under_its_own_name(
    http: Http, smollm2: Path, tmp_path: Path
) -> None:
    """parts.md A5: `local//path/to.gguf`; the path itself is nobody's business."""
    path = tmp_path / "my-model.gguf"
    path.symlink_to(smollm2)
    with anyio.fail_after(LIMIT):
        async with open_local(declared(str(path)), http, tmp_path) as model:
            ask = Ask((UserMessage("Hello!"),), sampling=Sampling(max_tokens=2, temperature=0.0))
            reply = await model.reply(ask, Listener())
    assert reply.model == model.card.name == "my-model"


@requirement("local:options")
@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, LocalOptions(4096, 4, None)),
        ({"context_size": 1024, "slots": 1, "threads": 2}, LocalOptions(1024, 1, 2)),
        ({"context_size": "8192"}, LocalOptions(8192, 4, None)),
        ({"context_size": 0, "slots": "many", "threads": True}, LocalOptions(4096, 4, None)),
        ({"top_k": 5}, LocalOptions(4096, 4, None)),
    ],
)
def test_the_file_may_size_the_engine(given: Mapping[str, JSON], options: LocalOptions) -> None:
    """agent-file.md §3.7: wrong values are passed over."""
    assert options_of(given) == options
