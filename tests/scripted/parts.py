"""What a scripted reply is made of: parts that are added up, `think("Hm") + say("Hello", "!")`.

Steps happen in order. Settings (`finish`, `usage`, `crlf`, `cut`, …) hold for the whole reply,
wherever they stand; the later one wins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from tests.scripted.gate import Gate
from tests.scripted.steps import (
    Answer,
    Begin,
    Call,
    Cuts,
    Delta,
    Die,
    DieAfter,
    Fields,
    Finish,
    Header,
    Hold,
    Manner,
    Merged,
    Paced,
    Raw,
    Repeat,
    Reply,
    Step,
    StreamError,
    Together,
    UsageReport,
)


def say(*pieces: str) -> Reply:
    """Text, each piece its own event (and its own write)."""
    return Reply(tuple(Delta({"content": piece}) for piece in pieces))


def think(*pieces: str, key: str = "reasoning_content") -> Reply:
    """Reasoning, each piece its own event."""
    return Reply(tuple(Delta({key: piece}) for piece in pieces))


def refuse(*pieces: str) -> Reply:
    """A refusal in the provider's own field."""
    return Reply(tuple(Delta({"refusal": piece}) for piece in pieces))


def call(
    name: str,
    arguments: Mapping[str, object] | str = "{}",
    *,
    id: str | None = "auto",
    index: int | None = None,
    pieces: int = 0,
) -> Reply:
    """A tool call. `pieces` > 0: id and name in a first event, the arguments in so many more.

    Arguments given as text are sent as they are, valid or not. Several calls in one reply are
    parallel calls and get the indexes 0, 1, …
    """
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return Reply((Call(name, text, id, index, pieces),))


def call_piece(
    index: int, arguments: str = "", *, id: str | None = None, name: str | None = None
) -> Reply:
    """One hand-made event of a tool call: `call_piece(0, id="c1", name="f")`, then
    `call_piece(0, '{"a"')`; for pieces of parallel calls that take turns."""
    entry: Fields = {"index": index, "function": {"arguments": arguments}}
    if name is not None:
        entry["function"]["name"] = name
    if id is not None:
        entry |= {"id": id, "type": "function"}
    return Reply((Delta({"tool_calls": [entry]}),))


def delta(**fields: object) -> Reply:
    """One event with any delta at all."""
    return Reply((Delta(dict(fields)),))


def raw(data: bytes) -> Reply:
    """Bytes put into the stream as they are: malformed events, odd line ends, half lines."""
    return Reply((Raw(data),))


def comment(text: str = "keep-alive") -> Reply:
    """A comment line, as proxies and routers send while they wait."""
    return raw(f": {text}\n\n".encode())


def broken_event() -> Reply:
    """An event whose data is not JSON."""
    return raw(b'data: {"id": "x", "choices": [{\n\n')


def hold(gate: Gate) -> Reply:
    """Wait here until the test opens the gate. As first part it holds back the status too."""
    return Reply((Hold(gate),))


def begin() -> Reply:
    """Status, headers and role event leave now, not with the first piece."""
    return Reply((Begin(),))


def paced(per_second: float, *replies: Reply) -> Reply:
    """Events at a steady rate."""
    return Reply((Paced(_steps(replies), per_second),))


def together(*replies: Reply) -> Reply:
    """All events of these parts in one write."""
    return Reply((Together(_steps(replies)),))


def merged(*replies: Reply) -> Reply:
    """All deltas of these parts in one event (calls side by side, text beside calls)."""
    return Reply((Merged(_steps(replies)),))


def endless(text: str = "word ", per_second: float = 0) -> Reply:
    """Text without end; `per_second` 0: as fast as the peer reads."""
    forever = Repeat(text, None)
    return Reply((Paced((forever,), per_second) if per_second else forever,))


def huge(size: int = 50 << 20, piece: int = 16 << 10) -> Reply:
    """About `size` bytes of text in events of `piece` bytes; see `Heard.written` and
    `Heard.wait_stalled`."""
    return Reply((Repeat("x" * piece, max(1, size // piece)),))


def die(*, reset: bool = False) -> Reply:
    """The socket closes here, without the end of the body; `reset`: with RST, not FIN."""
    return Reply((Die(reset),))


def die_after(sent: int, *, reset: bool = False) -> Reply:
    """The socket closes after so many bytes of body, wherever that is."""
    return Reply((DieAfter(sent, reset),))


def stream_error(message: str, *, type: str = "server_error", code: str | None = None) -> Reply:
    """An `error` object as an event; the stream then ends without finish and `[DONE]`.

    A request that asked for no stream gets it as a 500.
    """
    return Reply((StreamError({"message": message, "type": type, "param": None, "code": code}),))


def fail(
    status: int,
    message: str = "scripted failure",
    *,
    type: str = "invalid_request_error",
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """An error status with the usual JSON body."""
    error = {"message": message, "type": type, "param": None, "code": code}
    return answer(status, json.dumps({"error": error}).encode(), headers)


def rate_limited(retry_after: str = "1") -> Reply:
    """429 with `Retry-After`; an empty text leaves the header out."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    return fail(
        429, "Rate limit reached", type="requests", code="rate_limit_exceeded", headers=headers
    )


def context_too_long() -> Reply:
    """400 as a provider says that the history does not fit."""
    return fail(
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in "
        "9000 tokens.",
        code="context_length_exceeded",
    )


def answer(
    status: int,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> Reply:
    """Any whole answer: HTML from a proxy, an empty body, JSON of another shape."""
    every = (("Content-Type", content_type), *(headers or {}).items())
    return Reply((Answer(status, body, every),))


def finish(reason: str, text: str = "") -> Reply:
    """The finish reason (without it `tool_calls` when there are calls, else `stop`); `text`
    stands in the same event."""
    return Reply((Finish(reason, text),))


def usage(
    prompt: int = 11,
    completion: int = 7,
    *,
    cached: int | None = None,
    reasoning: int | None = None,
    where: Literal["after", "with_finish"] = "after",
    always: bool = False,
) -> Reply:
    """Tokens used. In a stream an own event "after" the finish, only when the request asked for
    it unless `always`; or in the event `with_finish`, asked or not."""
    report: Fields = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if cached is not None:
        report["prompt_tokens_details"] = {"cached_tokens": cached}
    if reasoning is not None:
        report["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return Reply((UsageReport(report, where, always),))


def no_usage() -> Reply:
    """Never says what was used."""
    return Reply((UsageReport(None, "after", always=False),))


def header(name: str, value: str) -> Reply:
    """One more header of the answer."""
    return Reply((Header(name, value),))


def cut(*sizes: int) -> Reply:
    """The body leaves in writes of these sizes in bytes, over and over: `cut(1)`, `cut(7, 3)`."""
    return Reply((Cuts(sizes),))


def crlf() -> Reply:
    """Event lines end with CR LF."""
    return Reply((Manner("crlf"),))


def no_role() -> Reply:
    """No first event with the role alone."""
    return Reply((Manner("no_role"),))


def no_finish() -> Reply:
    """The stream ends without a finish reason."""
    return Reply((Manner("no_finish"),))


def no_done() -> Reply:
    """The stream ends cleanly but without `[DONE]`."""
    return Reply((Manner("no_done"),))


def as_json() -> Reply:
    """One JSON object even when a stream was asked for."""
    return Reply((Manner("as_json"),))


def until_close() -> Reply:
    """No length and no chunks: the body ends when the connection does (HTTP/1.0 manner)."""
    return Reply((Manner("until_close"),))


def then_close() -> Reply:
    """The connection closes after the whole reply, although nothing announced it."""
    return Reply((Manner("then_close"),))


def trailing() -> Reply:
    """After `[DONE]` the body stays open for ever: some servers forget to end it."""
    return Reply((Manner("trailing"),))


def _steps(replies: Sequence[Reply]) -> tuple[Step, ...]:
    return sum((one.steps for one in replies), ())
