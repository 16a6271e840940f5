"""`POST /embeddings` as OpenAI answers it, with vectors that say which words a text holds: the same
each time, and alike for texts with the same words or words of the same meaning."""

from __future__ import annotations

import base64
import json
import math
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

from tests.scripted.parts import answer, fail

if TYPE_CHECKING:
    from tests.scripted.heard import Heard
    from tests.scripted.parts import Reply

DIMENSIONS = 64
KNOWN = frozenset({"model", "input", "encoding_format", "dimensions", "user"})
MEANT = {
    "automobile": "car",
    "vehicle": "car",
    "feline": "cat",
    "kitten": "cat",
    "vacation": "holiday",
}
"""Words that mean the same as others."""


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """The numbers of a text."""
    numbers = [0.0] * dimensions
    for found in re.finditer(r"[^\W_]+", text.lower()):
        word = found[0]
        meant = str(MEANT.get(word, word))
        numbers[zlib.crc32(meant.encode()) % dimensions] += 1.0
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [number / length for number in numbers]


def embedded(heard: Heard, dimensions: int = DIMENSIONS) -> Reply:
    """The vectors of the texts in a request, or what is wrong with it."""
    body = heard.body
    if problem := _problem(body):
        return fail(400, problem)
    texts: list[str] = [body["input"]] if isinstance(body["input"], str) else body["input"]
    size = body.get("dimensions", dimensions)
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector(text, size), packed)}
        for index, text in enumerate(texts)
    ]
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    whole = {"object": "list", "data": data, "model": body["model"], "usage": usage}
    return answer(200, json.dumps(whole).encode())


def _packed(numbers: list[float], packed: bool) -> list[float] | str:
    if not packed:
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def _problem(body: dict[str, Any]) -> str:
    """What OpenAI would say of a request."""
    given, size = body.get("input"), body.get("dimensions")
    texts: list[Any] = [given] if isinstance(given, str) else given or []
    if unknown := body.keys() - KNOWN:
        return f"Unrecognized request arguments supplied: {', '.join(sorted(unknown))}"
    if not isinstance(body.get("model"), str):
        return "you must provide a model parameter"
    if not texts or len(texts) > 2048:
        return "'$.input' is invalid. Please check the API reference"
    if not all(isinstance(text, str) and text for text in texts):
        return "'$.input' is invalid: texts must not be empty"
    if body.get("encoding_format", "float") not in ("float", "base64"):
        return "Invalid value for 'encoding_format'"
    if size is not None and "text-embedding-3" not in body["model"]:
        return "This model does not support specifying dimensions"
    if any(len(text) > 30_000 for text in texts):
        return "This model's maximum context length is 8192 tokens"
    return ""
