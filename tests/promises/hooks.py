"""The promises of hooks, of secrets taken out, and of the order in which calls are decided."""

from __future__ import annotations

from tests.promises.promise import kept

HOOKS = [
    *kept(
        "runtime.md §12.2; runtime.md §3.3",
        {
            "hooks:events": (
                "Every event of a chat server reaches the hooks that are declared for it."
            ),
            "hooks:turn-end": "turn_end comes once per turn on every path, with its reason.",
            "hooks:prompt": (
                "user_prompt_submit hears what the user says, may stop the run, and its words stay "
                "for the run."
            ),
            "hooks:messages": "before_llm_call may stop a run or replace its messages.",
            "hooks:post-tool": (
                "post_tool_use sees the result, may end the run and its siblings, and its words "
                "stand in the next prompt."
            ),
            "hooks:teams": "Switches of agents and the end of a sub-agent are told.",
            "hooks:compaction": (
                "pre_compact and before_compaction may veto a summary or supply it."
            ),
        },
    ),
    *kept(
        "runtime.md §12.3; runtime.md §12.4",
        {
            "hooks:command:input": (
                "A command hears one JSON document on stdin, without what is empty, and gets its "
                "args as positional parameters."
            ),
            "hooks:command:output": (
                "Exit 2 blocks with stderr, JSON on stdout is a verdict, other text is context "
                "where that means something."
            ),
            "hooks:command:environment": (
                "A hook's process sees no keys of the server, only what its `env` gives it."
            ),
            "hooks:command:bounds": (
                "A hook that hangs, floods or leaves children behind is ended with its group; "
                "output is bounded."
            ),
            "hooks:command:cancel": "A client that leaves ends the hooks of its run.",
            "hooks:messages:json": (
                "Messages travel to hooks as plain JSON and back; what a hook left alone is the "
                "same message."
            ),
        },
    ),
    *kept(
        "runtime.md §12.5",
        {
            "hooks:merge": (
                "Hooks of an event run at once and count in order; those that rewrite run one "
                "after the other."
            ),
            "hooks:matcher": (
                "A matcher fits the whole tool name, case-sensitive; equal hooks run once."
            ),
            "hooks:failure": (
                "A failing hook warns, is ignored or blocks, as its on_error says; a pre_tool_use "
                "hook that fails always blocks."
            ),
        },
    ),
    *kept(
        "runtime.md §12.1; agent-file.md §2.12",
        {
            "hooks:file": "Hooks of a file are checked at the start and named with their line.",
            "hooks:untrusted": (
                "Commands of a file from elsewhere need --safety, and what its hooks allow does "
                "not count without."
            ),
        },
    ),
    *kept(
        "runtime.md §6.2",
        {
            "hooks:order": (
                "Deny rules, hooks, allow rules, ask rules, the mode, permission_request: in this "
                "order, in every mode."
            ),
            "hooks:rewrite": "Rewritten arguments go through the deny rules once more.",
            "hooks:approve": "A hook may approve what balanced mode would ask about; a no wins.",
            "hooks:audit": "Every verdict is one line of the audit log, and an event for hooks.",
        },
    ),
    *kept(
        "runtime.md §12.6; agent-file.md §2.3",
        {
            "secrets:shapes": "Keys, tokens and private keys of well-known shapes are found.",
            "secrets:ordinary": "Ordinary text is left as it is, and costs next to nothing.",
            "secrets:everywhere": (
                "redact_secrets takes secrets out of arguments, results, shown output and messages "
                "to models; it is on unless the file says false."
            ),
            "secrets:log": "Secrets of known shapes are taken out of every line of the log.",
            "secrets:stream": "A secret that comes in pieces is not shown in pieces.",
        },
    ),
    *kept(
        "runtime.md §5.6; runtime.md §20.2",
        {
            "results:size": (
                "A model sees at most 50 KiB or 2000 lines of one result: a notice and the end, "
                "or head and end where it cannot read files."
            ),
            "results:bounded": "A result longer than 10 million characters is cut, and says so.",
            "results:kept": "All of a large result is kept in a private file, without secrets.",
            "results:readable": (
                "The filesystem tools of its own conversation read it in spite of their "
                "confinement; no other does, and none writes there."
            ),
            "results:bounds": (
                "256 MiB in all; a result goes with its conversation or run, or when that was "
                "not used for as long as conversations are kept."
            ),
            "results:served": "What a tool of any kind answers goes through this.",
        },
    ),
    *kept(
        "runtime.md §12.1",
        {
            "hooks:model": (
                "A model hook fills its template, keeps secrets from the model, and its answer is "
                "context or a decision; its tokens count."
            ),
            "hooks:template": (
                "Fields, toJSON, truncate and if; what cannot be read stops the start."
            ),
        },
    ),
    *kept(
        "runtime.md §12.6; runtime.md §6.5",
        {
            "hooks:git": (
                "Git's status, diff and commits are told, at most 4096 bytes each, without "
                "running what a repository brings along."
            ),
            "hooks:listing": "The names in the working directory are told, at most 100.",
            "hooks:max_iterations": "max_iterations stops a run beyond its number of model calls.",
            "hooks:safer_shell": "safer_shell refuses by the command's label and its policy.",
            "hooks:http_post": (
                "http_post sends its input or a template, without secrets, to no private address."
            ),
        },
    ),
]
