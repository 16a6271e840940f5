"""Recordings as files: what may stand in one, what is wrong with one, what never gets into one."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docker_agent.errors import ConfigError
from docker_agent.models.cassette import HEAD, Interaction, read_cassette, written
from docker_agent.models.scrub import (
    plain_environment,
    scrubbed,
    scrubbed_url,
    secret_values,
    secrets_in,
)
from tests.requirements import requirement

URL = "https://api.openai.com/v1/chat/completions"


def entry(**response: object) -> str:
    """A recording of one interaction."""
    given = {"code": 200, "body": "b", **response}
    return json.dumps(
        {"version": 2, "interactions": [{"request": {"url": URL, "body": "{}"}, "response": given}]}
    )


def read(folder: Path, text: str) -> tuple[Interaction, ...]:
    """What a file of this text holds."""
    path = folder / "talk.yaml"
    path.write_text(text)
    return read_cassette(path)


@requirement("models:recording:form")
def test_headers_are_texts_or_lists(tmp_path: Path) -> None:
    """issue: the Go program writes lists."""
    [one] = read(tmp_path, entry(headers={"Content-Type": ["a", "b"], "X-Y": "c"}))
    assert one.headers == {"content-type": "a, b", "x-y": "c"}
    assert (one.method, one.url, one.body, one.answer) == ("POST", URL, "{}", b"b")


@requirement("models:recording:form")
def test_the_status_line_stands_in_for_the_code(tmp_path: Path) -> None:
    """go-vcr writes both."""
    [one] = read(tmp_path, entry(code=None, status="529 Overloaded"))
    assert one.code == 529


@requirement("models:recording:form")
def test_a_body_that_is_still_compressed_is_unpacked(tmp_path: Path) -> None:
    """go-vcr writes bytes that are no text as base64."""
    packed = base64.b64encode(gzip.compress(b"data: 1\n\n")).decode()
    text = f"interactions:\n- request: {{url: {URL}}}\n  response: {{body: !!binary {packed}}}\n"
    assert read(tmp_path, text)[0].answer == b"data: 1\n\n"
    [one] = read(tmp_path, entry(body=packed, headers={"Content-Encoding": ["gzip"]}))
    assert one.answer == b"data: 1\n\n"
    [one] = read(tmp_path, entry(body="plain", headers={"Content-Encoding": ["gzip"]}))
    assert one.answer == b"plain"


@requirement("models:recording:form")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is no YAML"),
        ("- 1", "'interactions:' is missing"),
        ("version: 3\ninteractions: []", "version 3 is unknown; it must be 2"),
        ("interactions: 5", "'interactions' must be a list"),
        ("interactions: [5]", r"interactions\[0\] must be a map"),
        ("interactions: [{request: {url: u}}]", r"interactions\[0\].response must be a map"),
        (
            "interactions: [{request: {}, response: {}}]",
            r"interactions\[0\].request.url is missing",
        ),
        (
            "interactions: [{request: {url: u}, response: {code: 99}}]",
            r"interactions\[0\].response.code: 99 is no HTTP status",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """An operator's file: a sentence, no traceback."""
    with pytest.raises(ConfigError, match=f"talk.yaml.*{said}"):
        read(tmp_path, text)
    with pytest.raises(ConfigError, match="No such file"):
        read_cassette(tmp_path / "none.yaml")


@requirement("models:recording:form")
@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary() | st.text().map(str.encode))
@example("{}", b"data: 1\n\ndata: [DONE]\n\n")
@example("...\n", b"\n...\n")
def test_what_is_written_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, body: str, answer: bytes
) -> None:
    """A law: any bodies survive the file, many interactions append to one list."""
    one = Interaction("POST", URL, body, 200, {"content-type": "text/event-stream"}, answer)
    if answer[:2] == b"\x1f\x8b":
        return
    path = tmp_path_factory.mktemp("law") / "talk.yaml"
    path.write_text(HEAD + written(one) + written(one), encoding="utf-8", newline="")
    assert read_cassette(path) == (one, one)


@requirement("models:recording:scrub")
@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnop1234",
        "sk-ant-api03-abcdefghijklmnop",
        "AIzaSyA-abcdefghijklmnopqrstuvwxyz01234",
        "ghp_abcdefghijklmnop0123",
        "AKIAABCDEFGHIJKLMNOP",
        "eyJhbGciOiJI.eyJzdWIiOiIx.abcdefghij",
    ],
)
def test_what_looks_like_a_key_is_blotted_out(secret: str) -> None:
    """issue 4.6: secrets scrubbed, also those nobody named."""
    assert scrubbed(f"my key {secret}, yes", ()) == "my key ***, yes"


@requirement("models:recording:scrub")
def test_keys_in_headers_and_addresses_are_known_secrets() -> None:
    """issue 4.6."""
    secrets = secrets_in(
        {
            "Authorization": "Bearer plain-word-key",
            "x-goog-api-key": "google-word",
            "Accept": "json",
        }
    )
    assert scrubbed("plain-word-key google-word json", secrets) == "*** *** json"
    url = "https://me:pass@host/v1?key=abc&alt=sse&api-version=1"
    assert scrubbed_url(url, ()) == "https://host/v1?key=***&alt=sse&api-version=1"


@requirement("models:recording:scrub")
def test_child_processes_get_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """chat-server.md §6: child processes get the environment without provider keys."""
    names = ("OPENAI_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "X_PASS")
    for name in (*names, "KEYBOARD", "DOCKER_HOST"):
        monkeypatch.setenv(name, f"value-of-{name}")
    kept = plain_environment()
    assert [name for name in names if name in kept] == []
    assert {"KEYBOARD", "DOCKER_HOST", "PATH"} <= set(kept)
    assert "value-of-HF_TOKEN" in secret_values()
