"""Agents with language servers, seen from outside. Source: runtime.md §9.22, §6.4, §1.3,
chat-server.md §6."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted
from tests.scripted.parts import Reply, call, hold, say
from tests.server.test_mcp import until
from tests.tools.lsp.opening import heard
from tests.tools.lsp.opening import scripted as server_keys
from tests.tools.mcp.opening import alive

EDIT = {
    "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 3}},
    "newText": "new",
}
ANSWERS: dict[str, Any] = {
    "textDocument/rename": {"changes": {"{uri}": [EDIT]}},
    "textDocument/codeAction": [{"title": "Fix it", "edit": {"changes": {"{uri}": [EDIT]}}}],
    "textDocument/hover": {"contents": "known"},
    "textDocument/definition": {"uri": "{uri}", "range": EDIT["range"]},
}
AT: dict[str, Any] = {"line": 1, "character": 1}


def agent(scripted: Scripted, model: Model, *, safety: str = "", **settings: Any) -> str:  # noqa: ANN401
    """An agent `root` with the scripted language server, and one that only reads."""
    keys = {"type": "lsp", **server_keys(answers=ANSWERS, **settings)}
    root: dict[str, Any] = {"model": model.name, "toolsets": [keys]}
    if safety:
        root["safety"] = safety
    reader = {"model": model.name, "readonly": True, "toolsets": [keys]}
    return agent_yaml(scripted.url, {"root": root, "reader": reader}, top={"version": "12"})


def results(model: Model) -> list[str]:
    """The tool messages the model was shown last."""
    return [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]


@requirement("lsp:labels")
def test_a_restricted_agent_reads_and_changes_nothing(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """§6.4: listing actions is safe, taking one is not; `readonly` hides what changes files."""
    file = tmp_path / "a.py"
    file.write_text("old\n")
    path = str(file)
    text = agent(scripted, model, safety="restricted")
    server = serve(text, "--working-dir", str(tmp_path))
    model.script(
        call("lsp_hover", {"file": path, **AT}),
        call("lsp_code_actions", {"file": path, "start_line": 1}),
        call("lsp_code_actions", {"file": path, "start_line": 1, "apply": "Fix it"}),
        call("lsp_rename", {"file": path, **AT, "new_name": "new"}),
        call("lsp_format", {"file": path}),
        say("done"),
    )
    assert server.client().chat("go").content == "done"
    told = results(model)
    assert told[:2] == ["known", "1. Fix it"]
    assert all("safety mode 'restricted' allows only safe tools" in text for text in told[2:])
    assert len(told) == 5 and file.read_text() == "old\n"
    model.script(say("seen"))
    server.client("reader").chat("go")
    names = set(model.heard[-1].tool_names)
    assert "lsp_hover" in names and {"lsp_rename", "lsp_format"}.isdisjoint(names)


@requirement("lsp:rename", "lsp:apply")
def test_an_agent_that_may_write_renames_and_takes_actions(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """§9.22: and is told which files are others now."""
    file = tmp_path / "a.py"
    file.write_text("old\n")
    server = serve(agent(scripted, model), "--working-dir", str(tmp_path))
    apply = {"file": str(file), "start_line": 1, "apply": "Fix it"}
    model.script(
        call("lsp_rename", {"file": str(file), **AT, "new_name": "new"}),
        call("lsp_code_actions", apply),
        call("lsp_hover", {"file": "/etc/passwd", **AT}),
        say("done"),
    )
    assert server.client().chat("go").content == "done"
    renamed, taken, outside = results(model)
    assert renamed == f"Renamed in 1 file:\n- {file} (1 edit)"
    assert taken == "'Fix it' was done; it changed no file."
    assert "outside the allowed directories" in outside
    assert file.read_text() == "new\n"


@requirement("lsp:users")
def test_two_users_at_once_hear_of_their_own_questions_alone(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """§1.3: one server, held mid-flight for both; one that leaves does not disturb the other."""
    for user in ("anna", "ben"):
        (tmp_path / f"{user}.py").write_text(f"{user} = 1\n")
    keys = tmp_path / "keys"
    keys.write_text("anna:key-anna\nben:key-ben\n")
    keys.chmod(0o600)
    flags = ("--api-keys-file", str(keys), "--working-dir", str(tmp_path))
    server = serve(agent(scripted, model), *flags)
    gate = Gate()

    def answer(heard: Heard) -> Reply:
        told = [m["content"] for m in heard.messages if m["role"] == "tool"]
        if told:
            return hold(gate) + say(told[-1])
        user = heard.text.split()[-1]
        return call("lsp_definition", {"file": str(tmp_path / f"{user}.py"), **AT})

    model.script(answer)
    with ThreadPoolExecutor(2) as pool:
        asked = {
            user: pool.submit(server.client(key=f"key-{user}").chat, f"I am {user}")
            for user in ("anna", "ben")
        }
        try:
            gate.wait_reached(count=2)
        finally:
            gate.open()
        said = {user: reply.result().content for user, reply in asked.items()}
    assert said == {user: f"{tmp_path / user}.py:1:1: {user} = 1" for user in ("anna", "ben")}


@requirement("lsp:stop", "lsp:cancel")
@pytest.mark.parametrize("how", ["client", "SIGTERM"])
def test_calls_and_servers_end_with_what_asked_for_them(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path, how: str
) -> None:
    """A client that leaves cancels its call; SIGTERM ends the processes, within 2 seconds."""
    notes, pids = tmp_path / "notes", tmp_path / "pids"
    (tmp_path / "a.py").write_text("x\n")
    keys = server_keys(
        notes=str(notes), child=str(pids), silent=["textDocument/hover"], stubborn=True
    )
    root = {"model": model.name, "toolsets": [{"type": "lsp", **keys}]}
    text = agent_yaml(scripted.url, {"root": root})
    server = serve(text, "--working-dir", str(tmp_path), "--shutdown-timeout", "300ms")
    model.script(call("lsp_hover", {"file": "a.py", **AT}), say("never"))
    with server.client().stream("go") as stream:
        until(lambda: bool(heard(notes, "textDocument/hover")))
        if how == "client":
            stream.hang_up()
            until(lambda: bool(heard(notes, "$/cancelRequest")))
        processes = [int(pid) for pid in pids.read_text().split()]
        assert len(processes) == 2 and all(map(alive, processes))
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        server.wait()
        assert time.monotonic() - began < 4.0
        assert not any(map(alive, processes))
