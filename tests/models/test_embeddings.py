"""Texts as vectors: what goes to `/embeddings`, what is read, and what fails how."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from array import array
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import openai
import pytest

from docker_agent.errors import ModelError
from docker_agent.models.embeddings import Embeddings, EmbeddingSettings
from docker_agent.models.http import open_http
from tests.requirements import requirement
from tests.scripted.embeddings import DIMENSIONS, embedded, vector
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import answer, begin, context_too_long, die, fail, hold, rate_limited

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def embeddings(
    scripted: Scripted, name: str, headers: Mapping[str, str] | None = None
) -> AsyncGenerator[tuple[Embeddings, list[float]]]:
    """A model, and the pauses it makes, which last no time."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    settings = EmbeddingSettings(
        f"{scripted.url}/embeddings", "scripted", name, headers or {}, ("sk-hidden",)
    )
    async with open_http() as http:
        yield Embeddings(http, settings, sleep=sleep), pauses


@requirement("scripted:embeddings")
@pytest.mark.parametrize("format", ["float", None])
def test_the_official_sdk_reads_the_scripted_vectors(
    scripted: Scripted, model: Model, format: str | None
) -> None:
    """The SDK's own call passes against the scripted server; left alone it asks for base64."""
    client = openai.OpenAI(base_url=scripted.url, api_key="k", max_retries=0)
    extra = {} if format is None else {"encoding_format": format}
    made = client.embeddings.create(model=model.name, input=["a car", "an automobile"], **extra)  # pyright: ignore[reportArgumentType] - a word that the SDK knows
    assert [each.embedding for each in made.data] == [
        pytest.approx(vector(text), abs=1e-6) for text in ("a car", "an automobile")
    ]
    assert made.usage.prompt_tokens == 4
    for wrong in ({"input": ""}, {"input": "x", "dimensions": 8}):
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model=model.name, **wrong)  # pyright: ignore[reportArgumentType]
    client.close()


@requirement("rag:embeddings:wire")
async def test_a_request_is_what_the_official_sdk_sends(scripted: Scripted, model: Model) -> None:
    """Wire: the same body and headers as the SDK's, as far as they matter."""
    async with embeddings(scripted, model.name, {"Authorization": "Bearer k"}) as (made, _):
        got = await made.embed(["one two", "three"])
    async with openai.AsyncOpenAI(base_url=scripted.url, api_key="k") as client:
        await client.embeddings.create(
            model=model.name, input=["one two", "three"], encoding_format="float"
        )
    ours, theirs = model.heard
    assert ours.body == theirs.body
    assert ours.path == theirs.path
    for name in ("authorization", "content-type"):
        assert ours.headers[name] == theirs.headers[name]
    assert [list(each) for each in got.vectors] == [
        pytest.approx(vector(text), abs=1e-6) for text in ("one two", "three")
    ]
    assert got.usage.prompt == 3


@requirement("rag:embeddings:wire")
async def test_shorter_vectors_are_asked_for_where_they_can_be(
    scripted: Scripted, model: Model
) -> None:
    """agent-file.md §2.11: `vector_dimensions`; other models refuse to be asked."""
    for name, sent, length in ((model.name, None, DIMENSIONS), ("text-embedding-3-small", 8, 8)):
        async with embeddings(scripted, name) as (made, _):
            (got,) = (await made.embed(["x"], 8)).vectors
        assert len(got) == length
        assert scripted.model(name).heard[-1].body.get("dimensions") == sent


@requirement("rag:embeddings:wire")
async def test_answers_are_read_in_any_form_and_order(scripted: Scripted, model: Model) -> None:
    """Servers differ: base64, no usage, no index, another order."""
    packed = base64.b64encode(struct.pack("<2f", 3.0, 4.0)).decode()
    shuffled = [{"index": 1, "embedding": [3.0, 4.0]}, {"index": 0, "embedding": [1, 2]}]
    bare = [{"embedding": [1.0, 2.0]}, {"embedding": packed}]
    for data in (shuffled, bare):
        model.script(answer(200, json.dumps({"data": data}).encode()))
        async with embeddings(scripted, model.name) as (made, _):
            got = await made.embed(["x", "y"])
        assert got.vectors == (array("f", [1, 2]), array("f", [3, 4]))
        assert got.usage.prompt == 0


BROKEN = {
    "no JSON": (b"<html>", "holds no vectors"),
    "no data": (b'{"data": null}', "holds no vectors"),
    "bad base64": (b'{"data": [{"embedding": "*"}]}', "holds no vectors"),
    "half a number": (b'{"data": [{"embedding": "AAA="}]}', "holds no vectors"),
    "too few": (b'{"data": []}', "made 0 vectors of 1 texts"),
    "empty": (b'{"data": [{"embedding": []}]}', "differ in length"),
    "no number": (b'{"data": [{"embedding": [1e999]}]}', "hold"),
}


@requirement("rag:embeddings:errors")
@pytest.mark.parametrize("case", BROKEN)
async def test_an_answer_without_vectors_is_an_error(
    scripted: Scripted, model: Model, case: str
) -> None:
    """STYLE.md, errors: what the model did, never a traceback."""
    body, said = BROKEN[case]
    model.script(answer(200, body))
    async with embeddings(scripted, model.name) as (made, _):
        with pytest.raises(ModelError, match=said):
            await made.embed(["x"])


@requirement("rag:embeddings:errors")
async def test_what_passes_is_tried_again_and_what_lasts_is_not(
    scripted: Scripted, model: Model
) -> None:
    """DESIGN.md §8, runtime.md §4.2: one rule for retries."""
    good = partial(embedded)
    for script, count, pauses in (
        ((die(), fail(503), good), 3, [0.2, 0.4]),
        ((rate_limited("7"), good), 2, [7.0]),
    ):
        model.forget().script(*script)
        async with embeddings(scripted, model.name) as (made, slept):
            assert len((await made.embed(["x"])).vectors) == 1
        assert len(model.heard) == count
        assert slept == pytest.approx(pauses, rel=0.2)
    for reply, kind, said in (
        (fail(401, "Incorrect API key provided: sk-hidden"), "model_error", r"\*\*\*"),
        (rate_limited("3600"), "model_rate_limited", "429"),
        (context_too_long(), "context_length_exceeded", "400"),
    ):
        model.forget().script(reply)
        async with embeddings(scripted, model.name) as (made, slept):
            with pytest.raises(ModelError, match=said) as refused:
                await made.embed(["x"])
        assert (refused.value.kind, slept, len(model.heard)) == (kind, [], 1)


@requirement("rag:embeddings:errors")
async def test_cancellation_closes_the_connection(scripted: Scripted, model: Model) -> None:
    """chat-server.md §5: a client that leaves frees the model at once."""
    model.script(begin() + hold(Gate()))
    async with embeddings(scripted, model.name) as (made, _):
        asking = asyncio.create_task(made.embed(["x"]))
        heard = await model.await_heard()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await heard.await_cut()
