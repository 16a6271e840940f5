"""Every example works as it lies there. Source: STYLE.md, examples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness import agent_yaml, clean_environment
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, say

EXAMPLES = Path(__file__).parent.parent / "examples"
EMBEDDED = {"hello.yaml"}
"""Examples whose model runs in the process's own engine; `tests/local` has the engine's tests."""


@pytest.fixture
def env(scripted: Scripted, model: Model) -> dict[str, str]:
    """The variables that the examples ask for."""
    second = f"{model.name}-second"
    return {"MODEL_URL": scripted.url, "MODEL_NAME": model.name, "SECOND_NAME": second}


@requirement("style:examples")
@pytest.mark.parametrize(
    "name",
    sorted(
        {path.name for form in ("yaml", "hcl") for path in EXAMPLES.glob(f"*.{form}")} - EMBEDDED
    ),
)
def test_an_example_answers(name: str, serve: Serve, env: dict[str, str]) -> None:
    """STYLE.md, examples: whole agent files; CI runs each against the scripted model."""
    server = serve(EXAMPLES / name, env=env)
    agents = [row["id"] for row in server.client("").get("/v1/models").json["data"]]
    for agent in agents:
        assert server.client(agent).chat("hello").content == "hello"


@requirement("style:examples")
def test_the_embedded_example_answers_with_another_model(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """examples/hello.yaml: another model in the place of local/smollm2."""
    text = (EXAMPLES / "hello.yaml").read_text()
    assert text.count("model: local/smollm2") == 1
    provider = f"{{api_type: openai_chatcompletions, base_url: '{scripted.url}'}}"
    text = text.replace("local/smollm2", f"scripted/{model.name}")
    server = serve(f"{text}providers:\n  scripted: {provider}\n")
    assert server.client().chat("hello").content == "hello"


@requirement("style:examples")
def test_the_files_example_reads_and_does_not_write(
    serve: Serve, model: Model, env: dict[str, str], tmp_path: Path
) -> None:
    """examples/files.yaml: reading tools only, no key files, nothing from the private folder."""
    (tmp_path / "private").mkdir()
    for name in ("note.txt", "server.key", "private/diary.txt"):
        (tmp_path / name).write_text(f"text of {name}")
    server = serve(EXAMPLES / "files.yaml", "--working-dir", str(tmp_path), env=env)
    paths = ("note.txt", "server.key", "private/diary.txt")
    model.script(*(call("read_file", {"path": path}) for path in paths), say("done"))
    assert server.client().chat("read").content == "done"
    assert "read_file" in model.heard[0].tool_names
    assert "write_file" not in model.heard[0].tool_names
    told = [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]
    assert [text.startswith("text of") for text in told] == [True, False, False]


@requirement("style:examples")
def test_the_tickets_example_starts_its_server(
    serve: Serve, model: Model, env: dict[str, str]
) -> None:
    """examples/tickets.yaml: an MCP server of its own, its tools with their prefix."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    folder = ("--working-dir", str(EXAMPLES.parent))
    server = serve(EXAMPLES / "tickets.yaml", *folder, env={**env, "PATH": path})
    model.script(
        call("house_open_tickets"), call("house_close_ticket", {"number": 2}), say("One is left.")
    )
    assert server.client().chat("what is left?").content == "One is left."
    told = [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]
    assert "squeaks" in told[0]
    assert told[1] == "closed: The door of room 4 squeaks"


@requirement("style:examples")
def test_the_guarded_shell_refuses_what_it_should(
    serve: Serve, model: Model, env: dict[str, str]
) -> None:
    """examples/guarded-shell.yaml: a rule, a builtin and a command each refuse one call."""
    server = serve(EXAMPLES / "guarded-shell.yaml", env=env)
    commands = ("echo fine", "git push origin", "rm -rf /tmp/nothing", "sudo ls")
    model.script(*(call("shell", {"cmd": command}) for command in commands), say("done"))
    assert server.client().chat("work").content == "done"
    told = [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]
    assert told[0] == "fine"
    assert told[1].endswith("publishing is for people; tell the user what to run")
    assert "looks destructive" in told[2]
    assert told[3] == "Tool 'shell' is denied by permissions configuration."


@requirement("style:examples")
def test_the_secrets_example_keeps_them(
    serve: Serve, model: Model, env: dict[str, str], tmp_path: Path
) -> None:
    """examples/keep-secrets.yaml: no key leaves a file, no password enters."""
    token = "ghp_" + "a1B2" * 9
    (tmp_path / "settings.env").write_text(f"GITHUB={token}\nCOLOUR=blue\n")
    server = serve(EXAMPLES / "keep-secrets.yaml", "--working-dir", str(tmp_path), env=env)
    model.script(call("read_file", {"path": "settings.env"}), say("done"))
    assert server.client().chat("explain").content == "done"
    told = [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]
    assert told == ["GITHUB=[REDACTED]\nCOLOUR=blue\n"]
    refused = server.client().chat("My password is 1234")
    assert (refused.status, refused.error["code"]) == (403, "hook_blocked")
    assert refused.error["message"] == "leave the password out, and ask again"


@requirement("style:examples")
def test_the_team_example_gives_work_away(serve: Serve, model: Model, env: dict[str, str]) -> None:
    """examples/two-agents.yaml: the researcher's answer is root's tool result."""
    server = serve(EXAMPLES / "two-agents.yaml", env=env)
    task = {"agent": "researcher", "task": "look", "expected_output": ""}
    model.script(call("transfer_task", task), say("three files"), say("There are three."))
    assert server.client("root").chat("how many?").content == "There are three."
    assert model.heard[2].messages[-1]["content"] == "three files"


@requirement("style:examples")
def test_the_fallback_example_answers_with_its_second_model(
    scripted: Scripted, serve: Serve, model: Model, env: dict[str, str]
) -> None:
    """examples/fallback.yaml: one retry, then the other model."""
    server = serve(EXAMPLES / "fallback.yaml", env=env)
    model.script(fail(503, "overloaded"))
    scripted.model(env["SECOND_NAME"]).script(say("here I am"))
    assert server.client().chat("anyone?").content == "here I am"
    assert len(model.heard) == 2


@requirement("style:examples")
def test_the_structured_example_asks_for_its_schema(
    serve: Serve, model: Model, env: dict[str, str]
) -> None:
    """examples/structured.yaml: the schema goes to the model."""
    serve(EXAMPLES / "structured.yaml", env=env).client().chat("lunch with Ann tomorrow")
    asked = model.heard[0].body["response_format"]["json_schema"]
    assert (asked["name"], asked["strict"]) == ("appointment", True)
    assert asked["schema"]["required"] == ["title", "date", "people"]


@requirement("style:examples")
def test_the_client_example_keeps_a_conversation(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """examples/openai_sdk.py: streams, and sends the history again."""
    server = serve(agent_yaml(scripted.url, model.name))
    model.script(say("Hello ", "Alice"), say("Alice"))
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "openai_sdk.py"), server.url],
        input="I am Alice\nWho am I?\n",
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "Hello Alice\nAlice\n"), done.stderr
    assert [m["role"] for m in model.heard[1].messages] == ["system", "user", "assistant", "user"]


@requirement("style:examples", "python:tools")
def test_the_python_example_calls_its_functions(
    serve: Serve, model: Model, env: dict[str, str]
) -> None:
    """examples/python-tools.yaml: functions of the file beside it."""
    server = serve(EXAMPLES / "python-tools.yaml", env=env)
    model.script(
        call("population", {"city": "Rome"}, id="c1", index=0)
        + call("larger_than", {"people": 2_500_000}, id="c2", index=1),
        say("done"),
    )
    assert server.client().chat("how large is Rome?").content == "done"
    told = [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]
    assert told == ["2800000", '["Berlin","Rome"]']
