"""Which version of the agent file knew which key, and what to say about a key that came later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import msgspec

from docker_agent.config.convert import together
from docker_agent.config.tree import Items, Raw, Scalar
from docker_agent.errors import ConfigError

CURRENT_VERSION = 12
VERSIONS = tuple(str(number) for number in range(CURRENT_VERSION + 1))
_ENDLESS = 99

Span = tuple[int, int]
"""The first version that knows a key, and the first that does not any more."""


class Known(msgspec.Struct, frozen=True):
    """The keys of one kind of mapping by version, and the mappings inside it: `one` under a key,
    `each` value of a mapping or list under a key."""

    keys: Mapping[str, tuple[Span, ...]]
    one: Mapping[str, Known] = MappingProxyType({})
    each: Mapping[str, Known] = MappingProxyType({})


def _known(
    since: Mapping[int, str],
    gone: Mapping[str, int] | None = None,
    *,
    one: Mapping[str, Known] | None = None,
    each: Mapping[str, Known] | None = None,
) -> Known:
    """`since` gives the keys that came with each version, `gone` the version that dropped a key
    again; a key that is named twice came back."""
    table: dict[str, tuple[Span, ...]] = {}
    for version, names in since.items():
        for name in names.split():
            earlier = table.get(name, ())
            end = _ENDLESS if earlier else (gone or {}).get(name, _ENDLESS)
            table[name] = (*earlier, (version, end))
    return Known(table, one or {}, each or {})


_HOOK_EVENTS = {
    3: "pre_tool_use post_tool_use session_start session_end",
    6: "on_user_input",
    7: "stop notification",
    8: "permission_request user_prompt_submit turn_start turn_end before_llm_call after_llm_call "
    "pre_compact subagent_stop on_error on_max_iterations on_agent_switch on_session_resume "
    "on_tool_approval_decision before_compaction after_compaction tool_response_transform",
    9: "worktree_create",
    10: "user_steering_messages_submit user_followup_submit",
}
_HOOK = _known(
    {3: "type command timeout", 8: "name args env working_dir on_error model prompt schema"}
)
_MATCHER = _known({3: "matcher hooks", 11: "preempt_yolo"}, each={"hooks": _HOOK})
_MATCHER_EVENTS = ("pre_tool_use", "post_tool_use", "permission_request", "tool_response_transform")
_EVENTS = " ".join(_HOOK_EVENTS.values()).split()
HOOKS = _known(
    _HOOK_EVENTS,
    each={event: _MATCHER if event in _MATCHER_EVENTS else _HOOK for event in _EVENTS},
)
_RERANKING = _known({3: "model top_k threshold criteria"})
_RESULTS = _known(
    {
        2: "limit deduplicate include_score return_full_content fusion",
        3: "reranking",
    },
    one={"reranking": _RERANKING},
)
_CHUNKING = _known({2: "size overlap respect_word_boundaries", 3: "code_aware"})
_STRATEGY = Known({}, one={"chunking": _CHUNKING})
RAG = _known(
    {
        2: "docs strategies results description",
        3: "tool respect_vcs",
        7: "name instruction tools defer",
    },
    {"description": 3},
    one={"results": _RESULTS},
    each={"strategies": _STRATEGY},
)
REMOTE = _known({0: "url transport_type headers", 8: "oauth"})
TOOLSET = _known(
    {
        0: "type command remote args env tools env_file",
        1: "ref config shared path shell post_edit",
        2: "instruction toon api_config ignore_vcs timeout",
        3: "defer name url sandbox",
        4: "headers file_types",
        6: "model version models",
        7: "rag_config",
        8: "allow_list deny_list allowed_domains blocked_domains allow_private_ips working_dir "
        "lifecycle",
        9: "allowed_servers blocked_servers",
        10: "readonly sudo_askpass",
        11: "safer",
        12: "recall",
    },
    {"env_file": 2, "sandbox": 6},
    one={"remote": REMOTE, "rag_config": RAG},
)
AGENT = _known(
    {
        0: "model description toolsets instruction sub_agents add_date num_history_items commands "
        "think todo memory name",
        1: "add_environment_info",
        2: "welcome_message handoffs code_mode_tools max_iterations add_prompt_files "
        "structured_output rag",
        3: "skills hooks",
        4: "fallback add_description_parameter name",
        7: "max_consecutive_tool_calls max_old_tool_call_tokens",
        8: "redact_secrets cache",
        9: "harness",
        10: "force_handoff readonly use_commands use_skills use_toolsets",
        11: "instruction_file",
        12: "max_tool_result_tokens session_compaction compaction_threshold safety",
    },
    {"think": 1, "todo": 1, "memory": 1, "name": 1, "rag": 7},
    one={"hooks": HOOKS, "fallback": _known({4: "models retries cooldown"})},
    each={"toolsets": TOOLSET},
)
MODEL = _known(
    {
        0: "model temperature max_tokens top_p frequency_penalty presence_penalty base_url "
        "parallel_tool_calls type env",
        1: "provider token_key provider_opts",
        2: "track_usage thinking_budget",
        3: "routing",
        8: "task_budget auth",
        10: "first_available title_model",
        11: "bypass_models_gateway compaction_model capabilities",
        12: "compaction_threshold",
    },
    {"type": 1, "env": 2},
)
PROVIDER = _known(
    {
        3: "api_type base_url token_key",
        8: "provider temperature max_tokens top_p frequency_penalty presence_penalty "
        "parallel_tool_calls provider_opts track_usage thinking_budget task_budget auth",
        9: "unload_api",
    }
)
FILE = _known(
    {
        0: "version agents models env",
        1: "metadata",
        2: "rag",
        3: "providers permissions",
        6: "mcps",
        9: "runtime",
        10: "commands skills toolsets",
    },
    {"env": 2},
    one={
        "metadata": _known(
            {1: "author license readme", 3: "version", 4: "description", 11: "tags"}
        ),
        "permissions": _known({3: "allow deny", 4: "ask"}),
        "runtime": _known({9: "sandbox network_allowlist", 12: "safety"}),
    },
    each={
        "agents": AGENT,
        "models": MODEL,
        "providers": PROVIDER,
        "rag": RAG,
        "mcps": TOOLSET,
        "toolsets": TOOLSET,
    },
)


_LOST = ("key 'env'", "key 'env_file'")
"""What no version supports any more, not even the older ones that know it."""


class _Use(msgspec.Struct, frozen=True):
    """A key or form that a file uses; `spans` empty: no version knows it."""

    at: Raw
    what: str
    line: int
    spans: tuple[Span, ...]

    def fits(self, version: int) -> bool:
        return any(first <= version < end for first, end in self.spans)


def declared_version(raw: Raw) -> int:
    """The `version` of a file, the current one when it says none.

    Raises `ConfigError` for a version that is none of 0 to 12.
    """
    declared = raw.get("version")
    if declared is None or declared.node == Scalar(declared.line, ""):
        return CURRENT_VERSION
    text = declared.node.text if isinstance(declared.node, Scalar) else declared.kind
    if text not in VERSIONS:
        raise declared.error(
            f"unsupported version {text!r}; the versions are {VERSIONS[0]} to {VERSIONS[-1]}"
        )
    return int(text)


def check_keys(raw: Raw, version: int) -> None:
    """Refuse keys that `version` does not know, with the version that would accept the file: the
    first newer one, else the last older one.

    Keys that no version knows are left to the conversion. Raises `ConfigError`.
    """
    uses = [*_uses(raw, FILE), *_skill_uses(raw)]
    wrong = [use for use in uses if use.spans and not use.fits(version)]
    if not wrong:
        return
    lost = any(use.what in _LOST for use in wrong)
    older = () if lost else range(version - 1, -1, -1)
    others = (*range(version + 1, CURRENT_VERSION + 1), *older)
    enough = next((each for each in others if all(use.fits(each) for use in uses)), None)
    raise together(_wrong(use, version, enough) for use in wrong)


def _wrong(use: _Use, version: int, enough: int | None) -> ConfigError:
    ended = all(end <= version for _, end in use.spans)
    hint = f"; version {use.spans[-1][1]} removed it" if ended else ""
    if enough is not None and enough < version:
        hint = f"{hint}; hint: this is a file of version {enough}; say so with 'version: {enough}'"
    elif enough is not None:
        hint = (
            f"; hint: version {enough} knows this key; raise the top-level version field, "
            f"currently {version}"
        )
    return use.at.error(f"unknown {use.what} in version {version}{hint}", line=use.line)


def _uses(raw: Raw, known: Known) -> Iterator[_Use]:
    if known.keys:
        for key, mark in raw.key_marks():
            yield _Use(raw, f"key {key!r}", mark.line, known.keys.get(key, ()))
    for key, inside in known.one.items():
        part = raw.get(key)
        if part is not None:
            yield from _uses(part, inside)
    for key, inside in known.each.items():
        part = raw.get(key)
        for child in part.children() if part is not None else ():
            yield from _uses(child, inside)


_SKILL_SOURCE, _SKILL_NAME, _INLINE_SKILL, _SKILL_TOOLSETS = 5, 8, 9, 11
"""The versions that brought these forms of an element of `skills`."""


def _skill_uses(raw: Raw) -> Iterator[_Use]:
    agents = raw.get("agents")
    for agent in agents.children() if agents is not None else ():
        skills = agent.get("skills")
        if skills is None or not isinstance(skills.node, Items):
            continue
        for item in skills.elements():
            for since, what in _skill_forms(item):
                yield _Use(item, what, item.line, ((since, _ENDLESS),))


def _skill_forms(item: Raw) -> Iterator[tuple[int, str]]:
    if isinstance(item.node, Scalar):
        is_source = item.node.text == "local" or "://" in item.node.text
        yield (_SKILL_SOURCE, "skill source") if is_source else (_SKILL_NAME, "skill name")
        return
    yield _INLINE_SKILL, "inline skill"
    if item.get("toolsets") is not None:
        yield _SKILL_TOOLSETS, "key 'toolsets'"
