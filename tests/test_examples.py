"""Every example works as it lies there. Source: STYLE.md, examples."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from docker_agent.cli.opening import Opened
from docker_agent.cli.talk import Bounds, open_talk
from docker_agent.config.meanings import MEANINGS
from docker_agent.env.chain import Values
from docker_agent.loader.look import look
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.source import find_source
from docker_agent.messages import JSON
from docker_agent.tools.table import TOOLSETS
from tests.conftest import Serve
from tests.harness import agent_yaml, clean_environment
from tests.requirements import requirement
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, say
from tests.scripted.steps import Reply
from tests.tools.mcp.serving import served_beside
from tests.tools.mcp.test_http import streamable
from tests.tools.mcp.test_mcp_catalog import catalogue, service
from tests.tools.web_server import Answer, computed, site_beside
from tests.tools.web_server import Heard as Asked

EXAMPLES = Path(__file__).parent.parent / "examples"
FILES = sorted(path for form in ("yaml", "hcl", "json") for path in EXAMPLES.glob(f"*.{form}"))
EMBEDDED = {"hello.yaml"}
"""Examples whose model runs in the process's own engine; `tests/local` has the engine's tests."""
WITHOUT_EXAMPLE = {"open_url", "session_context"}
"""Toolsets that do nothing here."""
WITHOUT: dict[str, set[str]] = {
    "AgentFile": set(),
    "Agent": {"harness"},
    "Model": {"title_model", "task_budget", "auth"},
}
"""Keys that have no effect here, or need a vendor."""
BOUNDS = Bounds(timeout=60, max_turns=20)

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


@pytest.fixture
def env(scripted: Scripted, model: Model) -> dict[str, str]:
    """The variables that the examples ask for."""
    second = f"{model.name}-second"
    names = {"MODEL_NAME": model.name, "SECOND_NAME": second}
    return {"MODEL_URL": scripted.url, "MODEL_KEY": "a-key", **names}


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a copy of the examples, so that what they write is not kept; the
    `python` of its programs is the one that runs this test."""
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _opened(path: Path, copied: Path, env: Mapping[str, str]) -> Opened:
    overrides = Overrides(copied, copied / "cache", copied / "data", at_home=True)
    named = {"DOCKER_AGENT_DEFAULT_MODEL": f"mine/{env['MODEL_NAME']}", **env}
    return Opened(find_source(f"examples/{path.name}"), overrides, Values(named))


@requirement("style:examples")
@pytest.mark.anyio
@each_file
async def test_an_example_is_right_and_every_agent_of_it_answers(
    path: Path, copied: Path, env: dict[str, str]
) -> None:
    """STYLE.md, examples: whole agent files; CI runs each against the scripted model.

    They are opened in this process, by the code of `docker-agent check` and `docker-agent chat`: a
    server for each would take a second.
    """
    opened = _opened(path, copied, env)
    seen = await look(opened.source, opened.overrides, opened.secrets)
    assert (seen.problems, seen.missing) == ((), ())
    if path.name in EMBEDDED:
        return
    assert seen.starts_here
    said: list[str] = []
    async with open_talk(opened, BOUNDS, said.append, lambda _: None) as talk:
        for agent in talk.team.listed:
            talk.begin_again(agent)
            said.clear()
            assert await talk.say("hello") is None
            assert "hello" in "".join(said), agent


@requirement("style:examples")
def test_there_are_enough_examples_and_each_says_what_it_shows() -> None:
    """One feature each, in the words of its first line; the page of examples names them all."""
    assert len(FILES) >= 40
    page = (EXAMPLES / "README.md").read_text()
    for path in FILES:
        assert f"]({path.name})" in page
        if path.suffix != ".json":
            lines = path.read_text().splitlines()
            assert lines[0].startswith("# "), path.name
            assert any("docker-agent serve chat" in line for line in lines) or path.name in EMBEDDED


@requirement("style:examples")
@pytest.mark.parametrize("kind", sorted({*TOOLSETS} - WITHOUT_EXAMPLE))
def test_a_toolset_has_an_example(kind: str) -> None:
    """Whoever looks for a toolset finds a file that uses it."""
    texts = [path.read_text() for path in FILES]
    assert any(re.search(rf"type: {kind}\b", text) for text in texts)


@requirement("style:examples")
def test_a_key_of_agents_and_models_has_an_example() -> None:
    """Whoever looks for a key finds a file that uses it; the others have tests alone."""
    text = "\n".join(path.read_text() for path in FILES)
    for shape, without in WITHOUT.items():
        shown = {key for key in MEANINGS[shape] if re.search(rf"\b{key}\b *[:=]", text)}
        assert set(MEANINGS[shape]) - shown == without, shape


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
def test_the_catalogue_example_finds_and_uses_a_server(
    serve: Serve, model: Model, env: dict[str, str], tmp_path: Path
) -> None:
    """examples/mcp-catalog.yaml: the servers it allows, one of them on this machine."""
    text = (EXAMPLES / "mcp-catalog.yaml").read_text()
    text = text.replace("type: mcp_catalog", "type: mcp_catalog\n        allow_private_ips: true")
    with served_beside(streamable) as url:
        registry = {"docker-docs": service(f"{url}/mcp"), "elsewhere": service()}
        named = {"DOCKER_AGENT_MCP_CATALOG_URL": catalogue(tmp_path, registry)}
        server = serve(text, env={**env, **named})
        model.script(
            call("search_remote_mcp_servers", {"query": "docs"}, id="c1"),
            call("enable_remote_mcp_server", {"id": "docker-docs"}, id="c2"),
            call("enable_remote_mcp_server", {"id": "elsewhere"}, id="c3"),
            call("docker-docs_add", {"a": 2, "b": 3}, id="c4"),
            say("It is five."),
        )
        assert server.client().chat("what is it?").content == "It is five."
    told = [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]
    assert told[0].startswith("found 1 server(s):") and "docker-docs_add" in told[1]
    assert "may not be used here" in told[2] and told[3] == "5"


@requirement("style:examples")
def test_the_language_server_example_knows_code(
    serve: Serve, model: Model, env: dict[str, str], tmp_path: Path
) -> None:
    """examples/language-server.yaml: a definition by one server, problems by both."""
    (tmp_path / "shapes.py").write_text("import os\n\ndef area():\n    return 1\n")
    (tmp_path / "main.py").write_text("from shapes import area\n\nprint(area())\n")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    folder = ("--working-dir", str(tmp_path))
    server = serve(EXAMPLES / "language-server.yaml", *folder, env={**env, "PATH": path})
    main, shapes = str(tmp_path / "main.py"), str(tmp_path / "shapes.py")
    model.script(
        call("lsp_definition", {"file": main, "line": 3, "character": 8}),
        call("lsp_diagnostics", {"file": shapes}),
        say("Look there."),
    )
    assert server.client().chat("where is it?").content == "Look there."
    told = [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]
    assert told[0] == f"{shapes}:3:5: def area():"
    assert (
        told[1].startswith("lsp jedi-language-server:\n") and "`os` imported but unused" in told[1]
    )


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
def test_the_background_example_looks_at_its_tasks(
    scripted: Scripted, serve: Serve, model: Model, env: dict[str, str]
) -> None:
    """examples/background-agents.yaml: a task's result reaches root's answer."""

    def play(heard: Heard) -> Reply:
        if "run_background_agent" not in heard.tool_names:
            return say("three files")
        last = heard.messages[-1]
        found = re.search(r"agent_task_\w+", last["content"])
        if last["role"] == "user":
            return call("run_background_agent", {"agent": "researcher", "task": "look"})
        if "--- Output ---" in last["content"]:
            return say(last["content"].splitlines()[-1])
        assert found is not None
        return call("view_background_agent", {"task_id": found[0], "wait": 30})

    model.script(play)
    server = serve(EXAMPLES / "background-agents.yaml", env=env)
    assert server.client("root").chat("how many?").content == "three files"


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


def told(model: Model) -> list[str]:
    """The results that the model was shown last."""
    return [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]


@requirement("style:examples")
def test_the_script_example_runs_its_commands(
    serve: Serve, model: Model, env: dict[str, str]
) -> None:
    """examples/script.yaml: a command as a tool."""
    server = serve(EXAMPLES / "script.yaml", env=env)
    model.script(call("disk_free", {}), say("done"))
    assert server.client().chat("room?").content == "done"
    assert told(model)[0].startswith("Filesystem")


@requirement("style:examples")
def test_the_example_of_jobs_looks_at_one_again(
    serve: Serve, model: Model, env: dict[str, str]
) -> None:
    """examples/background-jobs.yaml: started in one request, seen in the next."""
    path = EXAMPLES / "background-jobs.yaml"
    client = serve(path, "--conversations-max", "9", env=env).client()
    headers = {"x-conversation-id": "c"}
    model.script(call("run_background_job", {"cmd": "echo $CI; sleep 600"}), say("started"))
    assert client.chat("build", headers=headers).content == "started"
    id = told(model)[0].split()[5]
    model.script(call("wait_background_job", {"job_id": id, "timeout": 1}), say("it runs"))
    assert client.chat("and?", headers=headers).content == "it runs"
    assert told(model)[-1].endswith("--- Output ---\n1")


@requirement("style:examples")
def test_the_planner_keeps_a_list_for_each_conversation(
    serve: Serve, model: Model, env: dict[str, str]
) -> None:
    """examples/planner.yaml: think, todo and user_prompt; two users at once."""
    client = serve(EXAMPLES / "planner.yaml", "--conversations-max", "9", env=env).client()
    for person in ("ann", "bob"):
        model.script(
            call("think", {"thought": f"for {person}"}, id="c1", index=0)
            + call("create_todo", {"description": person}, id="c2", index=1)
            + call("user_prompt", {"message": "When?"}, id="c3", index=2),
            say("done"),
        )
        assert client.chat("plan", headers={"x-conversation-id": person}).content == "done"
        assert "ask the question in your reply" in told(model)[2].lower()
    model.script(call("list_todos"), say("done"))
    assert client.chat("list", headers={"x-conversation-id": "ann"}).content == "done"
    assert "ann" in told(model)[-1] and "bob" not in told(model)[-1]


@requirement("style:examples")
def test_the_example_of_tasks_keeps_them_over_conversations(
    serve: Serve, model: Model, env: dict[str, str], copied: Path
) -> None:
    """examples/tasks.yaml: a list that outlasts its conversation, for each user."""
    client = serve(copied / "examples" / "tasks.yaml", env=env).client()
    model.script(call("create_task", {"title": "tell ann"}), say("done"))
    assert client.chat("note it", user="ann").content == "done"
    for person, seen in (("ann", "tell ann"), ("bob", "There is no task to work on")):
        model.script(call("next_task"), say("done"))
        assert client.chat("what now?", user=person).content == "done"
        assert seen in told(model)[-1]


@requirement("style:examples")
@pytest.mark.parametrize(
    ("name", "write", "read"),
    [
        ("plan", call("write_plan", {"name": "a", "content": "# One"}), "read_plan"),
        ("session-plan", call("write_session_plan", {"content": "# One"}), "read_session_plan"),
    ],
)
def test_the_examples_of_plans_read_them_again(
    serve: Serve, model: Model, env: dict[str, str], name: str, write: Reply, read: str
) -> None:
    """examples/plan.yaml and examples/session-plan.yaml: kept from one request to the next."""
    client = serve(EXAMPLES / f"{name}.yaml", "--conversations-max", "9", env=env).client()
    headers = {"x-conversation-id": "c"}
    model.script(write, say("written"))
    assert client.chat("plan it", headers=headers).content == "written"
    model.script(call(read, {"name": "a"}), say("done"))
    assert client.chat("and?", headers=headers).content == "done"
    assert "# One" in told(model)[-1]


@requirement("style:examples")
def test_the_remembering_example_keeps_callers_apart(
    serve: Serve, model: Model, env: dict[str, str]
) -> None:
    """examples/memory.yaml: what one user told, another is not shown."""
    client = serve(EXAMPLES / "memory.yaml", env=env).client()
    model.script(call("add_memory", {"memory": "likes tea"}), say("done"))
    assert client.chat("I like tea", user="ann").content == "done"
    seen: list[str] = []
    for person in ("ann", "bob"):
        model.script(call("get_memories"), say("done"))
        client.chat("what do you know?", user=person)
        seen.append(told(model)[-1])
    assert "likes tea" in seen[0] and seen[1] == "[]"


@requirement("style:examples")
def test_the_web_example_reads_and_calls(
    serve: Serve, model: Model, env: dict[str, str], tmp_path: Path
) -> None:
    """examples/web.yaml: a page, an endpoint, an API that describes itself."""
    operation: dict[str, JSON] = {"operationId": "list_pets", "responses": {}}
    document: dict[str, JSON] = {"openapi": "3.0.0", "paths": {"/pets": {"get": operation}}}
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "pets").write_text("rex, tom")
    (tmp_path / "rex").write_text("a dog")
    with shown(tmp_path) as url:
        server = serve(EXAMPLES / "web.yaml", env={**env, "SERVICE_URL": url})
        model.script(
            call("fetch", {"urls": [f"{url}/rex"], "format": "text"}, id="c1", index=0)
            + call("pet", {"name": "rex"}, id="c2", index=1)
            + call("list_pets", {}, id="c3", index=2),
            say("done"),
        )
        assert server.client().chat("pets?").content == "done"
    page, pet, pets = told(model)
    assert page.endswith("a dog") and (pet, pets) == ("a dog", "rex, tom")


@requirement("style:examples")
def test_the_a2a_example_asks_a_librarian(serve: Serve, model: Model, env: dict[str, str]) -> None:
    """examples/a2a.yaml: a skill of an agent elsewhere, asked with the client's own token."""
    skill = {"id": "look_up", "name": "Look up", "description": "Finds facts."}
    card = {"name": "Librarian", "url": "/rpc", "skills": [skill]}

    def answered(asked: Asked) -> Answer:
        said = json.loads(asked.body)["params"]["message"]["parts"][0]["text"]
        result = {"kind": "message", "parts": [{"kind": "text", "text": f"{said} Seven."}]}
        return Answer(json.dumps({"result": result}), type="application/json")

    pages = {"/.well-known/agent-card.json": Answer(json.dumps(card)), "/rpc": computed(answered)}
    with site_beside(pages) as there:
        server = serve(EXAMPLES / "a2a.yaml", env={**env, "LIBRARIAN_URL": there.url})
        model.script(call("librarian_look_up", {"message": "Seals?"}), say("done"))
        headers = {"x-service-token": "t-1"}
        assert server.client().chat("how many seals?", headers=headers).content == "done"
    assert told(model) == ["Seals? Seven."]
    assert [heard.headers["authorization"] for heard in there.asked("/rpc")] == ["Bearer t-1"]


@requirement("style:examples")
def test_the_code_mode_example_runs_a_script(
    serve: Serve, model: Model, env: dict[str, str], tmp_path: Path
) -> None:
    """examples/code-mode.yaml: files are read from a script."""
    (tmp_path / "a.txt").write_text("alpha")
    server = serve(EXAMPLES / "code-mode.yaml", "--working-dir", str(tmp_path), env=env)
    script = "return await read_file({path: 'a.txt'})"
    model.script(call("run_tools_with_javascript", {"script": script}), say("done"))
    assert server.client().chat("read").content == "done"
    assert json.loads(told(model)[0])["value"] == "alpha"


@requirement("style:examples")
@requirement("rag:served")
def test_the_documents_example_answers_from_its_handbook(
    serve: Serve, model: Model, env: dict[str, str]
) -> None:
    """examples/documents.yaml: passages of files, found by their words."""
    server = serve(EXAMPLES / "documents.yaml", env=env)
    call_it = call("search_handbook", {"query": "blue lamp blinks, coffee machine"})
    model.script(call_it, say("Descale it."))
    assert server.client().chat("the lamp is blue").content == "Descale it."
    (answer,) = told(model)
    (found,) = json.loads(answer)
    assert found["source_path"] == "handbook/coffee-machine.md"
    assert "descaled when the blue lamp blinks" in found["content"]
    assert model.heard[0].tool_names == ["search_handbook"]


@contextmanager
def shown(folder: Path) -> Generator[str]:
    """The files of a folder on a small web server."""
    handler = partial(QuietFiles, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class QuietFiles(SimpleHTTPRequestHandler):
    """Serves files as text, and says nothing about it."""

    def guess_type(self, path: object) -> str:
        """Text, whatever the name."""
        return "text/plain"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
