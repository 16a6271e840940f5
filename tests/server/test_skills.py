"""Skills in a served agent: the prompt, the tools, and those that work for themselves. Source:
runtime.md §13."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, say

INLINE = {"name": "tone", "description": "How to speak.", "instructions": "Speak kindly."}
FORK = {
    "name": "count",
    "description": "Counts files.",
    "instructions": "Count them all.",
    "context": "fork",
    "allowed_tools": ["list_*"],
    "toolsets": ["pad"],
    "model": "scripted/counter",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with two skills."""
    for name, text in (("pdf", "Read the pages."), ("hello", "Now:\n!`echo from the shell`\nend")):
        place = tmp_path / ".agents/skills" / name
        place.mkdir(parents=True)
        (place / "SKILL.md").write_text(f"---\ndescription: About {name}.\n---\n{text}\n")
    (tmp_path / ".agents/skills/pdf/form.md").write_text("the form")
    return tmp_path


def _serve(
    serve: Serve,
    scripted: Scripted,
    model: Model,
    folder: Path,
    skills: Sequence[str | Mapping[str, object]],
    *flags: str,
) -> Server:
    agents = {
        "root": {
            "model": model.name,
            "skills": skills,
            "toolsets": [{"type": "filesystem"}],
            "sub_agents": ["helper"],
        },
        "helper": {"model": f"{model.name}-helper", "skills": [FORK]},
    }
    top = {"version": "12", "toolsets": {"pad": {"type": "think"}}}
    file = agent_yaml(scripted.url, agents, top=top)
    return serve(file, "--working-dir", str(folder), *flags)


def _told(heard: Heard) -> list[str]:
    return [str(m["content"]) for m in heard.messages if m["role"] == "tool"]


@requirement("skills:served")
def test_skills_stand_in_the_prompt_and_are_read(
    serve: Serve, scripted: Scripted, model: Model, folder: Path
) -> None:
    """runtime.md §13.3: one system message lists them; their commands run as shell's would."""
    server = _serve(serve, scripted, model, folder, ["local", INLINE])
    calls = [
        call("read_skill", {"name": "pdf"}),
        call("read_skill_file", {"skill_name": "pdf", "path": "form.md"}),
        call("read_skill", {"name": "hello"}),
        call("read_skill", {"name": "tone"}),
    ]
    model.script(*calls, say("read"))
    assert server.client().chat("read").content == "read"
    (listed,) = [
        str(m["content"]) for m in model.heard[0].messages if "<available_skills>" in m["content"]
    ]
    assert [name in listed for name in ("pdf", "hello", "tone", "count")] == [True] * 3 + [False]
    assert "run_skill" not in model.heard[0].tool_names
    assert _told(model.heard[-1]) == [
        "Read the pages.\n\nFiles of this skill, for read_skill_file:\n- form.md",
        "the form",
        "Now:\nfrom the shell\nend",
        "Speak kindly.",
    ]


@requirement("skills:served", "skills:commands")
def test_names_filter_and_refused_commands_stay(
    serve: Serve, scripted: Scripted, model: Model, folder: Path
) -> None:
    """runtime.md §13, §13.2: a command must pass as a shell call would; unknown names are told."""
    names = ["hello", "nothing"]
    server = _serve(serve, scripted, model, folder, names, "--safety", "strict")
    assert "there is no skill 'nothing'" in server.log
    model.script(call("read_skill", {"name": "hello"}), say("done"))
    permitted = agent_yaml(
        scripted.url,
        {"root": {"model": model.name, "skills": names}},
        top={"version": "12", "permissions": {"allow": ["read_skill"]}},
    )
    other = serve(permitted, "--working-dir", str(folder), "--safety", "strict")
    assert other.client().chat("read").content == "done"
    assert _told(model.heard[-1]) == ["Now:\n!`echo from the shell`\nend"]
    assert "<name>pdf</name>" not in str(model.heard[0].messages)


@requirement("skills:fork")
def test_a_fork_works_in_a_conversation_of_its_own(
    serve: Serve, scripted: Scripted, model: Model, folder: Path
) -> None:
    """runtime.md §13.3: its text, its task, its tools, its model; no skill runs in it."""
    server = _serve(serve, scripted, model, folder, [FORK])
    counter = scripted.model("counter").forget()
    counter.script(call("list_directory", {"path": "."}), say("Two."))
    model.script(call("run_skill", {"name": "count", "task": "count here"}), say("There are two."))
    done = server.client().chat("how many?")
    assert done.content == "There are two."
    assert "run_skill" in model.heard[0].tool_names
    assert _told(model.heard[1]) == ["Two."]
    first = counter.heard[0]
    texts = [str(m["content"]) for m in first.messages]
    assert texts[0].endswith('<skill name="count">\nCount them all.\n</skill>')
    assert texts[1:] == ["count here"]
    assert "how many?" not in str(first.messages)
    assert {"list_directory", "think"} <= set(first.tool_names)
    assert not {"run_skill", "read_file", "write_file"} & set(first.tool_names)


@requirement("skills:fork")
def test_no_skill_runs_in_a_skill_however_deep(
    serve: Serve, scripted: Scripted, model: Model, folder: Path
) -> None:
    """runtime.md §13.3: run_skill is excluded, for deeper children too; unknown ones are told."""
    fork = {key: value for key, value in FORK.items() if key not in ("model", "allowed_tools")}
    server = _serve(serve, scripted, model, folder, [fork])
    helper = scripted.model(f"{model.name}-helper").forget()
    helper.script(say("helped"))
    model.script(
        call("run_skill", {"name": "nobody", "task": "x"}),
        call("run_skill", {"name": "count", "task": "count"}),
        call("transfer_task", {"agent": "helper", "task": "help", "expected_output": ""}),
        say("counted"),
        say("done"),
    )
    assert server.client().chat("go").content == "done"
    assert "there is no skill 'nobody' to run; there are: count" in _told(model.heard[1])[0]
    assert "run_skill" not in model.heard[2].tool_names
    assert "run_skill" not in helper.heard[0].tool_names
    assert _told(model.heard[-1])[-1] == "counted"


@requirement("skills:fork")
def test_run_skill_is_refused_where_only_safe_tools_run(
    serve: Serve, scripted: Scripted, model: Model, folder: Path
) -> None:
    """runtime.md §6.4: restricted refuses run_skill and lets skills be read."""
    server = _serve(serve, scripted, model, folder, [FORK, INLINE], "--safety", "restricted")
    model.script(
        call("run_skill", {"name": "count", "task": "x"}),
        call("read_skill", {"name": "tone"}),
        say("ok"),
    )
    assert server.client().chat("go").content == "ok"
    refused, read = _told(model.heard[-1])
    assert "safety mode 'restricted'" in refused
    assert read == "Speak kindly."


@requirement("skills:found")
def test_personal_skills_are_for_the_operators_own_machine(
    serve: Serve, scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """runtime.md §13.1: folders of the operator's home only on a loopback address."""
    home = tmp_path / "home"
    for place in (home / ".claude/skills/mine", tmp_path / "work/.claude/skills/ours"):
        place.mkdir(parents=True)
        (place / "SKILL.md").write_text("---\ndescription: d\n---\nx")
    file = agent_yaml(scripted.url, {"root": {"model": model.name, "skills": True}})
    work = ("--working-dir", str(tmp_path / "work"))
    near = serve(file, *work, env={"HOME": str(home)})
    far = serve(file, *work, "--listen", "0.0.0.0:0", "--insecure-no-auth", env={"HOME": str(home)})
    near.client().chat("hi")
    far.client().chat("hi")
    seen = [str(heard.messages) for heard in model.heard]
    assert ["<name>mine</name>" in text for text in seen] == [True, False]
    assert ["<name>ours</name>" in text for text in seen] == [True, True]
