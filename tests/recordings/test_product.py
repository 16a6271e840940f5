"""Record and replay through the whole product: over every protocol, and from recordings of the Go
program. Source: issue 4, item 6."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness import Server, agent_yaml, run_command
from tests.recordings.go_style import (
    ROOTS,
    TEXTS,
    cassette,
    chat_call,
    chat_text,
    interaction,
    user_asks,
)
from tests.requirements import requirement
from tests.scripted import gemini_parts, parts
from tests.scripted.anthropic import scripted_claude
from tests.scripted.bedrock import KEY, SECRET, scripted_bedrock
from tests.scripted.bedrock_parts import event_frame
from tests.scripted.client import text_of
from tests.scripted.gate import Gate
from tests.scripted.gemini import gemini_server
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import fail, hold, say, stream_error

GO_MODELS = {
    "chat": "openai/gpt-4o",
    "responses": "openai/gpt-5-mini",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gemini": "google/gemini-2.5-flash",
}
KEYS = {
    "OPENAI_API_KEY": "plain-openai-key",
    "ANTHROPIC_API_KEY": "plain-anthropic-key",
    "GOOGLE_API_KEY": "plain-google-key",
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
}


class Tape:
    """A recording of a talk over every protocol, and the file it was made with."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "talk.yaml"
        self.agent_file = home / "agents.yaml"
        self.models: dict[str, Model] = {}
        self.shown: dict[str, list[str]] = {}


@pytest.fixture(scope="module")
def tape(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Tape]:
    """Recorded once with `serve chat --record`: text with reasoning, a tool turn, a failure."""
    made = Tape(tmp_path_factory.mktemp("tape"))
    with scripted_claude() as claude, gemini_server() as gemini, scripted_bedrock() as bedrock:
        models: dict[str, Any] = {
            "chat": {"provider": "openai", "model": "gpt-4o-tape", "base_url": scripted.url},
            "responses": {"provider": "openai", "model": "gpt-5-tape", "base_url": scripted.url},
            "anthropic": {"provider": "anthropic", "model": "tape", "base_url": claude.url},
            "gemini": {
                "provider": "google",
                "model": "gemini-3-tape",
                "base_url": gemini.url,
            },
            "bedrock": {
                "provider": "amazon-bedrock",
                "model": "anthropic.tape-v1:0",
                "provider_opts": {"endpoint_url": bedrock.url},
            },
        }
        made.models = {
            "chat": scripted.model("gpt-4o-tape"),
            "responses": scripted.model("gpt-5-tape"),
            "anthropic": claude.model("tape"),
            "gemini": gemini.model("gemini-3-tape"),
            "bedrock": bedrock.model("anthropic.tape-v1:0"),
        }
        agents = {
            name: {"model": name, "instruction": "You answer.", "toolsets": [{"type": "think"}]}
            for name in models
        }
        made.agent_file.write_text(
            json.dumps({"version": "12", "models": models, "agents": agents})
        )
        for name, model in made.models.items():
            words = gemini_parts if name == "gemini" else parts
            model.script(
                fail(503, "busy", type="server_error"),
                words.think("Hm. ") + words.say("Hel", "lo, plain-openai-key"),
                words.call("think", {"thought": "well"}),
                words.say("Thought."),
            )
        flags = ("--record", str(made.path))
        with Server(made.agent_file, *flags, home=made.home, env=KEYS) as server:
            made.shown = {name: _talk(server, name) for name in models}
    yield made


def _talk(server: Server, agent: str) -> list[str]:
    first = server.client(agent).chat("hello")
    assert first.status == 200, first.text
    with server.client(agent).stream("think of it") as stream:
        second = text_of(stream.rest())
    return [first.content, first.json["choices"][0]["message"].get("reasoning_content", ""), second]


@requirement("models:recording:product", "models:replay:product")
def test_a_talk_over_every_protocol_is_replayed_without_keys_and_providers(
    tape: Tape, serve: Serve
) -> None:
    """issue 4.6: what was recorded is replayed offline; the scripted servers are gone by then."""
    before = {name: len(model.heard) for name, model in tape.models.items()}
    assert set(before.values()) == {4}
    server = serve(tape.agent_file, "--fake", str(tape.path))
    for name, shown in tape.shown.items():
        assert _talk(server, name) == [text.replace("plain-openai-key", "***") for text in shown]
        assert shown[2] == "Thought."
    assert {name: len(model.heard) for name, model in tape.models.items()} == before
    again = server.client("chat").chat("once more")
    assert (again.status, again.error["code"]) == (502, "model_error")
    assert (
        "recording talk.yaml has no answer left for POST /v1/chat/completions"
        in (again.error["message"])
    )
    with server.client("gemini").stream("once more") as stream:
        assert "has no answer left" in stream.rest()[-1]["error"]["message"]


@requirement("models:recording:scrub")
def test_no_key_is_in_the_recording_and_nobody_else_may_read_it(tape: Tape) -> None:
    """issue 4.6: secrets scrubbed; bodies hold what users said."""
    text = tape.path.read_text()
    assert "version: 2\ninteractions:" in text
    for key in KEYS.values():
        assert key not in text
    assert text.count("method: POST") == 20
    assert "AWS4-HMAC-SHA256" not in text
    assert tape.path.stat().st_mode & 0o077 == 0


@requirement("models:recording:cut")
def test_an_answer_whose_client_left_is_replayed_to_there(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """issue 4.6: the HTTP between us and a provider, also of a call that was cancelled; questions
    after it keep their answers."""
    agent = tmp_path / "agent.yaml"
    agent.write_text(agent_yaml(scripted.url, model.name))
    gate = Gate()
    model.script(say("Once upon ") + hold(gate) + say("a time"), say("Fine."))
    tape = tmp_path / "talk.yaml"
    with Server(agent, "--record", str(tape), home=tmp_path) as server:
        with server.client().stream("a story") as stream:
            assert stream.next_text() == "Once upon "
        assert model.wait_heard().wait_cut()
        assert server.client().chat("how are you?").content == "Fine."
    assert tape.read_text().count("cut: true") == 1
    with Server(agent, "--fake", str(tape), home=tmp_path) as server:
        with server.client().stream("a story") as stream:
            chunks = stream.rest()
        assert text_of(chunks) == "Once upon "
        assert "whoever asked left then" in chunks[-1]["error"]["message"]
        assert server.client().chat("how are you?").content == "Fine."


@requirement("models:recording:product")
def test_a_recording_is_never_overwritten(tape: Tape) -> None:
    """What was paid for is kept."""
    done = run_command("record", str(tape.agent_file), str(tape.path), home=tape.home, env=KEYS)
    assert done.returncode == 1
    assert "holds a recording already" in done.stderr
    assert "Traceback" not in done.stderr


@requirement("models:recording:command")
def test_the_record_command_asks_and_ends(scripted: Scripted, model: Model, tmp_path: Path) -> None:
    """issue 4.6: `docker-agent record`; one conversation, answers on stdout."""
    agent = tmp_path / "agent.yaml"
    agent.write_text(agent_yaml(scripted.url, model.name))
    model.script(say("one"), say("two"), stream_error("no more"))
    arguments = ("record", str(agent), "talk.yaml")
    done = run_command(*arguments, "-m", "first", "-m", "second", home=tmp_path)
    assert (done.returncode, done.stdout) == (0, "one\ntwo\n"), done.stderr
    said = [message["content"] for message in model.heard[-1].messages]
    assert said == ["You answer.", "first", "one", "second"]
    assert (tmp_path / "talk.yaml").read_text().count("method: POST") == 2
    failed = run_command("record", str(agent), "other.yaml", "-m", "x", home=tmp_path)
    assert (failed.returncode, "no more" in failed.stderr) == (1, True)


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a Go recording is kept: two answers for each protocol, and one nobody will ask for."""
    home = tmp_path_factory.mktemp("go")
    entries = [
        interaction(
            0, ROOTS["chat"], user_asks("chat", "Generate a title for: hello"), chat_text("Title")
        )
    ]
    for name, url in ROOTS.items():
        for text in ("hello", "bye"):
            body = TEXTS[name](f"{name} says ", text)
            entries.append(interaction(len(entries), url, user_asks(name, text), body))
    (home / "go.yaml").write_text(cassette(entries))
    yield home


@requirement("models:replay:go")
def test_recordings_of_the_go_program_are_replayed(go: Path, serve: Serve) -> None:
    """go-vcr's YAML, as the reference program writes it, over OpenAI's two APIs, Anthropic and
    Gemini; no key is set."""
    agents = {name: {"model": model} for name, model in GO_MODELS.items()}
    server = serve(json.dumps({"agents": agents}, indent=1), "--fake", str(go / "go.yaml"))
    for name in GO_MODELS:
        with server.client(name).stream("hello") as stream:
            chunks = stream.rest()
        assert text_of(chunks) == f"{name} says hello"
        pieces = [text_of([chunk]) for chunk in chunks]
        assert [piece for piece in pieces if piece] == [f"{name} says ", "hello"]
        body = server.client(name).chat("bye").json
        assert body["choices"][0]["message"]["content"] == f"{name} says bye"
        assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (7, 3)


@requirement("models:replay:go")
def test_binary_streams_of_bedrock_are_replayed_event_by_event(
    tmp_path: Path, serve: Serve
) -> None:
    """go-vcr writes bytes that are no text as base64, and the Go program no headers; `auto` knows
    them by their host."""
    model = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
    url = f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{model}/converse-stream"
    frames = [event_frame("messageStart", {"role": "assistant"})]
    for text in ("On ", "Bedrock."):
        delta = {"contentBlockIndex": 0, "delta": {"text": text}}
        frames.append(event_frame("contentBlockDelta", delta))
    frames.append(event_frame("contentBlockStop", {"contentBlockIndex": 0}))
    frames.append(event_frame("messageStop", {"stopReason": "end_turn"}))
    usage = {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}
    frames.append(event_frame("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}))
    entry = interaction(0, url, {"messages": []}, "BODY")
    packed = base64.b64encode(b"".join(frames)).decode()
    tape = cassette([entry.replace('"BODY"', f"!!binary {packed}")])
    (tmp_path / "talk.yaml").write_text(tape)
    server = serve("agents:\n  root: {model: auto}\n", "--fake", str(tmp_path / "talk.yaml"))
    with server.client().stream("hello") as stream:
        pieces = [text_of([chunk]) for chunk in stream.rest()]
    assert [piece for piece in pieces if piece] == ["On ", "Bedrock."]


@requirement("models:replay:choice")
@pytest.mark.parametrize("name", GO_MODELS)
def test_auto_and_first_available_come_to_what_was_recorded(
    name: str, tmp_path: Path, serve: Serve
) -> None:
    """agent-file.md §3.3 and §3.4: the choice of the recording, whatever keys are set now."""
    entries = [
        interaction(n, ROOTS[name], user_asks(name, text), TEXTS[name](f"{name} says {text}"))
        for n, text in enumerate(("hello", "bye"))
    ]
    (tmp_path / "talk.yaml").write_text(cassette(entries))
    automatic = {"chat": "mistral", "responses": "openai"}.get(name, name)
    if automatic == "mistral":
        text = (tmp_path / "talk.yaml").read_text()
        (tmp_path / "talk.yaml").write_text(text.replace("api.openai.com", "api.mistral.ai"))
        first = ["anthropic/claude-sonnet-4-5", "mistral/mistral-small-latest"]
    else:
        first = ["mistral/mistral-small-latest", "openai/gpt-4o", *GO_MODELS.values()]
        first.remove(GO_MODELS["chat"])
    file = json.dumps(
        {
            "models": {"first": {"first_available": first}},
            "agents": {"root": {"model": "auto"}, "other": {"model": "first"}},
        },
        indent=1,
    )
    env = {"DEEPSEEK_API_KEY": "k"}
    server = serve(file, "--fake", str(tmp_path / "talk.yaml"), env=env)
    assert server.client("root").chat("hello").content == f"{name} says hello"
    assert server.client("other").chat("bye").content == f"{name} says bye"


@requirement("models:replay:go")
def test_tools_run_while_models_are_replayed(tmp_path: Path, serve: Serve) -> None:
    """The loop is the real one: the recorded call is executed here."""
    url = ROOTS["chat"]
    (tmp_path / "note.txt").write_text("remember the milk")
    answers = [chat_call("read_file", '{"path": "note.txt"}'), chat_text("Milk.")]
    entries = [interaction(n, url, {"n": n}, body) for n, body in enumerate(answers)]
    overloaded = json.dumps({"error": {"message": "Overloaded", "type": "overloaded_error"}})
    entries.insert(1, interaction(9, url, {}, overloaded, code=529))
    (tmp_path / "talk.yaml").write_text(cassette(entries))
    file = json.dumps(
        {"agents": {"root": {"model": "openai/gpt-4o", "toolsets": [{"type": "filesystem"}]}}},
        indent=1,
    )
    flags = ("--fake", str(tmp_path / "talk.yaml"), "--working-dir", str(tmp_path))
    server = serve(file, *flags)
    assert server.client().chat("what must I remember?").content == "Milk."


@requirement("models:replay:product")
def test_a_recording_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """chat-server.md §1: one clear message, status 1, no traceback."""
    agent = tmp_path / "agent.yaml"
    agent.write_text("agents: {root: {model: auto}}")
    for text, said in (("interactions: 5", "must be a list"), (None, "No such file")):
        tape = tmp_path / "talk.yaml"
        tape.unlink(missing_ok=True)
        if text is not None:
            tape.write_text(text)
        done = run_command("serve", "chat", str(agent), "--fake", str(tape), home=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr and "Traceback" not in done.stderr
    flags = ("--fake", "a", "--record", "b")
    done = run_command("serve", "chat", str(agent), *flags, home=tmp_path)
    assert (done.returncode, "cannot be recorded" in done.stderr) == (2, True)
