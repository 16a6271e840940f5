"""What of a Gemini answer must come back in its place: signatures, and parts only Gemini reads.

A signature belongs to the part it came with, and such parts are not merged with others
(https://ai.google.dev/gemini-api/docs/thought-signatures). So the order of the parts is kept
beside the message: lengths of its text and thinking, ids of its calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from docker_agent.messages import JSON, UNREADABLE, AssistantMessage, Opaque, ToolCall

MAKER = "google"
_KIND = "parts"


class Piece(msgspec.Struct, frozen=True, omit_defaults=True):
    """One part: so many characters of the message's text or thinking, the call of an id, or a part
    kept whole. One of the four is set."""

    text: int | None = None
    thought: int | None = None
    call: str | None = None
    other: JSON = None
    signature: str | None = None


_decode = msgspec.json.Decoder(list[Piece]).decode
_decode_object = msgspec.json.Decoder(dict[str, JSON]).decode


class Order:
    """The parts of an answer while they arrive."""

    __slots__ = ("_length", "_needed", "_pieces", "_thought")

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._needed = False
        # The unsigned text or thinking that the next piece may go on with: so many characters.
        self._length = 0
        self._thought = False

    def add_text(self, text: str, signature: str | None, *, thought: bool) -> None:
        """Take in a piece of text or thinking; unsigned neighbours become one."""
        if not signature and (thought is self._thought or not self._length):
            self._thought = thought
            self._length += len(text)
            return
        if not (text or signature):
            return
        self._close()
        self._thought = thought
        if not signature:
            self._length = len(text)
        elif thought:
            self._add(Piece(thought=len(text), signature=signature))
        else:
            self._add(Piece(text=len(text), signature=signature))

    def add_call(self, id: str, signature: str | None) -> None:
        """Take in the call `id`."""
        self._add(Piece(call=id, signature=signature))

    def add_other(self, part: JSON, signature: str | None) -> None:
        """Take in a part that only its maker reads."""
        self._needed = True
        self._add(Piece(other=part, signature=signature))

    def _add(self, piece: Piece) -> None:
        self._close()
        self._needed = self._needed or bool(piece.signature)
        self._pieces.append(piece)

    def _close(self) -> None:
        if self._length:
            length, self._length = self._length, 0
            self._pieces.append(Piece(thought=length) if self._thought else Piece(text=length))

    def opaque(self) -> tuple[Opaque, ...]:
        """What the message keeps; nothing when its parts can be told from text and calls alone."""
        self._close()
        if not self._needed:
            return ()
        return (Opaque(MAKER, _KIND, msgspec.json.encode(self._pieces).decode()),)


def replayed(message: AssistantMessage) -> list[JSON]:
    """The parts of an assistant message, in the order and with the signatures they came with.

    A message that was changed since, or that another model wrote, becomes its text, then its calls;
    a call keeps its own signature. Unsigned thinking is left out.
    """
    pieces = _pieces(message.opaque)
    if sum(piece.text or 0 for piece in pieces) != len(message.text):
        signed = {piece.call: piece.signature for piece in pieces if piece.call}
        text: list[JSON] = [{"text": message.text}] if message.text else []
        return text + [_call(call, signed.get(call.id)) for call in message.calls]
    return list(_in_order(message, pieces))


def _pieces(opaque: Sequence[Opaque]) -> list[Piece]:
    for one in opaque:
        if one.maker == MAKER and one.kind == _KIND:
            try:
                return _decode(one.data)
            except UNREADABLE:
                return []
    return []


def _in_order(message: AssistantMessage, pieces: Sequence[Piece]) -> Iterable[JSON]:
    calls = {call.id: call for call in message.calls}
    said = thought = 0
    for piece in pieces:
        if piece.text is not None:
            yield _signed({"text": message.text[said : said + piece.text]}, piece.signature)
            said += piece.text
        elif piece.thought is not None:
            text = message.reasoning[thought : thought + piece.thought]
            thought += piece.thought
            if piece.signature:
                yield _signed({"text": text, "thought": True}, piece.signature)
        elif piece.call is not None:
            call = calls.pop(piece.call, None)
            if call is not None:
                yield _call(call, piece.signature)
        else:
            yield _signed(piece.other, piece.signature)
    for call in calls.values():
        yield _call(call, None)


def _call(call: ToolCall, signature: str | None) -> JSON:
    function = {"id": call.id, "name": call.name, "args": _arguments(call.arguments)}
    return _signed({"functionCall": function}, signature)


def _arguments(text: str) -> JSON:
    """Arguments as the object the API wants; broken ones as the model wrote them."""
    if not text.strip():
        return {}
    try:
        return _decode_object(text)
    except UNREADABLE:
        return {"arguments": text}


def _signed(part: JSON, signature: str | None) -> JSON:
    return {**part, "thoughtSignature": signature} if signature else part
