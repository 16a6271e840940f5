"""What the keys of an agent file mean, in a sentence each: for the reference and for editors."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

MEANINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "AgentFile": {
            "version": 'the version of the format, `"0"` to `"12"`; the newest when left out',
            "agents": "the agents by name; `root`, else the first, is the default",
            "models": "models by a name of yours",
            "providers": "servers by a name of yours, see [Providers](providers.md)",
            "toolsets": "shared toolsets, for an agent's `use_toolsets`",
            "mcps": "shared MCP servers, for a toolset's `ref`",
            "rag": (
                "shared documents to search, for a toolset's `ref`, see "
                "[Answer from documents](../how-to/answer-from-documents.md)"
            ),
            "commands": "shared named prompts, for an agent's `use_commands`",
            "skills": "shared skills, for an agent's `use_skills`",
            "permissions": (
                "`allow`, `ask` and `deny` rules for tool calls, see "
                "[Safety](../explanation/safety.md)"
            ),
            "runtime": (
                "`safety` tightens the safety mode; `sandbox` and `network_allowlist` speak "
                "to interactive runs"
            ),
            "metadata": "who wrote the file; no effect",
        },
        "Agent": {
            "name": "accepted and ignored: the name is the key under `agents`",
            "model": (
                "a name under `models`, or `provider/model`, or `auto`; several with commas: "
                "each call takes one of them"
            ),
            "description": "what clients see in `/v1/models`, and other agents in their prompt",
            "instruction": (
                "the system prompt; `${env.NAME}` and JavaScript expressions in `${…}` are "
                "evaluated once, at the start"
            ),
            "instruction_file": (
                "files to read the instruction from instead, inside the agent file's folder"
            ),
            "welcome_message": "for interactive clients",
            "toolsets": "its tools, see [Tools](tools.md)",
            "use_toolsets": "names of shared toolsets",
            "sub_agents": (
                "agents it may give tasks to, of this file or "
                "[elsewhere](references.md#agents-of-other-files)"
            ),
            "handoffs": "agents it may hand the conversation to",
            "force_handoff": "the agent that always goes on after this one",
            "add_date": "adds the date to the prompt",
            "add_environment_info": "adds working directory, system and git state to the prompt",
            "add_prompt_files": "adds files of these names from the working directory and above",
            "add_description_parameter": (
                "lets the model say in a word why it calls `shell`, `script`, `filesystem` "
                "and `fetch` tools; they never see it"
            ),
            "code_mode_tools": (
                "puts one tool in place of many: the model writes scripts that call them, see "
                "[Code mode](../how-to/let-a-model-write-scripts.md)"
            ),
            "readonly": "keeps only tools that read",
            "safety": "tightens the safety mode for this agent",
            "redact_secrets": (
                "keep secrets from models, tools and readers of results (on unless set to false)"
            ),
            "max_iterations": "model calls in one run of this agent; 0: no bound of its own",
            "max_consecutive_tool_calls": (
                "identical batches of tool calls that end a run; 5 when left out"
            ),
            "max_old_tool_call_tokens": (
                "how much of old calls and results the model is shown again"
            ),
            "max_tool_result_tokens": "how much of one result the model is shown",
            "num_history_items": "how many messages of the conversation the model is shown",
            "session_compaction": (
                "`false`: a long history is never summarized, see [Long "
                "conversations](../how-to/keep-long-conversations-short.md)"
            ),
            "compaction_threshold": (
                "from what share of the model's window on it is; 0.9 when left out"
            ),
            "commands": "named prompts, for interactive clients",
            "use_commands": "names of shared commands",
            "skills": "instructions it reads when it needs them, see "
            "[Skills](../how-to/give-an-agent-skills.md)",
            "use_skills": "names of shared skills",
            "structured_output": (
                "the JSON Schema its answers follow: `name`, `schema`, `description`, `strict`"
            ),
            "fallback": (
                "`models` to try when its own fail, `retries` of each (2), `cooldown` (60s)"
            ),
            "cache": (
                "`enabled: true` gives an answer again when the same caller asks the same; "
                "`path` keeps answers in a JSON file, `case_sensitive` and `trim_spaces` say "
                "what is the same"
            ),
            "hooks": "what runs at moments of a request, by event: see [Hooks](hooks.md)",
            "harness": "not served",
        },
        "Model": {
            "provider": "a row of [Providers](providers.md), or a name under `providers`",
            "model": "its name there; without `provider`, several names with commas",
            "base_url": "another address",
            "token_key": "the variable that holds its key",
            "temperature": "sampling",
            "top_p": "sampling",
            "max_tokens": "the longest answer; clients may ask for less",
            "frequency_penalty": "sampling",
            "presence_penalty": "sampling",
            "parallel_tool_calls": "whether it may call several tools at once",
            "track_usage": "`false`: do not ask for token counts",
            "thinking_budget": (
                "how much a reasoning model thinks: `none`, `minimal`, `low`, `medium`, `high`, …"
            ),
            "task_budget": "tokens for a whole task, Anthropic only",
            "provider_opts": (
                "what only this provider takes: `seed`, `top_k`, `http_headers`, "
                "`context_size`, `api_version`, …"
            ),
            "first_available": "a list of models: the first whose key is set",
            "routing": (
                "rules of `model` and `examples`: the one most like the question answers it"
            ),
            "title_model": "for interactive clients",
            "compaction_model": (
                "who writes the summaries of long histories; the model itself when left out"
            ),
            "compaction_threshold": "from what share of the window on; wins over the agent's",
            "capabilities": "whether it reads `image` and `pdf`",
            "bypass_models_gateway": "go direct, with its own key, when there is a models gateway",
            "auth": "sign in to Anthropic by workload identity federation, in place of a key",
        },
        "Provider": {
            "provider": (
                "what it speaks: `openai` (when left out), `anthropic`, `google`, or a row of"
                " [Providers](providers.md)"
            ),
            "api_type": (
                "`openai_chatcompletions` or `openai_responses`; by the model when left out"
            ),
            "base_url": "its address; needed for everything that speaks as OpenAI does",
            "token_key": "the variable that holds its key; without one no key is sent",
            "temperature": "sampling, for models that say nothing",
            "top_p": "sampling, for models that say nothing",
            "frequency_penalty": "sampling, for models that say nothing",
            "presence_penalty": "sampling, for models that say nothing",
            "max_tokens": "the longest answer, for models that say nothing",
            "parallel_tool_calls": "whether inline models may call several tools at once",
            "track_usage": "`false`: do not ask for token counts",
            "thinking_budget": "how much its models think, unless they say it",
            "task_budget": "tokens for a whole task, unless its models say it",
            "provider_opts": "options of its models; a model's own win key by key",
            "auth": "credentials other than a key",
            "unload_api": "where a local engine is told to free a model",
        },
        "Toolset": {
            "type": "which toolset, see [Tools](tools.md)",
            "name": "what it is called, and what its tools' names begin with",
            "tools": "only these of its tools; all when left out",
            "instruction": (
                "in place of its own prompt text, which `{ORIGINAL_INSTRUCTIONS}` puts in"
            ),
            "toon": (
                "expressions with commas: results of tools whose names fit are written shorter"
            ),
            "readonly": "keeps only its tools that read",
            "model": "who answers next after one of its tools was used",
            "defer": (
                "`true` or names: tools that the model has to look for before it can use them"
            ),
            "env": "variables of the processes it starts",
            "working_dir": "where its process runs",
            "version": "of the program to install; `false` installs none",
            "command": "the program to start",
            "args": "the words behind `command`",
            "ref": "the name of a shared one, or `docker:` and a server of the catalogue",
            "remote": "a server on the web in place of a program; for `a2a` its `headers` alone",
            "config": "what the catalogue's server is given",
            "lifecycle": "how it is started and restarted",
            "url": "its address",
            "headers": "sent with each request; `${headers.NAME}` is one of the incoming request",
            "timeout": "seconds one call may take; 30 when left out, 120 for `a2a`",
            "allow_private_ips": "whether it may reach addresses that are not public",
            "allowed_domains": "the only hosts it may reach",
            "blocked_domains": "hosts it must not reach",
            "allow_list": "the only folders it may use; the working directory when left out",
            "deny_list": "paths it must not use",
            "ignore_vcs": "`false`: show also what `.gitignore` hides",
            "post_edit": "commands to run after files that fit `path` were edited",
            "path": "the file it keeps its data in",
            "shared": "one list for all agents of a conversation",
            "shell": "its tools by name, each a `cmd`",
            "api_config": "its one tool: `name`, `endpoint`, `method`, `args`, …",
            "file_types": "endings of the files it knows (`py`); all when left out",
            "sudo_askpass": "for interactive clients",
            "safer": "asks before destructive commands, which here refuses them",
            "recall": "for interactive clients",
            "models": "the models to choose from",
            "allowed_servers": "the only servers of the catalogue",
            "blocked_servers": "servers of the catalogue that are never offered",
            "rag_config": "a source of its own in place of `ref`",
        },
    }
)
"""By the declared Struct's name and the key, as Markdown of docs/reference."""
