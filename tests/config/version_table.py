"""The table of agent-file.md §1.3: which version brought which key, with a file for each row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

JSON = object
NOTHING: dict[str, JSON] = {}
AUTH = {
    "type": "workload_identity_federation",
    "workload_identity_federation": {
        "federation_rule_id": "fdrl_1",
        "organization_id": "o",
        "identity_token": {"env": "TOKEN"},
    },
}
HOOK = {"type": "command", "command": "true"}

FILE: Mapping[int, Mapping[str, JSON]] = {
    1: {"metadata": {"author": "a"}},
    2: {"rag": {"docs": {"docs": ["./a"]}}},
    3: {"providers": {"p": {"base_url": "http://h"}}, "permissions": {"allow": ["a"]}},
    6: {"mcps": {"m": {"command": "x"}}},
    9: {"runtime": {"sandbox": True}},
    10: {
        "commands": {"g": {"c": "do"}},
        "skills": {"g": True},
        "toolsets": {"t": {"type": "think"}},
    },
}
AGENT: Mapping[int, Mapping[str, JSON]] = {
    1: {"add_environment_info": True},
    2: {
        "welcome_message": "w",
        "handoffs": ["root"],
        "code_mode_tools": True,
        "max_iterations": 1,
        "add_prompt_files": ["A"],
        "structured_output": {"name": "n", "schema": {}},
    },
    3: {"skills": True, "hooks": {"session_start": [HOOK]}},
    4: {"fallback": {"retries": 1}, "add_description_parameter": True, "name": "n"},
    7: {"max_consecutive_tool_calls": 1, "max_old_tool_call_tokens": 1},
    8: {"redact_secrets": False, "cache": {"enabled": True}},
    9: {"harness": {"type": "codex"}},
    10: {
        "force_handoff": "org/other",
        "readonly": True,
        "use_commands": [],
        "use_skills": [],
        "use_toolsets": [],
    },
    11: {"instruction_file": "a.md"},
    12: {
        "max_tool_result_tokens": 1,
        "session_compaction": True,
        "compaction_threshold": 0.5,
        "safety": "strict",
    },
}
MODEL: Mapping[int, Mapping[str, JSON]] = {
    1: {"provider": "openai", "token_key": "K", "provider_opts": {}},
    2: {"track_usage": True, "thinking_budget": "low"},
    3: {"routing": [{"model": "openai/x", "examples": ["hi"]}]},
    8: {"task_budget": 1, "auth": AUTH},
    10: {"first_available": ["openai/x"], "title_model": "openai/x"},
    11: {"bypass_models_gateway": True, "compaction_model": "openai/x", "capabilities": {}},
    12: {"compaction_threshold": 0.5},
}
PROVIDER: Mapping[int, Mapping[str, JSON]] = {
    8: {
        "provider": "openai",
        "temperature": 1,
        "max_tokens": 1,
        "top_p": 1,
        "frequency_penalty": 1,
        "presence_penalty": 1,
        "parallel_tool_calls": True,
        "provider_opts": {},
        "track_usage": True,
        "thinking_budget": 1,
        "task_budget": 1,
        "auth": AUTH,
    },
    9: {"unload_api": "/x"},
}
TOOLSET: Mapping[int, Mapping[str, tuple[str, JSON]]] = {
    1: {
        "ref": ("mcp", "docker:x"),
        "config": ("mcp", NOTHING),
        "shared": ("todo", True),
        "path": ("tasks", "t.json"),
        "shell": ("script", {"t": {"cmd": "ls"}}),
        "post_edit": ("filesystem", [{"path": "a", "cmd": "b"}]),
    },
    2: {
        "instruction": ("shell", "i"),
        "toon": ("shell", "t"),
        "api_config": ("api", NOTHING),
        "ignore_vcs": ("filesystem", True),
        "timeout": ("fetch", 3),
    },
    3: {"defer": ("shell", True), "name": ("mcp", "n"), "url": ("openapi", "http://h")},
    4: {"headers": ("fetch", NOTHING), "file_types": ("lsp", ["a"])},
    6: {"model": ("shell", "a/b"), "version": ("lsp", "1"), "models": ("model_picker", ["a/b"])},
    7: {"rag_config": ("rag", NOTHING)},
    8: {
        "allow_list": ("filesystem", ["a"]),
        "deny_list": ("filesystem", ["a"]),
        "allowed_domains": ("fetch", ["a"]),
        "blocked_domains": ("fetch", ["a"]),
        "allow_private_ips": ("fetch", True),
        "working_dir": ("lsp", "a"),
        "lifecycle": ("lsp", NOTHING),
    },
    9: {"allowed_servers": ("mcp_catalog", ["a"]), "blocked_servers": ("mcp_catalog", ["a"])},
    10: {"readonly": ("shell", True), "sudo_askpass": ("shell", True)},
    11: {"safer": ("shell", True)},
    12: {"recall": ("background_jobs", True)},
}
METADATA: Mapping[int, Mapping[str, JSON]] = {
    3: {"version": "1"},
    4: {"description": "d"},
    11: {"tags": ["a"]},
}
EVENTS: Mapping[int, tuple[str, ...]] = {
    6: ("on_user_input",),
    7: ("stop", "notification"),
    8: (
        *("permission_request", "user_prompt_submit", "turn_start", "turn_end"),
        *("before_llm_call", "after_llm_call", "pre_compact", "subagent_stop", "on_error"),
        *("on_max_iterations", "on_agent_switch", "on_session_resume"),
        *("on_tool_approval_decision", "before_compaction", "after_compaction"),
        "tool_response_transform",
    ),
    9: ("worktree_create",),
    10: ("user_steering_messages_submit", "user_followup_submit"),
}
HOOK_KEYS: Mapping[int, Mapping[str, JSON]] = {
    8: {
        "name": "n",
        "args": ["a"],
        "env": {},
        "working_dir": "w",
        "on_error": "warn",
        "model": "a/b",
        "prompt": "p",
        "schema": "s",
    }
}
MATCHED = ("permission_request", "tool_response_transform")

Case = tuple[int, str, dict[str, JSON], dict[str, JSON]]
"""The version a key came with, its name, a file with it for the version before, and one for that
version (they may differ where a key replaced another)."""


def _rows(table: Mapping[int, Mapping[str, JSON]]) -> Iterator[tuple[int, str, JSON]]:
    for version, keys in table.items():
        for key, value in keys.items():
            yield version, key, value


def with_agent(more: Mapping[str, JSON], **top: JSON) -> dict[str, JSON]:
    return {"agents": {"root": {"model": "openai/x", **more}}, **top}


def _with_toolset(toolset: Mapping[str, JSON]) -> dict[str, JSON]:
    needed = {"lsp": {"command": "x"}, "openapi": {"url": "http://h"}}
    if toolset["type"] == "mcp" and "ref" not in toolset:
        toolset = {"command": "x", **toolset}
    return with_agent({"toolsets": [{**needed.get(str(toolset["type"]), NOTHING), **toolset}]})


def cases() -> Iterator[Case]:
    for version, key, value in _rows(FILE):
        yield version, key, with_agent({}, **{key: value}), with_agent({}, **{key: value})
    for version, key, value in _rows(AGENT):
        file = with_agent({key: value})
        yield version, key, file, file
    for version, key, value in _rows(MODEL):
        base = {} if key == "first_available" else {"provider": "anthropic", "model": "x"}
        before = {name: text for name, text in base.items() if version > 1 or name != "provider"}
        yield (
            version,
            key,
            with_agent({}, models={"m": {**before, key: value}}),
            with_agent({}, models={"m": {**base, key: value}}),
        )
    for version, key, value in _rows(PROVIDER):
        base = {"base_url": "http://h", **({"provider": "anthropic"} if key == "auth" else {})}
        file = with_agent({}, providers={"p": {**base, key: value}})
        yield version, key, file, file
    for version, keys in TOOLSET.items():
        for key, pair in keys.items():
            file = _with_toolset({"type": pair[0], key: pair[1]})
            yield version, key, file, file
    for version, key, value in _rows(METADATA):
        file = with_agent({}, metadata={key: value})
        yield version, key, file, file
    yield from _nested_cases()


def _nested_cases() -> Iterator[Case]:
    remote = {"url": "http://h", "oauth": {"clientId": "c"}}
    file = with_agent({"toolsets": [{"type": "mcp", "remote": remote}]})
    yield 8, "oauth", file, file
    file = with_agent({}, permissions={"ask": ["a"]})
    yield 4, "ask", file, file
    for version, events in EVENTS.items():
        for event in events:
            entry = {"hooks": [HOOK]} if event in MATCHED else HOOK
            file = with_agent({"hooks": {event: [entry]}})
            yield version, event, file, file
    for version, key, value in _rows(HOOK_KEYS):
        file = with_agent({"hooks": {"session_start": [{**HOOK, key: value}]}})
        yield version, key, file, file
    matcher = {"hooks": [HOOK], "preempt_yolo": True}
    file = with_agent({"hooks": {"pre_tool_use": [matcher]}})
    yield 11, "preempt_yolo", file, file
    for version, key, source in (
        (3, "tool", {"tool": {"name": "n"}}),
        (3, "respect_vcs", {"respect_vcs": True}),
        (3, "reranking", {"results": {"reranking": {"model": "a/b"}}}),
        (3, "code_aware", {"strategies": [{"type": "bm25", "chunking": {"code_aware": True}}]}),
        (7, "instruction", {"instruction": "i"}),
    ):
        file = with_agent({}, rag={"docs": source})
        yield version, key, file, file
