"""What people, models and tools say to each other: messages, tools, and the conversation that keeps
them.

Everything here is a frozen value; stores keep a `Conversation` as the JSON of these Structs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

JSON = Any
"""A decoded JSON value: None, bool, int, float, str, list or dict of these."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding JSON from outside may raise: no JSON or wrong types, no UTF-8, nested too
deeply."""


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    """Text inside a message of several parts."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image"):
    """A picture: `url` is an http(s) address or a data URL, `detail` OpenAI's `auto`, `low` or
    `high`."""

    url: str
    detail: str | None = None


class AudioPart(msgspec.Struct, frozen=True, tag="audio"):
    """Spoken input: base64 `data` in `format` (`wav`, `mp3`)."""

    data: str
    format: str


class FilePart(msgspec.Struct, frozen=True, tag="file"):
    """A document: a data URL in `data`, or the provider's own `file_id`."""

    filename: str | None = None
    data: str | None = None
    file_id: str | None = None


Part = TextPart | ImagePart | AudioPart | FilePart
Content = str | tuple[Part, ...]


def content_text(content: Content) -> str:
    """The text of a content, its text parts joined by nothing."""
    if isinstance(content, str):
        return content
    return "".join(part.text for part in content if isinstance(part, TextPart))


class ToolCall(msgspec.Struct, frozen=True):
    """A model's wish to call a tool; `arguments` is the JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


class Opaque(msgspec.Struct, frozen=True):
    """Something only its maker understands (a thinking signature): replayed to the same `maker`,
    shown to nobody."""

    maker: str
    kind: str
    data: str


class SystemMessage(msgspec.Struct, frozen=True, tag="system"):
    """Instructions. `passing` ones may be others in the next call (the date): providers' caches
    should end before them."""

    text: str
    passing: bool = False


class UserMessage(msgspec.Struct, frozen=True, tag="user"):
    """What the user said. `implicit` ones were written by the runtime (`Please proceed.`) and
    shown to nobody."""

    content: Content
    name: str | None = None
    implicit: bool = False


class AssistantMessage(msgspec.Struct, frozen=True, tag="assistant"):
    """What a model answered; `agent` names who it spoke for (empty: unknown, from a client's
    history)."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    agent: str = ""


class ToolMessage(msgspec.Struct, frozen=True, tag="tool"):
    """The answer to the call `call_id`."""

    call_id: str
    text: str
    is_error: bool = False
    parts: tuple[Part, ...] = ()


Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


Label = Literal["safe", "destructive", "unknown"]
"""What a tool, or one call of it, may do to the world."""


class Meaning(msgspec.Struct, frozen=True):
    """What one call would do, as its tool reads the arguments.

    `parts` are arguments that rules should see in place of those the model wrote: one for each
    thing the call does. Deny and ask rules look at `hidden` too: what those parts may set off.
    `whole` is false when there may be more than that.
    """

    label: Label
    parts: tuple[Mapping[str, JSON], ...] = ()
    hidden: tuple[Mapping[str, JSON], ...] = ()
    whole: bool = True


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as a model sees it, and what is known of its effects.

    `parameters` is a JSON Schema of type object. `read_only`, `destructive`, `open_world` are MCP's
    hints; `harmless` marks tools that touch nothing outside the conversation (think, todo,
    transfer_task) and run in every mode but strict. `meaning`, when there is one, knows better than
    the hints what a call with these arguments would do. `keeps_time` says that the tool ends its
    own calls in time. `tidy` writes arguments as the tool reads them (an alias under its own name,
    slips that models make repaired), before rules and hooks look at them; it never raises.
    `brought` marks tools that a conversation has brought in: they come last, and never take the
    name of another.
    """

    name: str
    description: str
    parameters: Mapping[str, JSON]
    read_only: bool = False
    destructive: bool = False
    open_world: bool = False
    harmless: bool = False
    title: str | None = None
    output_schema: Mapping[str, JSON] | None = None
    category: str = ""
    takes_description: bool = False
    meaning: Callable[[Mapping[str, JSON]], Meaning] | None = None
    keeps_time: bool = False
    tidy: Callable[[Mapping[str, JSON]], Mapping[str, JSON]] | None = None
    brought: bool = False


class ToolList:
    """The tools of one listing, with the prompt text that came with them; immutable, made anew when
    the tools change.

    `version` tells two listings of one toolset apart. `wire(dialect)` is the provider's JSON of the
    whole list, written once per dialect and remembered, so that a request pays nothing for a long
    list.
    """

    __slots__ = ("_wired", "by_name", "instructions", "specs", "version")

    def __init__(
        self, specs: Sequence[ToolSpec] = (), *, version: int = 0, instructions: str = ""
    ) -> None:
        self.specs: tuple[ToolSpec, ...] = tuple(specs)
        self.by_name: Mapping[str, ToolSpec] = {spec.name: spec for spec in reversed(self.specs)}
        self.version = version
        self.instructions = instructions
        self._wired: dict[Callable[[Sequence[ToolSpec]], bytes], bytes] = {}

    def __bool__(self) -> bool:
        return bool(self.specs)

    def wire(self, dialect: Callable[[Sequence[ToolSpec]], bytes]) -> bytes:
        """The list as `dialect` writes it; `dialect` is a module-level function, called once per
        list."""
        wired = self._wired.get(dialect)
        if wired is None:
            wired = self._wired[dialect] = dialect(self.specs)
        return wired


NO_TOOLS = ToolList()


class Usage(msgspec.Struct, frozen=True):
    """Tokens, as the provider counted them. `cached` and `cache_write` are part of `prompt`,
    `reasoning` part of `completion`. `cost` is dollars for the calls whose prices are known; None:
    none is."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    cost: float | None = None

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.cached + other.cached,
            self.cache_write + other.cache_write,
            self.reasoning + other.reasoning,
            other.cost if self.cost is None else self.cost + (other.cost or 0.0),
        )


NO_USAGE = Usage()


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool answered.

    `text` is what the model reads (empty becomes `(no output)`), `parts` pictures and documents
    beside it, `structured` and `meta` are for observers. `next_model` names the model of the next
    call, `end_run` stops after this batch, `usage` is what models were paid for the answer.
    """

    text: str
    is_error: bool = False
    parts: tuple[Part, ...] = ()
    structured: JSON = None
    meta: JSON = None
    next_model: str | None = None
    end_run: bool = False
    usage: Usage = NO_USAGE


class ToolChoice(msgspec.Struct, frozen=True):
    """How a model may choose among its tools; `name` goes with mode `function`."""

    mode: Literal["auto", "none", "required", "function"] = "auto"
    name: str | None = None


AUTO = ToolChoice()


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sampling parameters in OpenAI's words; None leaves a choice to the model or its file."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    parallel_tool_calls: bool | None = None
    logit_bias: Mapping[str, float] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None


NO_SAMPLING = Sampling()


class Format(msgspec.Struct, frozen=True):
    """The shape an answer must have: OpenAI's `response_format`. `schema` goes with
    `json_schema`."""

    type: Literal["json_object", "json_schema"]
    name: str = ""
    schema: Mapping[str, JSON] | None = None
    description: str | None = None
    strict: bool | None = None


Finish = Literal["stop", "length", "tool_calls", "content_filter"]


class Summary(msgspec.Struct, frozen=True):
    """A compaction: `text` stands for all messages before number `kept_from` of the
    conversation."""

    text: str
    kept_from: int


class Turn(msgspec.Struct, frozen=True):
    """What one run added to a conversation.

    `digest` tells what the client was shown (`shown_digest`; empty when nobody will resend it),
    `agent` who speaks next, `state` the toolsets' own bytes by key as they stood at the end of this
    turn, `summary` the newest compaction.
    """

    messages: tuple[Message, ...]
    agent: str
    digest: str = ""
    state: Mapping[str, bytes] = {}
    summary: Summary | None = None


class Conversation(msgspec.Struct, frozen=True):
    """Turns in order; never changed, only followed by a longer one."""

    turns: tuple[Turn, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages of all turns, in order."""
        if not self.turns:
            return ()
        return tuple([message for turn in self.turns for message in turn.messages])

    @property
    def last(self) -> Turn | None:
        """The newest turn; None before the first."""
        return self.turns[-1] if self.turns else None

    def followed_by(self, turn: Turn) -> Conversation:
        """This conversation and one more turn."""
        return Conversation((*self.turns, turn))

    def pending(self) -> tuple[ToolCall, ...]:
        """The calls that wait for the client's answer: those of the last assistant message
        without a tool message."""
        answered: set[str] = set()
        for message in reversed(self.last.messages if self.last else ()):
            match message:
                case ToolMessage(call_id=call_id):
                    answered.add(call_id)
                case AssistantMessage(calls=calls):
                    return tuple(call for call in calls if call.id not in answered)
                case _:
                    return ()
        return ()


EMPTY_CONVERSATION = Conversation()


class ShownDigest:
    """A digest of what a client was shown: the user's parts and the texts of answers, in order.

    White space around them does not count, nor do messages that show nothing: instructions, calls,
    tool results, the runtime's own words. Source: chat-server.md §7.
    """

    __slots__ = ("_hash",)

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, message: Message) -> bool:
        """Take in one message; false when it shows nothing."""
        match message:
            case UserMessage(content=content, implicit=False):
                parts = (TextPart(content.strip()),) if isinstance(content, str) else content
                self._hash.update(b"user" + msgspec.json.encode(parts))
                return True
            case AssistantMessage(text=text) if text.strip():
                self.add_answer(text)
                return True
            case _:
                return False

    def add_answer(self, text: str) -> None:
        """Take in an answer's text; a blank one shows nothing."""
        if text.strip():
            self._hash.update(b"assistant" + msgspec.json.encode(text.strip()))

    def text(self) -> str:
        """The digest of what was taken in so far."""
        return self._hash.hexdigest()[:32]


def shown_digest(messages: Iterable[Message], text: str) -> str:
    """The digest of one turn: what was new in it, and the answer's whole text."""
    digest = ShownDigest()
    for message in messages:
        digest.add(message)
    digest.add_answer(text)
    return digest.text()
