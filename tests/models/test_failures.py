"""What a provider's refusal means: status, headers and body become one error."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.errors import Kind
from docker_agent.messages import JSON
from docker_agent.models.failures import (
    MAX_MESSAGE,
    Problem,
    clean,
    error_of,
    problem_of,
    refused,
)
from tests.requirements import requirement

OVERFLOWS = (
    "prompt is too long",
    "Prompt too long; exceeded",
    "This model's maximum context length is 8192 tokens.",
    "context length exceeded",
    "context_length_exceeded",
    "Input is too long for requested model",
    "The input token count (9) exceeds",
    "it exceeds the context window",
    "Please reduce the length of the messages",
    "exceeded model token limit",
    "the context window exceeds limit",
    "model_context_window_exceeded",
    "max_tokens must be greater than thinking.budget_tokens",
    "maximum number of tokens",
    "content length exceeds",
    "exceeds the model's max token",
    "the token limit was hit",
    "reduce your prompt",
    "request_too_large",
    "Request too large",
    "payload too large",
    "Request Entity Too Large",
    "image exceeds 5 MB",
    "image dimensions exceed 8000",
    "a maximum of 100 PDF pages",
)
"""runtime.md, appendix B.1, in providers' sentences."""


def body(message: str = "m", **more: JSON) -> bytes:
    """An error body of the usual shape."""
    return json.dumps({"error": {"message": message, **more}}).encode()


@requirement("models:failures:overflow")
@pytest.mark.parametrize("message", OVERFLOWS)
def test_a_context_that_is_too_long_is_known_by_its_words(message: str) -> None:
    """runtime.md §4.2 and appendix B.1: never tried again."""
    for status in (400, 422):
        error = refused("m", status, {}, body(message), ())
        assert (error.kind, error.transient) == ("context_length_exceeded", False)
    assert error_of("m", 0, Problem(message), ()).kind == "context_length_exceeded"


@requirement("models:failures:overflow")
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "context_length_exceeded"),
        (500, "context_length_exceeded"),
        (400, "exceed_context_size_error"),
        (413, "request_too_large"),
        (413, ""),
    ],
)
def test_a_context_that_is_too_long_is_known_by_code_and_status(status: int, code: str) -> None:
    """runtime.md appendix B.1: structured codes first, HTTP 413."""
    error = refused("m", status, {}, body("m", code=code), ())
    assert (error.kind, error.transient) == ("context_length_exceeded", False)


@requirement("models:failures:overflow")
@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_words_alone_do_not_make_an_overflow(status: int) -> None:
    """runtime.md §4.2: a rate limit of tokens per minute is a rate limit."""
    error = refused("m", status, {}, body("Rate limit reached: token limit per minute"), ())
    assert error.kind == ("model_rate_limited" if status == 429 else "model_error")


@requirement("models:failures:status")
@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (302, "model_error", False),
        (400, "model_error", False),
        (401, "model_error", False),
        (403, "model_error", False),
        (404, "model_error", False),
        (408, "model_error", True),
        (409, "model_error", False),
        (422, "model_error", False),
        (429, "model_rate_limited", False),
        (500, "model_error", True),
        (501, "model_error", False),
        (502, "model_error", True),
        (503, "model_error", True),
        (504, "model_error", True),
        (529, "model_error", True),
        (599, "model_error", False),
    ],
)
def test_the_status_decides_what_may_be_tried_again(
    status: int, kind: Kind, transient: bool
) -> None:
    """agent-file.md §3.10: 500 502 503 504 529 408; other statuses go to the next model."""
    error = refused("m", status, {}, body("gone wrong"), ())
    assert (error.kind, error.transient, error.emitted) == (kind, transient, False)
    assert str(error) == f"model m failed (HTTP {status}): gone wrong"


@requirement("models:failures:stream")
@pytest.mark.parametrize(
    ("problem", "kind", "transient"),
    [
        (Problem("The server had an error", "server_error"), "model_error", True),
        (Problem("Overloaded", "overloaded_error"), "model_error", True),
        (Problem("Internal server error"), "model_error", True),
        (Problem("upstream connect error, reset before headers"), "model_error", True),
        (Problem("request timeout"), "model_error", True),
        (Problem("Service Unavailable"), "model_error", True),
        (Problem("bad gateway"), "model_error", True),
        (Problem("Provider returned error", "502"), "model_error", True),
        (Problem("Provider returned error", "429"), "model_rate_limited", False),
        (Problem("maximum context length", "400"), "context_length_exceeded", False),
        (Problem("odd", "999999"), "model_error", False),
        (Problem("slow down", "rate_limit_exceeded"), "model_rate_limited", False),
        (Problem("slow down", "rate_limit_error"), "model_rate_limited", False),
        (Problem("service unavailable: quota exceeded"), "model_error", False),
        (Problem("invalid internal request"), "model_error", False),
        (Problem("wrong API key; unavailable"), "model_error", False),
        (Problem("something else"), "model_error", False),
        (Problem(), "model_error", False),
    ],
)
def test_an_error_inside_a_stream_is_known_by_its_words(
    problem: Problem, kind: Kind, transient: bool
) -> None:
    """runtime.md §4.2 and appendix B.2; routers write the provider's status as the code."""
    error = error_of("m", 0, problem, ())
    assert (error.kind, error.transient) == (kind, transient)
    assert str(error).startswith("model m failed (error in the stream)")


@requirement("models:failures:retry-after")
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
        (
            {
                "retry-after": "Fri, 31 Dec 1999 23:59:59 GMT",
                "date": "Fri, 31 Dec 1999 23:59:29 GMT",
            },
            30.0,
        ),
        ({"retry-after": "Fri, 31 Dec 2999 23:59:59 GMT"}, None),
        ({"retry-after": "Fri, 99 Dec 1999"}, None),
    ],
)
def test_how_long_a_provider_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """runtime.md §4.2: Retry-After, and the finer header beside it."""
    assert refused("m", 429, headers, b"", ()).retry_after == seconds


@requirement("models:failures:body")
@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"error": {"message": "a", "code": "b", "type": "c"}}, Problem("a", "b", "c")),
        ({"error": {"message": "a", "code": None, "type": "c"}}, Problem("a", "c", "c")),
        (
            {"error": {"message": "a", "code": 400, "status": "INVALID"}},
            Problem("a", "400", "INVALID"),
        ),
        ({"error": {"message": "a", "status": "INVALID"}}, Problem("a", "INVALID", "INVALID")),
        ([{"error": {"message": "a"}}], Problem("a")),
        ({"error": "a"}, Problem("a")),
        ({"message": "a"}, Problem("a")),
        ({"message": "a", "type": "b", "param": "p"}, Problem("a", "b", "b", "p")),
        ({"detail": "a"}, Problem("a")),
        ({"error": {}, "message": "a"}, Problem("a")),
        ({"error": {"message": ["a"]}}, Problem()),
        ({"detail": [{"loc": ["body"]}]}, Problem()),
        ({"error": None}, Problem()),
        ({"error": 7}, Problem()),
        ([], Problem()),
        ("a", Problem("a")),
        (7, Problem()),
        (None, Problem()),
    ],
)
def test_the_message_is_found_wherever_providers_put_it(given: JSON, problem: Problem) -> None:
    """runtime.md §4.3: OpenAI's, Gemini's, proxies' and frameworks' bodies."""
    assert problem_of(given) == problem


@requirement("models:failures:log")
def test_the_log_has_all_that_a_provider_said(caplog: pytest.LogCaptureFixture) -> None:
    """runtime.md §4.3: type, message, code, param and the provider's name of the request are
    logged, the short form goes out; a key is in neither."""
    caplog.set_level(logging.INFO, "docker_agent.models.failures")
    said = {"message": "no sk-1", "type": "invalid_request_error", "code": "bad", "param": "top_p"}
    headers = {"x-request-id": "req_1"}
    error = refused("m", 400, headers, json.dumps({"error": said}).encode(), ("sk-1",))
    assert str(error) == "model m failed (HTTP 400): no ***"
    refused("m", 503, {}, b"", ())
    assert caplog.messages == [
        "model m: HTTP 400: invalid_request_error: no *** (code=bad, param=top_p)"
        " (Request-ID: req_1)",
        "model m: HTTP 503",
    ]


@requirement("models:failures:body")
@pytest.mark.parametrize("raw", [b"", b"<html>502</html>", b"\xff\xfe", b'{"a', b"[" * 100_000])
def test_a_body_nobody_can_read_leaves_the_status(raw: bytes) -> None:
    """runtime.md §4.3: no page of HTML reaches a client."""
    error = refused("m", 502, {}, raw, ())
    assert (str(error), error.transient) == ("model m failed (HTTP 502)", True)


@requirement("models:failures:body")
def test_plain_text_is_a_message() -> None:
    """agent-file.md §3.8: a model runner refuses in one line of text; a page stays untold."""
    plain = {"content-type": "text/plain; charset=utf-8"}
    error = refused("m", 500, plain, b"unable to load runner: no memory\n", ())
    assert str(error) == "model m failed (HTTP 500): unable to load runner: no memory"
    for headers, body in ((plain, b"<html>no"), ({"content-type": "text/html"}, b"no")):
        assert str(refused("m", 500, headers, body, ())) == "model m failed (HTTP 500)"


@requirement("models:failures:secrets")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wrong key sk-1 given", "wrong key *** given"),
        ("sk-1sk-1", "******"),
        ("POST https://internal.test/v1?x=1 failed", "POST (address) failed"),
        ("see http://a.test, or https://b.test", "see (address) or (address)"),
        ("several\n  lines\r\n\tof text ", "several lines of text"),
        ("x" * MAX_MESSAGE, "x" * MAX_MESSAGE),
        ("x" * (MAX_MESSAGE + 1), "x" * (MAX_MESSAGE - 1) + "…"),
    ],
)
def test_a_providers_words_are_cleaned_for_clients(text: str, shown: str) -> None:
    """runtime.md §4.3: no keys, addresses or headers; one bounded line."""
    assert clean(text, ("sk-1", "")) == shown
    assert str(refused("m", 400, {}, body(text), ("sk-1",))).endswith(shown)


@requirement("models:failures:secrets")
@given(st.text(), st.text(min_size=3, alphabet="abc-123"))
def test_no_key_ever_shows(text: str, secret: str) -> None:
    """runtime.md §4.3: wherever it stands."""
    assert secret not in clean(f"{text}{secret}{text}", (secret,))


json_values: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "status", "detail", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@requirement("models:failures:body")
@given(json_values, st.integers(300, 599))
def test_any_body_becomes_an_error(given_body: JSON, status: int) -> None:
    """runtime.md §4.3: nothing a provider writes breaks us."""
    error = refused("m", status, {}, json.dumps(given_body).encode(), ())
    assert str(error).startswith(f"model m failed (HTTP {status})")
