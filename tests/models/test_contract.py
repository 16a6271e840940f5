"""One contract, every protocol: whatever vendor is behind it, a model answers, fails and stops in
the same way. What only one of them can do stands in its own folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import anyio
import pytest

from docker_agent.depth import is_too_deep
from docker_agent.errors import ModelError
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    Finish,
    Format,
    ImagePart,
    TextPart,
    ToolCall,
    ToolList,
    ToolMessage,
    ToolSpec,
    Usage,
    UserMessage,
)
from docker_agent.models.http import open_http
from docker_agent.models.port import Ask
from tests.models.contract import PARSERS, PROTOCOLS, SECRET, SHAPE, Protocol
from tests.models.talking import HI, TOOLS, Pieces, Told
from tests.requirements import requirement
from tests.scripted import gemini_parts
from tests.scripted.anthropic import scripted_claude
from tests.scripted.bedrock import scripted_bedrock
from tests.scripted.gate import Gate
from tests.scripted.gemini import GeminiServer, gemini_server
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import begin, broken_event, die, hold
from tests.scripted.steps import Reply

pytestmark = pytest.mark.anyio

TOOL_ASK = Ask(HI.messages, TOOLS)
CALLED: list[tuple[str, dict[str, int]]] = [("f", {"a": 1}), ("g", {"b": 2})]


@dataclass(frozen=True, slots=True)
class Vendor:
    """A scripted model of one test, and its protocol."""

    protocol: Protocol
    url: str
    model: Model

    async def told(self, *script: Reply, ask: Ask = HI, into: Told | None = None) -> Told:
        """One call, answered by `script`."""
        self.model.script(*script)
        into = into or Told()
        async with open_http() as http:
            model = self.protocol.open(http, self.url, self.model.name)
            with anyio.fail_after(10):
                into.answer = await model.reply(ask, into.hear)
        return into

    async def fails(self, script: Reply) -> tuple[ModelError, Told]:
        """How a call ended that cannot succeed, and what it had told."""
        heard = Told()
        with pytest.raises(ModelError) as failed:
            await self.told(script, into=heard)
        assert failed.value.emitted is bool(heard.batches)
        return failed.value, heard


@pytest.fixture(scope="module")
def servers(scripted: Scripted) -> Generator[dict[str, tuple[str, Scripted | GeminiServer]]]:
    """Address and models of each vendor."""
    with ExitStack() as running:
        claude = running.enter_context(scripted_claude())
        gemini = running.enter_context(gemini_server())
        bedrock = running.enter_context(scripted_bedrock())
        bedrock.bearers.add(SECRET)
        yield {
            "chat": (scripted.url, scripted),
            "dmr": (scripted.url, scripted),
            "local": (scripted.url, scripted),
            "responses": (scripted.url, scripted),
            "anthropic": (claude.url, claude),
            "gemini": (gemini.url, gemini),
            "websocket": (scripted.url, scripted),
            "chatgpt": (scripted.url, scripted),
            "vertex": (gemini.url, gemini),
            "vertex-claude": (claude.url, claude),
            "vertex-garden": (scripted.url, scripted),
            "bedrock": (bedrock.url, bedrock),
        }
        assert not [*claude.faults, *gemini.faults, *bedrock.faults]


@pytest.fixture(params=PROTOCOLS)
def vendor(
    request: pytest.FixtureRequest,
    servers: dict[str, tuple[str, Scripted | GeminiServer]],
    numbers: Iterator[int],
) -> Vendor:
    """Each protocol in turn, with a model nobody else has."""
    protocol = PROTOCOLS[request.param]
    url, server = servers[request.param]
    model = server.model(f"{protocol.model}-contract-{next(numbers)}")
    return Vendor(protocol, url, model)


@requirement("models:contract")
async def test_text_comes_whole(vendor: Vendor) -> None:
    """models/port.py: the deltas add up to the reply; why it ended, what it cost, who spoke."""
    said = await vendor.told(vendor.protocol.words.say("Hello, é😀") + vendor.protocol.end)
    assert said.text == said.reply.message.text == "Hello, é😀"
    assert (said.calls, said.reasoning) == ([], "")
    assert (said.reply.finish, said.reply.usage) == ("stop", Usage(11, 7))
    assert said.reply.model


@requirement("models:contract")
async def test_text_is_told_as_it_comes(vendor: Vendor) -> None:
    """DESIGN.md §5: the second piece leaves the vendor only after the first was told here."""
    gate, words = Gate(), vendor.protocol.words
    script = words.say("Hel") + hold(gate) + words.say("lo") + vendor.protocol.end
    said = await vendor.told(script, into=Told(opens=gate))
    assert len(said.batches) == 2
    assert said.text == said.reply.message.text == "Hello"


@requirement("models:contract")
async def test_reasoning_stays_beside_the_text(vendor: Vendor) -> None:
    """runtime.md §2.1: thoughts are told as such, and are no part of the text."""
    words = vendor.protocol.words
    said = await vendor.told(words.think("h", "m") + words.say("a") + vendor.protocol.end)
    assert (said.reasoning, said.text) == ("hm", "a")
    assert (said.reply.message.reasoning, said.reply.message.text) == ("hm", "a")


@requirement("models:contract")
@pytest.mark.parametrize("count", [1, 2])
async def test_tools_are_called(vendor: Vendor, count: int) -> None:
    """models/port.py: names, arguments and ids of one call, or of several in one answer."""
    words = vendor.protocol.words
    wanted = CALLED[:count]
    calls = sum((words.call(name, args) for name, args in wanted), Reply())
    said = await vendor.told(words.say("Wait.") + calls + vendor.protocol.end, ask=TOOL_ASK)
    assert said.text == "Wait."
    assert [(name, json.loads(args)) for name, args in said.calls] == wanted
    ids = [call.id for call in said.reply.message.calls]
    assert all(ids) and len(set(ids)) == count
    assert said.reply.finish == "tool_calls"


FAILED = Ask(
    (
        UserMessage("hi"),
        AssistantMessage(calls=(ToolCall("c1", "f", '{"a": 1}'),)),
        ToolMessage("c1", "it broke", is_error=True),
    ),
    TOOLS,
)
PICTURE = ImagePart("data:image/png;base64,AA==")
GIVEN = {
    "failure": FAILED,
    "picture": Ask((UserMessage((TextPart("see"), PICTURE)),)),
    "shape": Ask(HI.messages, format=Format("json_schema", "n", SHAPE, strict=True)),
}


@requirement("models:contract")
@pytest.mark.parametrize("what", GIVEN)
async def test_what_goes_in_is_written_in_the_vendors_words(vendor: Vendor, what: str) -> None:
    """agent-file.md §3.2.3: a tool's error, a picture, the shape an answer must have."""
    protocol = vendor.protocol
    said = await vendor.told(protocol.words.say('{"a": "b"}') + protocol.end, ask=GIVEN[what])
    assert protocol.find[what](vendor.model.heard[0].body) == protocol.wired[what]
    assert said.text == '{"a": "b"}'


DEEP: dict[str, Callable[[JSON], JSON]] = {
    "items": lambda inner: {"items": inner},
    "properties": lambda inner: {"type": "object", "properties": {"a": inner}},
    "anyOf": lambda inner: {"anyOf": [inner, {"type": "null"}]},
}


@requirement("json:depth")
@pytest.mark.parametrize("key", DEEP)
async def test_a_schema_of_the_greatest_depth_is_written(vendor: Vendor, key: str) -> None:
    """depth.py: what is taken must pass through every adapter, far down the stack."""
    schema: JSON = {"type": "string"}
    while not is_too_deep(DEEP[key](schema)):
        schema = DEEP[key](schema)
    ask = Ask(
        HI.messages,
        ToolList([ToolSpec("f", "", schema)]),
        format=Format("json_schema", "n", schema),
    )
    said = await vendor.told(vendor.protocol.words.say("a") + vendor.protocol.end, ask=ask)
    assert said.text == "a"


@requirement("models:contract")
async def test_tokens_are_counted_alike(vendor: Vendor) -> None:
    """messages.py, Usage: cached ones are part of the prompt, thoughts of the answer."""
    said = await vendor.told(vendor.protocol.words.say("a") + vendor.protocol.counted)
    assert said.reply.usage == vendor.protocol.usage


@requirement("models:contract")
@pytest.mark.parametrize(
    ("ending", "text", "finish"), [("length", "a", "length"), ("refusal", "No.", "content_filter")]
)
async def test_why_it_ended_is_told_alike(
    vendor: Vendor, ending: str, text: str, finish: Finish
) -> None:
    """chat-server.md §2: cut by its cap, or refused; what was said stays."""
    protocol = vendor.protocol
    said = protocol.words.say("a") if ending == "length" else Reply()
    told = await vendor.told(said + getattr(protocol, ending))
    assert (told.text, told.reply.finish) == (text, finish)


@requirement("models:contract")
async def test_a_rate_limit_says_how_long(vendor: Vendor) -> None:
    """runtime.md §4.2: wherever the vendor wrote the time."""
    error, _ = await vendor.fails(vendor.protocol.limited)
    assert (error.kind, error.retry_after) == ("model_rate_limited", 7.0)


@requirement("models:contract")
async def test_a_wrong_key_is_final_and_not_shown(vendor: Vendor) -> None:
    """runtime.md §4.3: the vendor's own words, without the key."""
    error, _ = await vendor.fails(vendor.protocol.locked)
    assert (error.kind, error.transient) == ("model_error", False)
    assert "wrong key ***" in str(error)
    assert SECRET not in str(error)


@requirement("models:contract")
@pytest.mark.parametrize("later", [False, True])
async def test_an_overload_may_pass(vendor: Vendor, later: bool) -> None:
    """agent-file.md §3.10: as a status, and as an event of a stream that began."""
    protocol = vendor.protocol
    error, heard = await vendor.fails(
        protocol.words.say("a") + protocol.overloaded_later if later else protocol.overloaded
    )
    assert (error.kind, error.transient, heard.text) == ("model_error", True, "a" if later else "")
    assert "overloaded" in str(error).lower()


@requirement("models:contract")
@pytest.mark.parametrize("later", [False, True])
async def test_a_cut_stream_is_no_answer(vendor: Vendor, later: bool) -> None:
    """runtime.md §4.2: it may be tried again by whoever has shown nothing yet."""
    said = vendor.protocol.words.say("a") if later else begin()
    error, heard = await vendor.fails(said + die())
    assert (error.kind, error.transient, heard.text) == ("model_error", True, "a" if later else "")


@requirement("models:contract")
@pytest.mark.parametrize("later", [False, True])
async def test_a_malformed_event_is_an_error(vendor: Vendor, later: bool) -> None:
    """runtime.md §4.2: nothing is guessed, and nothing is tried again."""
    said = vendor.protocol.words.say("a") if later else Reply()
    error, heard = await vendor.fails(said + broken_event())
    assert (error.kind, error.transient, heard.text) == ("model_error", False, "a" if later else "")
    assert "malformed" in str(error)


@requirement("models:contract")
async def test_a_late_first_byte_is_waited_for(vendor: Vendor) -> None:
    """agent-file.md §3.10: no total timeout; what comes late comes whole."""
    gate, protocol = Gate(), vendor.protocol
    call = asyncio.create_task(vendor.told(hold(gate) + protocol.words.say("late") + protocol.end))
    await gate.await_reached()
    gate.open()
    assert (await call).text == "late"


@requirement("models:contract")
@pytest.mark.parametrize("later", [False, True])
async def test_a_cancelled_call_is_over_for_the_vendor_too(vendor: Vendor, later: bool) -> None:
    """models/port.py: the connection is closed before the cancellation propagates."""
    said = vendor.protocol.words.say("a") if later else Reply()
    call = asyncio.create_task(vendor.told(said + hold(Gate())))
    heard = await vendor.model.await_heard()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await heard.await_cut()


def everything(protocol: Protocol) -> bytes:
    """A stream of thoughts, text and two calls."""
    words = protocol.words
    pieces = {} if words is gemini_parts else {"pieces": 3}
    calls = words.call("f", {"a": 1}, id="c1", **pieces)
    calls += words.call("g", {"b": 2}, id="c2", **pieces)
    return protocol.stream(words.think("hm") + words.say("é", "😀.") + calls + protocol.end)


async def read(protocol: Protocol, *pieces: bytes) -> tuple[Told, ModelError | None]:
    """What is told of a stream that comes in these reads."""
    told = Told()
    try:
        told.answer = await protocol.open(Pieces(pieces), "", "m").reply(TOOL_ASK, told.hear)
    except ModelError as error:
        return told, error
    return told, None


@requirement("models:contract")
@pytest.mark.parametrize("protocol", PARSERS.values(), ids=PARSERS.keys())
async def test_a_stream_may_be_read_in_two_at_every_byte(protocol: Protocol) -> None:
    """DESIGN.md §5: one reply, wherever a read ended."""
    stream = everything(protocol)
    whole, _ = await read(protocol, stream)
    assert (whole.text, whole.reasoning) == ("é😀.", "hm")
    assert [call.id for call in whole.reply.message.calls] == ["c1", "c2"]
    for place in range(1, len(stream)):
        halved, _ = await read(protocol, stream[:place], stream[place:])
        assert halved.reply == whole.reply, stream[:place]
        assert (halved.text, halved.reasoning) == (whole.text, whole.reasoning)


@requirement("models:contract")
@pytest.mark.parametrize("protocol", PARSERS.values(), ids=PARSERS.keys())
async def test_a_stream_may_end_at_every_byte(protocol: Protocol) -> None:
    """runtime.md §4.2: what was told is a beginning of the whole, and no half call is taken for
    one."""
    stream = everything(protocol)
    ended: set[bool] = set()
    for place in range(len(stream)):
        told, error = await read(protocol, stream[:place])
        ended.add(error is None)
        assert "é😀.".startswith(told.text) and "hm".startswith(told.reasoning)
        if error is None:
            assert _whole(told) == CALLED[: len(told.calls)], stream[:place]
        else:
            assert error.emitted is bool(told.batches)
    assert False in ended


def _whole(told: Told) -> list[tuple[str, object]]:
    return [(name, json.loads(arguments or "{}")) for name, arguments in told.calls]
