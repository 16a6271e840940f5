"""Hooks of agents that are served: the real command, real processes. Source: runtime.md §12,
chat-server.md §4 and §6."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from docker_agent.messages import JSON
from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, say, usage

KEEP = "cat >> $OUT/$1; echo >> $OUT/$1"
"""Keeps what it is told, one document a line, in the file of its first parameter."""

APART = "exec 2>/dev/null >&2; setsid env -i /bin/sleep"
"""How a hook starts what is to outlive it."""

LIMIT = 15.0


def command(text: str, *args: str, **more: JSON) -> dict[str, Any]:
    """A command hook."""
    return {"type": "command", "command": text, **({"args": list(args)} if args else {}), **more}


def tool_hooks(*hooks: dict[str, Any], matcher: str = "") -> list[dict[str, Any]]:
    """A list with one matcher."""
    return [{"matcher": matcher, "hooks": list(hooks)}]


SHELL = {"toolsets": [{"type": "shell"}, {"type": "filesystem"}]}
FLAT = [
    "session_start",
    "user_prompt_submit",
    "turn_start",
    "before_llm_call",
    "after_llm_call",
    "turn_end",
    "stop",
    "on_tool_approval_decision",
    "on_user_input",
    "session_end",
    "on_error",
    "notification",
    "on_max_iterations",
]
LISTENING: dict[str, Any] = {
    **{event: [command(KEEP, event, env={"OUT": "${env.OUT}"})] for event in FLAT},
    **{
        event: tool_hooks(command(KEEP, event, env={"OUT": "${env.OUT}"}))
        for event in ("pre_tool_use", "post_tool_use", "tool_response_transform")
    },
}
AGENTS: dict[str, dict[str, Any]] = {
    "listening": {**SHELL, "hooks": LISTENING, "max_iterations": 2},
    "guarded": {
        **SHELL,
        "hooks": {
            "pre_tool_use": tool_hooks(
                command("grep -q forbidden && { echo not this one >&2; exit 2; }; exit 0"),
                matcher="shell",
            )
        },
    },
    "crashing": {**SHELL, "hooks": {"pre_tool_use": tool_hooks(command("kill -SEGV $$"))}},
    "raising": {**SHELL, "hooks": {"pre_tool_use": tool_hooks(command("echo oops >&2; exit 1"))}},
    "missing": {**SHELL, "hooks": {"pre_tool_use": tool_hooks(command("/nowhere/guard"))}},
    "hanging": {
        **SHELL,
        "hooks": {
            "turn_start": command(f"{APART} 61.73 & sleep 61.73", timeout=1),
            "pre_tool_use": tool_hooks(command("sleep 61.73 & sleep 61.73", timeout=1)),
        },
    },
    "flooding": {
        **SHELL,
        "hooks": {
            "turn_start": command("yes"),
            "pre_tool_use": tool_hooks(command("cat /dev/urandom")),
        },
    },
    "speaking": {"hooks": {"session_start": command("echo the sky is green")}},
    "blocking": {"hooks": {"user_prompt_submit": command("echo ask nicely >&2; exit 2")}},
    "stopping": {"hooks": {"before_llm_call": command("echo '{\"continue\": false}'")}},
    "patient": {
        "hooks": {"turn_start": command(f"touch $OUT/waiting; {APART} 102.37 & sleep 102.37")}
    },
    "rewriting": {
        **SHELL,
        "hooks": {
            "pre_tool_use": tool_hooks(
                command(
                    'echo \'{"hook_specific_output": {"updated_input": {"cmd": "rm -rf x"}}}\''
                ),
                matcher="shell",
            )
        },
    },
    "aliasing": {
        **SHELL,
        "hooks": {
            "pre_tool_use": tool_hooks(
                command(
                    'echo \'{"hook_specific_output": {"updated_input": {"command": '
                    '"echo rewritten"}}}\''
                ),
                matcher="shell",
            ),
            "post_tool_use": tool_hooks(command(KEEP, "aliasing")),
        },
    },
    "judged": {
        **SHELL,
        "hooks": {
            "pre_tool_use": tool_hooks(
                {
                    "type": "model",
                    "model": "judge",
                    "prompt": "May it run {{ toJSON .ToolInput }}?",
                    "schema": "pre_tool_use_decision",
                }
            ),
            "turn_start": {"type": "model", "model": "judge", "prompt": "Hint for {{.AgentName}}"},
        },
    },
    "reading": {**SHELL},
    "seeing": {"toolsets": [{"type": "shell"}]},
    "environment": {"hooks": {"session_start": command("env", env={"OWN": "mine ${env.NAME} $X"})}},
}
OUT = "OUT"


@dataclass(frozen=True, slots=True)
class Hooked:
    """The server, its models, and the folder in which hooks leave things."""

    server: Server
    scripted: Scripted
    out: Path

    def model(self, agent: str) -> Model:
        """The agent's scripted model."""
        return self.scripted.model(f"hooked-{agent}").forget()

    def told(self, event: str) -> list[dict[str, Any]]:
        """What the listening agent's hooks of an event were told."""
        path = self.out / event
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line]


@pytest.fixture(scope="module")
def hooked(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Hooked]:
    out = tmp_path_factory.mktemp("out")
    every = {name: {"model": f"hooked-{name}", **keys} for name, keys in AGENTS.items()}
    judge = {"judge": {"model": "hooked-judge"}}
    rules = {"permissions": {"deny": ["shell:cmd=rm*-rf*"]}}
    file = agent_yaml(scripted.url, every, models=judge, top=rules)
    env = {"OUT": str(out), "OPENAI_API_KEY": "sk-server", "NAME": "n", "PLAIN": "seen"}
    env["TMPDIR"] = str(tmp_path_factory.mktemp("tmp"))
    flags = ("--conversations-max", "10")
    with Server(file, *flags, home=tmp_path_factory.mktemp("home"), env=env) as server:
        yield Hooked(server, scripted, out)


def results(model: Model) -> list[str]:
    """Texts of the tool messages that the model was shown last."""
    return [one["content"] for one in model.heard[-1].messages if one["role"] == "tool"]


def alive(text: str) -> list[int]:
    """Processes whose command line holds `text`."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if text in line and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def wait_until(true: Callable[[], object], limit: float = LIMIT) -> bool:
    """Look again and again, since nobody tells."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.02)
    return False


@requirement("hooks:events", "hooks:command:input", "hooks:turn-end")
def test_every_moment_of_a_run_is_told_in_its_words(hooked: Hooked) -> None:
    """runtime.md §12.2 and §12.3: one document each, without what is empty."""
    model = hooked.model("listening")
    model.script(call("shell", {"cmd": "echo hi"}, id="c1"), say("done"))
    reply = hooked.server.client("listening").chat("say hi")
    assert reply.content == "done"
    run = reply.headers["x-request-id"]
    every = {
        event: [d for d in hooked.told(event) if d["request_id"] == run] for event in LISTENING
    }
    common = {"agent_name", "cwd", "hook_event_name", "model_id", "safety_policy", "session_id"}
    for event, documents in every.items():
        for document in documents:
            assert document["hook_event_name"] == event
            assert common <= set(document) and "" not in document.values()
    assert {event: len(documents) for event, documents in every.items()} == {
        **dict.fromkeys(["session_start", "user_prompt_submit", "stop", "session_end"], 1),
        **dict.fromkeys(["turn_start", "turn_end", "before_llm_call", "after_llm_call"], 2),
        **dict.fromkeys(["pre_tool_use", "post_tool_use", "tool_response_transform"], 1),
        **{"on_tool_approval_decision": 1, "on_user_input": 1},
        **dict.fromkeys(["on_error", "notification", "on_max_iterations"], 0),
    }
    assert every["user_prompt_submit"][0]["prompt"] == "say hi"
    assert [one["reason"] for one in every["turn_end"]] == ["continue", "normal"]
    assert every["session_end"][0]["reason"] == "stream_ended"
    assert every["stop"][0]["stop_response"] == "done"
    before = every["before_llm_call"][-1]["messages"]
    assert [one["role"] for one in before][-3:] == ["user", "assistant", "tool"]
    assert before[-1] == {"role": "tool", "tool_call_id": "c1", "content": "hi"}
    [before_tool] = every["pre_tool_use"]
    assert before_tool["tool_input"] == {"cmd": "echo hi"}
    assert (before_tool["tool_name"], before_tool["tool_use_id"]) == ("shell", "c1")
    [after_tool] = every["post_tool_use"]
    assert after_tool["tool_response"] == "hi"
    [decision] = every["on_tool_approval_decision"]
    assert (decision["approval_decision"], decision["approval_source"]) == (
        "allow",
        "mode_autonomous",
    )


@requirement("hooks:events")
def test_a_limit_and_a_failure_are_told(hooked: Hooked) -> None:
    """runtime.md §3.5 and §3.6: notification, on_max_iterations, on_user_input; on_error."""
    model = hooked.model("listening")
    model.script(call("shell", {"cmd": "echo 1"}), call("shell", {"cmd": "echo 2"}))
    reply = hooked.server.client("listening").chat("go on")
    run = reply.headers["x-request-id"]
    [told] = [d for d in hooked.told("on_max_iterations") if d["request_id"] == run]
    assert told["previous_max_iterations"] == 2
    [waiting] = [d for d in hooked.told("on_user_input") if d["request_id"] == run]
    assert waiting["reason"] == "max_iterations"
    assert [d["notification_level"] for d in hooked.told("notification") if d["request_id"] == run]


@requirement("chat:6:hooks", "hooks:command:output", "runtime:20.2:hook-refuses")
def test_a_hook_that_exits_with_2_refuses_the_call(hooked: Hooked) -> None:
    """runtime.md §20.2 row 20: denied in autonomous mode, with the text of stderr."""
    model = hooked.model("guarded")
    model.script(
        call("shell", {"cmd": "echo forbidden"}) + call("shell", {"cmd": "echo fine"}, id="c2"),
        say("ok"),
    )
    assert hooked.server.client("guarded").chat("hi").content == "ok"
    assert results(model) == [
        "The tool call was rejected by a pre_tool_use hook. Reason: not this one",
        "fine",
    ]
    assert "tool shell: refused (pre_tool_use_hook_deny)" in hooked.server.log


@requirement("hooks:failure", "runtime:20.2:hook-late")
@pytest.mark.parametrize("agent", ["crashing", "raising", "missing", "hanging", "flooding"])
def test_a_guard_that_cannot_do_its_work_stays_closed(hooked: Hooked, agent: str) -> None:
    """runtime.md §20.2 row 21: in pre_tool_use it denies, in turn_start the run goes on."""
    model = hooked.model(agent)
    mark = hooked.out / f"{agent}-ran"
    model.script(call("shell", {"cmd": f"touch {mark}"}), say("well"))
    started = time.monotonic()
    assert hooked.server.client(agent).chat("hi").content == "well"
    assert time.monotonic() - started < LIMIT
    [told] = results(model)
    assert told.startswith("The tool call was rejected by a pre_tool_use hook. Reason: the hook ")
    assert not mark.exists()


@requirement("hooks:command:bounds")
def test_nothing_of_a_hook_outlives_it(hooked: Hooked) -> None:
    """runtime.md §12.5: all of it is ended, also what left its group and environment."""
    model = hooked.model("hanging")
    model.script(say("well"))
    assert hooked.server.client("hanging").chat("hi").content == "well"
    assert wait_until(lambda: not alive("sleep 61.73"))


@requirement("hooks:command:cancel")
def test_a_client_that_leaves_ends_the_hooks_of_its_run(hooked: Hooked) -> None:
    """runtime.md §3.8: the process group is gone within two seconds."""
    hooked.model("patient")
    with hooked.server.client("patient").stream("hi"):
        assert wait_until((hooked.out / "waiting").exists)
        assert alive("sleep 102.37")
    left = time.monotonic()
    assert wait_until(lambda: not alive("sleep 102.37"))
    assert time.monotonic() - left < 4


@requirement("runtime:hooks")
def test_words_of_a_hook_stand_in_the_prompt(hooked: Hooked) -> None:
    """runtime.md §12.4: plain output of session_start is context."""
    model = hooked.model("speaking")
    model.script(say("yes"))
    hooked.server.client("speaking").chat("what colour?")
    systems = [one["content"] for one in model.heard[-1].messages if one["role"] == "system"]
    assert "the sky is green" in "\n".join(systems).splitlines()


@requirement("chat:4:hook-blocked", "hooks:prompt", "hooks:messages")
@pytest.mark.parametrize(
    ("agent", "text"), [("blocking", "ask nicely"), ("stopping", "no reason was given")]
)
def test_a_hook_that_says_no_is_a_403(hooked: Hooked, agent: str, text: str) -> None:
    """chat-server.md §4: hook_blocked, as an answer and as an event."""
    model = hooked.model(agent)
    reply = hooked.server.client(agent).chat("hi")
    assert (reply.status, reply.error["code"]) == (403, "hook_blocked")
    assert reply.error["message"] == text
    with hooked.server.client(agent).stream("hi") as stream:
        assert stream.status == 200
        stream.rest()
        assert b'"code":"hook_blocked"' in stream.raw
    assert model.heard == []


@requirement("hooks:rewrite")
def test_a_rewritten_call_meets_the_deny_rules_again(hooked: Hooked) -> None:
    """runtime.md §6.2 step 2: what a hook made of it is checked once more."""
    model = hooked.model("rewriting")
    model.script(call("shell", {"cmd": "echo harmless"}), say("ok"))
    hooked.server.client("rewriting").chat("hi")
    assert results(model) == ["Tool 'shell' is denied by permissions configuration."]


@requirement("hooks:rewrite")
def test_a_hook_may_rewrite_an_argument_by_its_other_name(hooked: Hooked) -> None:
    """runtime.md §5.4, §6.2: what a hook wrote is read as the tool reads it, and wins."""
    model = hooked.model("aliasing")
    model.script(call("shell", {"cmd": "echo written", "timeout": "7"}), say("ok"))
    hooked.server.client("aliasing").chat("hi")
    assert results(model) == ["rewritten"]
    [told] = hooked.told("aliasing")
    assert told["tool_input"] == {"cmd": "echo rewritten", "timeout": 7}


@requirement("hooks:model")
def test_a_model_judges_a_call_and_gives_hints(hooked: Hooked) -> None:
    """runtime.md §12.1: decisions, context, and what it costs; an answer without one is a no."""
    judge, token = hooked.model("judge"), "ghp_" + "a1B2" * 9
    model = hooked.model("judged")
    calls = [call("shell", {"cmd": f"echo {n} {token}"}, id=f"c{n}") for n in range(3)]
    hint = say("Be brief.") + usage(1, 1)
    judge.script(
        hint,
        say('Sure: ```json\n{"decision": "allow", "reason": "fine"}\n```') + usage(1, 1),
        hint,
        say('{"decision": "deny", "reason": "no echoes"}') + usage(1, 1),
        hint,
        say("I do not know") + usage(1, 1),
        hint,
    )
    model.script(*(one + usage(1, 1) for one in calls), say("done") + usage(1, 1))
    reply = hooked.server.client("judged").chat("go").json
    first, second, third = results(model)
    assert first == "0 [REDACTED]"
    assert second == "The tool call was rejected by a pre_tool_use hook. Reason: no echoes"
    assert "what it guards stays closed" in third
    assert judge.heard[1].text == 'May it run {"cmd":"echo 0 [REDACTED]"}?'
    assert judge.heard[0].text == "Hint for judged"
    assert "Be brief." in model.heard[0].messages[0]["content"]
    assert reply["usage"]["total_tokens"] == 2 * (4 + 7)


@requirement("results:served", "results:kept", "results:bounds", "runtime:20.2:large")
def test_a_large_result_can_be_read_by_its_conversation(
    hooked: Hooked, numbers: Iterator[int]
) -> None:
    """runtime.md §20.2 row 22: a notice and the end; the rest is read from the file."""
    model = hooked.model("reading")
    client, id = hooked.server.client("reading"), f"large-{next(numbers)}"
    mine = {"x-conversation-id": id}
    token = "ghp_" + "a1B2" * 9
    model.script(call("shell", {"cmd": f"seq 1 50000; echo {token}"}), say("many"))
    client.chat("count", headers=mine)
    [shown] = results(model)
    assert len(shown.encode()) <= 50 * 1024 and shown.endswith("\n50000\n[REDACTED]")
    path = file_in(shown)
    assert token not in path.read_text() and "\n25000\n" in path.read_text()
    part = {"path": str(path), "offset": 25000, "limit": 1}
    model.script(call("read_file", part), say("there"))
    client.chat("and in the middle?", headers=mine)
    assert results(model)[-1] == "25000\n"
    model.script(call("read_file", {"path": str(path)}), say("no"))
    client.chat("show me", headers={"x-conversation-id": f"{id}-other"})
    assert "not yours" in results(model)[-1]
    model.script(call("shell", {"cmd": "seq 1 50000"}), say("many"))
    client.chat("count")
    assert not file_in(results(model)[-1]).parent.exists() and path.exists()


def file_in(notice: str) -> Path:
    """The file that a notice names."""
    found = notice.partition("in the file ")[2].partition(";")[0]
    assert found
    return Path(found)


@requirement("results:served")
def test_an_agent_that_cannot_read_files_sees_head_and_end(hooked: Hooked) -> None:
    """runtime.md §5.6, R: no path is offered."""
    model = hooked.model("seeing")
    model.script(call("shell", {"cmd": "seq 1 50000"}), say("many"))
    hooked.server.client("seeing").chat("count")
    [shown] = results(model)
    assert shown.startswith("1\n2\n") and shown.endswith("\n49999\n50000")
    assert len(shown.encode()) < 51 * 1024 and "in the file" not in shown


@requirement("hooks:command:environment")
def test_a_hook_sees_no_keys_of_the_server(hooked: Hooked) -> None:
    """chat-server.md §6: the environment without provider keys; the file's `env` is added."""
    model = hooked.model("environment")
    model.script(say("ok"))
    hooked.server.client("environment").chat("hi")
    lines = model.heard[-1].messages[0]["content"].splitlines()
    assert "PLAIN=seen" in lines and "OWN=mine n $X" in lines
    assert not any("OPENAI_API_KEY" in line or "sk-server" in line for line in lines)


@requirement("chat:1:hook-flags", "seed:hook-flags")
def test_flags_add_hooks_to_every_agent(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """seed.txt:146: six flags, repeatable, blank ones skipped."""
    events = (
        "pre-tool-use",
        "post-tool-use",
        "session-start",
        "session-end",
        "on-user-input",
        "stop",
    )
    flags = [word for event in events for word in (f"--hook-{event}", f"cat > {tmp_path}/{event}")]
    own = {"stop": command(f"cat > {tmp_path}/own")}
    agent = {"model": model.name, "toolsets": [{"type": "think"}], "hooks": own}
    more = ("--hook-stop", " ", "--hook-stop", f"cat > {tmp_path}/second")
    server = serve(agent_yaml(scripted.url, {"root": agent}), *flags, *more)
    model.script(call("think", {"thought": "x"}), say("ok"))
    assert server.client().chat("hi").content == "ok"
    written = {one.name: json.loads(one.read_text()) for one in tmp_path.iterdir()}
    assert set(written) == {*events, "own", "second"}
    assert written["pre-tool-use"]["tool_name"] == "think"
    assert written["second"]["hook_event_name"] == "stop"
