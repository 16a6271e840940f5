"""What goes wrong on Bedrock is one error: its kind, whether it may pass, and no secret."""

from __future__ import annotations

import pytest

from docker_agent.errors import Kind, ModelError
from tests.models.bedrock.asking import told
from tests.models.talking import Told
from tests.requirements import requirement
from tests.scripted.bedrock import BEARER, BedrockServer
from tests.scripted.bedrock_parts import error_frame, raised, reject
from tests.scripted.heard import Model
from tests.scripted.parts import answer, fail, say

pytestmark = pytest.mark.anyio

STATUSES: list[tuple[int, str, str, Kind, bool]] = [
    (400, "ValidationException", "temperature is wrong", "model_error", False),
    (400, "ValidationException", "Input is too long for requested model.",
     "context_length_exceeded", False),
    (400, "ValidationException", "prompt is too long: 9 tokens > 8 maximum",
     "context_length_exceeded", False),
    (400, "ThrottlingException", "Too many tokens, please wait", "model_rate_limited", False),
    (400, "ServiceQuotaExceededException", "no more", "model_rate_limited", False),
    (403, "AccessDeniedException", "You don't have access to the model", "model_error", False),
    (403, "ExpiredTokenException", "The security token is expired", "model_error", True),
    (404, "ResourceNotFoundException", "no such model", "model_error", False),
    (408, "ModelTimeoutException", "took too long", "model_error", True),
    (424, "ModelErrorException", "it broke", "model_error", False),
    (429, "ThrottlingException", "slow down", "model_rate_limited", False),
    (429, "ModelNotReadyException", "still loading", "model_error", True),
    (500, "InternalServerException", "oops", "model_error", True),
    (503, "ServiceUnavailableException", "try again", "model_error", True),
]  # fmt: skip


@requirement("models:bedrock:errors")
@pytest.mark.parametrize(("status", "name", "text", "kind", "transient"), STATUSES)
async def test_a_refusal_has_its_kind(
    bedrock: BedrockServer,
    model: Model,
    status: int,
    name: str,
    text: str,
    kind: Kind,
    transient: bool,
) -> None:
    """chat-server.md §4, runtime.md §4.2: by status, and by the exception's name."""
    model.script(reject(status, name, text))
    with pytest.raises(ModelError) as failed:
        await told(bedrock, model)
    assert (failed.value.kind, failed.value.transient) == (kind, transient)
    assert f"model the-model failed (HTTP {status}): {text}" == str(failed.value)


@requirement("models:bedrock:errors")
@pytest.mark.parametrize(
    ("name", "more", "kind", "transient"),
    [
        ("throttlingException", {}, "model_rate_limited", False),
        ("validationException", {}, "model_error", False),
        ("internalServerException", {}, "model_error", True),
        ("serviceUnavailableException", {}, "model_error", True),
        ("modelStreamErrorException", {}, "model_error", True),
        ("modelStreamErrorException", {"originalStatusCode": 529}, "model_error", True),
        ("modelStreamErrorException", {"originalStatusCode": 400}, "model_error", False),
        ("modelTimeoutException", {}, "model_error", True),
        ("accessDeniedException", {}, "model_error", False),
        ("somethingNewException", {}, "model_error", False),
    ],
)
async def test_an_exception_in_the_stream_comes_after_what_was_said(
    bedrock: BedrockServer,
    model: Model,
    name: str,
    more: dict[str, object],
    kind: Kind,
    transient: bool,
) -> None:
    """runtime.md §4.2: the error is one of the stream, and says that text was shown."""
    heard = Told()
    model.script(say("a") + raised(name, f"it broke {BEARER}", **more))
    with pytest.raises(ModelError) as failed:
        await told(bedrock, model, into=heard)
    error = failed.value
    assert (error.kind, error.transient, error.emitted, heard.text) == (kind, transient, True, "a")
    assert str(error) == "model the-model failed (error in the stream): it broke ***"


@requirement("models:bedrock:errors")
async def test_an_overflow_in_the_stream_is_one(bedrock: BedrockServer, model: Model) -> None:
    """agent-file.md §4.5: it starts a compaction."""
    model.script(raised("validationException", "Input is too long for requested model."))
    with pytest.raises(ModelError) as failed:
        await told(bedrock, model)
    assert (failed.value.kind, failed.value.transient) == ("context_length_exceeded", False)


@requirement("models:bedrock:errors")
async def test_an_error_of_the_transport_is_told(bedrock: BedrockServer, model: Model) -> None:
    """A frame that is all headers."""
    model.script(error_frame("InternalError", "the connection was cut"))
    with pytest.raises(ModelError, match="the connection was cut"):
        await told(bedrock, model)


@requirement("models:bedrock:errors")
async def test_refusals_of_others_are_read_too(bedrock: BedrockServer, model: Model) -> None:
    """A proxy's page, an error in another shape, `Message` with a capital, a name in the body."""
    model.script(
        answer(502, b"<html>bad gateway</html>", content_type="text/html"),
        fail(503, "busy"),
        answer(403, b'{"Message": "no permission"}'),
        answer(400, b'{"__type": "x#ThrottlingException", "message": "slow"}'),
    )
    ends: list[tuple[str, bool]] = []
    for said in ("HTTP 502", "busy", "no permission", "slow"):
        with pytest.raises(ModelError, match=said) as failed:
            await told(bedrock, model)
        ends.append((failed.value.kind, failed.value.transient))
    assert ends == [
        ("model_error", True),
        ("model_error", True),
        ("model_error", False),
        ("model_rate_limited", False),
    ]


@requirement("models:bedrock:errors")
async def test_a_wait_is_told(bedrock: BedrockServer, model: Model) -> None:
    """runtime.md §4.2: Retry-After."""
    model.script(reject(429, "ThrottlingException", headers={"Retry-After": "7"}))
    with pytest.raises(ModelError) as failed:
        await told(bedrock, model)
    assert failed.value.retry_after == 7.0
