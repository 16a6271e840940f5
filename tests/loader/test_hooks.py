"""From an agent file's hooks to live ones. Source: agent-file.md §2.12, runtime.md §12."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest

from docker_agent.errors import ConfigError
from docker_agent.hooks.port import HookEvent, HookInput, Verdict
from docker_agent.messages import JSON
from docker_agent.runtime.agent import Team
from tests.loader.loading import complaint, loaded
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

NO = {"type": "command", "command": "exit 2"}
ALLOWS = {
    "type": "command",
    "command": 'echo \'{"hook_specific_output": {"permission_decision": "allow"}}\'',
}


def file(hooks: JSON = None, **keys: JSON) -> dict[str, JSON]:
    """An agent with these hooks."""
    root: dict[str, JSON] = {"model": "ollama/x", **keys}
    return {"agents": {"root": {**root, "hooks": hooks} if hooks else root}}


async def fired(team: Team, event: HookEvent, **more: JSON) -> Verdict:
    """What the agent's hooks say."""
    given = HookInput(event, "root", "/", "r1", **more)
    return await team.agents["root"].hooks.fire(event, given)


@requirement("hooks:file")
@pytest.mark.parametrize(
    ("hooks", "text"),
    [
        ({"stop": {"type": "builtin", "command": "add_dat"}}, "did you mean 'add_date'?"),
        ({"stop": {"type": "builtin", "command": "add_date"}}, "add_date belongs under turn_start"),
        ({"stop": {"type": "builtin", "command": "redact_secrets"}}, "belongs under pre_tool_use"),
        ({"session_start": {"type": "builtin", "command": "add_user_info"}}, "account"),
        (
            {"turn_start": {"type": "builtin", "command": "add_prompt_files", "args": ["/etc/x"]}},
            "must be a file name such as AGENTS.md",
        ),
    ],
)
async def test_what_cannot_be_honoured_stops_the_start(
    tmp_path: Path, hooks: JSON, text: str
) -> None:
    """runtime.md §12.6; the place is named."""
    said = await complaint(tmp_path, file(hooks))
    assert text in said and "agents.root.hooks." in said


@requirement("hooks:file")
async def test_what_means_nothing_here_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """runtime.md §12.2 and §12.6: events that never come, builtins without an effect."""
    hooks = {
        "on_session_resume": NO,
        "stop": [
            {"type": "builtin", "command": "cache_response"},
            {"type": "builtin", "command": "snapshot"},
            {"type": "builtin", "command": "limit_large_tool_results"},
        ],
    }
    with caplog.at_level(logging.WARNING, "docker_agent"):
        async with loaded(tmp_path, file(hooks)) as team:
            assert not team.agents["root"].hooks.has("stop")
    said = "\n".join(record.getMessage() for record in caplog.records)
    for part in ("on_session_resume hooks never run", "cache_response has no", "snapshot has no"):
        assert part in said


@requirement("hooks:file")
async def test_hooks_of_a_file_run_where_they_say_in_their_order(tmp_path: Path) -> None:
    """agent-file.md §4.1: environment first, then the file's hooks, then date and prompt files."""
    (tmp_path / "AGENTS.md").write_text("be brief")
    (tmp_path / "below").mkdir()
    hooks = {
        "session_start": {"type": "command", "command": "pwd", "working_dir": "below"},
        "turn_start": [
            {"type": "command", "command": 'echo "$A $1"', "args": ["b c"], "env": {"A": "a"}},
            {"type": "command", "command": 'echo "$A $1"', "args": ["b c"]},
        ],
        "pre_tool_use": [{"matcher": "shell", "hooks": NO}, {"matcher": "*", "hooks": [ALLOWS]}],
    }
    wishes = {"add_environment_info": True, "add_date": True, "add_prompt_files": ["AGENTS.md"]}
    async with loaded(tmp_path, file(hooks, **wishes)) as team:
        session = (await fired(team, "session_start")).context
        assert session.startswith("Your environment:")
        assert session.endswith(f"\n{tmp_path / 'below'}")
        first, date, files = (await fired(team, "turn_start")).context.splitlines()
        assert (first, files) == ("a b c", "be brief") and date.startswith("Today's date: ")
        assert (await fired(team, "pre_tool_use", tool_name="shell")).block is not None
        assert (await fired(team, "pre_tool_use", tool_name="think")).decision == "allow"


@requirement("hooks:file")
async def test_flags_come_after_the_file(tmp_path: Path) -> None:
    """runtime.md §12.5: additive, nothing overrides."""
    hooks = {"session_start": {"type": "command", "command": "echo file"}}
    flags = {"session_start": ("echo flag", "echo flag", "echo more"), "stop": ("true",)}
    async with loaded(tmp_path, file(hooks), hooks=flags) as team:
        assert (await fired(team, "session_start")).context == "file\nflag\nmore"
        assert team.agents["root"].hooks.has("stop")


@requirement("hooks:untrusted")
async def test_commands_of_a_file_from_elsewhere_need_a_word_of_the_operator(
    tmp_path: Path,
) -> None:
    """chat-server.md §6: serving somebody's file must not run their commands here unasked."""
    elsewhere = file({"permission_request": {"hooks": ALLOWS}})
    with pytest.raises(ConfigError, match="--safety MODE"):
        async with loaded(tmp_path, elsewhere, local=False):
            pass
    async with loaded(tmp_path, elsewhere, local=False, safety_explicit=True) as team:
        assert (await fired(team, "permission_request", tool_name="t")).decision == "allow"
    async with loaded(tmp_path, file(), local=False, hooks={"stop": ("true",)}) as team:
        assert team.agents["root"].hooks.has("stop")


@requirement("secrets:everywhere")
async def test_secrets_are_taken_out_unless_the_file_says_false(tmp_path: Path) -> None:
    """agent-file.md §2.3: only an explicit false turns it off; a hook may ask for one part."""
    legs = ("in_arguments", "in_messages", "in_results")
    part = {"before_llm_call": {"type": "builtin", "command": "redact_secrets"}}
    for content, wanted in (
        (file(), (True, True, True)),
        (file(redact_secrets=True), (True, True, True)),
        (file(redact_secrets=False), (False, False, False)),
        (file(part, redact_secrets=False), (False, True, False)),
    ):
        async with loaded(tmp_path, content) as team:
            redaction = team.agents["root"].hooks.redaction
            assert tuple(getattr(redaction, leg) for leg in legs) == wanted


def test_an_input_leaves_out_what_is_empty() -> None:
    """runtime.md §12.3."""
    assert msgspec.json.decode(msgspec.json.encode(HookInput("stop", "a", "/", "r"))) == {
        "hook_event_name": "stop",
        "agent_name": "a",
        "cwd": "/",
        "request_id": "r",
    }


@requirement("chat:6:opened")
async def test_the_log_names_what_a_file_opens(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """chat-server.md §6: allow rules, and directories beside the working one."""
    outside = tmp_path / "outside"
    (tmp_path / "work" / "inside").mkdir(parents=True)
    outside.mkdir()
    lists = [["inside"], [str(outside), "inside"]]
    toolsets = [{"type": "filesystem", "allow_list": paths} for paths in lists]
    content = {**file(toolsets=toolsets), "permissions": {"allow": ["shell:cmd=make*", "fetch"]}}
    with caplog.at_level(logging.WARNING, "docker_agent"):
        async with loaded(tmp_path, content, working_dir=tmp_path / "work"):
            pass
    said = [record.getMessage() for record in caplog.records]
    assert "allow rules let these calls through in every mode: shell:cmd=make*, fetch" in said
    assert [line for line in said if "opens" in line] == [f"filesystem: allow_list opens {outside}"]
