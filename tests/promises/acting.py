"""The promises of toolsets that act: shell, web, memory."""

from __future__ import annotations

from tests.promises.promise import kept

ACTING = [
    *kept(
        "runtime.md §9.2; chat-server.md §6",
        {
            "tool:environment:scrubbed": (
                "Processes of tools do not get provider keys, tokens, passwords or the "
                "server's own key, unless `env` lists them."
            ),
        },
    ),
    *kept(
        "runtime.md §8.6",
        {
            "tool:environment:own": (
                "Toolset `env` values are expanded as a shell would; an unset variable stops "
                "the start with its line."
            ),
        },
    ),
    *kept(
        "runtime.md §6.5",
        {
            "shell:label:destructive": (
                "Destructive shapes are found anywhere in a command, with their severity; the"
                " highest wins."
            ),
            "shell:label:quoting": (
                "Quotes, escapes, wrappers and substitutions hide nothing from the label."
            ),
            "shell:label:safe": (
                "Only whole commands of known harmless shapes without shell marks are safe."
            ),
            "shell:label:unknown": (
                "What neither list knows is unknown; what could write or run by an option is "
                "not safe."
            ),
            "tool:shell:safer": "`safer: true` refuses destructive commands in every mode.",
        },
    ),
    *kept(
        "runtime.md §6.3",
        {
            "shell:rules:allow": (
                "An allow rule lets a command line through only when rules cover every "
                "command in it and every file it writes to, or a rule without wildcards is "
                "the line itself."
            ),
        },
    ),
    *kept(
        "runtime.md §20.2",
        {
            "runtime:20.2:shell-restricted": (
                "Restricted runs `ls -la` and refuses `rm -rf x` and `ls; rm x`."
            ),
            "runtime:20.2:shell-denied": (
                "A deny rule for `rm -rf` holds in autonomous mode, however the command is written."
            ),
            "runtime:20.2:shell-disconnect": (
                "A client that leaves ends the command with its whole process group."
            ),
            "runtime:20.2:todo-scope": "A todo list of one conversation is empty in another.",
        },
    ),
    *kept(
        "runtime.md §9.2",
        {
            "tool:shell:result": (
                "The shell answers with output and errors in order; its texts are exact; a "
                "failure is an error."
            ),
            "tool:shell:parameters": (
                "cmd (or command), cwd and timeout; without a command the expected JSON is shown."
            ),
            "tool:shell:timeout": (
                "A command ends at its timeout or the request's, with all it started: "
                "SIGTERM, SIGKILL 3 s later."
            ),
            "tool:shell:cancel": "Cancellation ends a command with all it started.",
            "tool:shell:nothing-left": (
                "Background processes of a command end with it and hold up its answer half a "
                "second at most."
            ),
            "tool:shell:progress": "Output is shown piece by piece while a command runs.",
            "tool:shell:shell": (
                "Commands run in the operator's $SHELL when it speaks the usual language, "
                "else /bin/sh; the prompt says what a model must know."
            ),
            "tool:shell:server": (
                "A model uses the shell through the server, within the permission rules."
            ),
        },
    ),
    *kept(
        "runtime.md §5.6; runtime.md §5.7",
        {
            "tool:shell:output": (
                "Output stops at 10 MB; a model sees head and tail of at most 50 KiB or 2000 "
                "lines, with a notice."
            ),
        },
    ),
    *kept(
        "runtime.md §9.3",
        {
            "tool:script:schema": (
                "Each entry is a tool, sorted by name, with its arguments as schema."
            ),
            "tool:script:values": (
                "Only declared values travel, as environment variables, and are never run."
            ),
            "tool:script:result": (
                "A script answers with its output; a failure or 120 s is an error that names "
                "the command."
            ),
            "tool:script:checks": (
                "Unknown variables, `${env.X}`, doubled keys and unknown required arguments "
                "stop the start with file and line."
            ),
        },
    ),
    *kept(
        "runtime.md §9.3; runtime.md §5.4",
        {
            "tool:script:errors": (
                "Arguments that do not fit are told with their schema line; NUL is refused."
            ),
        },
    ),
    *kept(
        "runtime.md §9.5",
        {
            "tool:todo:results": (
                "The todo tools answer with exact JSON, and a reminder while items are open."
            ),
            "tool:todo:errors": (
                "An unknown status or an update of nothing is an error and changes nothing."
            ),
        },
    ),
    *kept(
        "runtime.md §9.5; runtime.md §1.3",
        {
            "tool:todo:scope": (
                "A list belongs to one agent of one conversation; `shared` to all its agents."
            ),
        },
    ),
    *kept(
        "DESIGN.md §1",
        {
            "tool:todo:failed-turn": "A turn that fails leaves the todo list as it was.",
        },
    ),
    *kept(
        "runtime.md §9.18",
        {
            "tool:user_prompt:declines": (
                "user_prompt declines at once and tells the model to ask in its reply."
            ),
        },
    ),
    *kept(
        "runtime.md §9.17",
        {
            "tool:session_context:empty": (
                "session_context is accepted, shows nobody's sessions and warns once."
            ),
        },
    ),
]
