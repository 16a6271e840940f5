"""The promises of long histories, of what passes through, and of shaped answers."""

from __future__ import annotations

from tests.promises.promise import kept

KEEPING = [
    *kept(
        "runtime.md §7.1",
        {
            "runtime:7.1:threshold": (
                "A history that comes close to the window is summarized before the model is asked."
            ),
            "runtime:7.1:overflow": (
                "A model that refuses a history for its length is asked once more, shorter."
            ),
        },
    ),
    *kept(
        "runtime.md §7.2",
        {
            "runtime:7.2:summary": (
                "The newest messages stay, instructions stay, and a summary stands for the rest, "
                "written without tools by the compaction model."
            ),
            "runtime:7.2:kept": "A summary is kept with its turn, and dropped with it.",
            "runtime:7.2:failed": "A summary that cannot be written ends nothing.",
        },
    ),
    *kept(
        "runtime.md §7.3",
        {"runtime:7.3:resent": "A history that is sent again is not summarized again."},
    ),
    *kept(
        "agent-file.md §4.5",
        {"runtime:compaction:file": "Window, threshold and compaction model come from the file."},
    ),
    *kept(
        "runtime.md §3.3; agent-file.md §4.1",
        {"runtime:3.3:modalities": "A model gets no pictures or documents it does not take."},
    ),
    *kept(
        "runtime.md §8.6",
        {
            "runtime:8.6:headers": (
                "Headers of the incoming request that a file names reach its tools; no other does, "
                "and never a key of this server."
            )
        },
    ),
    *kept(
        "runtime.md §8.3",
        {
            "options:toon": "JSON objects of the tools it names are written in TOON.",
            "options:model": "The next call after one of its tools is made by another model, once.",
            "options:description": "A model may say why it calls; the tool never sees it.",
        },
    ),
    *kept(
        "runtime.md §9.21",
        {
            "options:defer": (
                "Deferred tools are hidden until a conversation activates them; no other sees them."
            ),
        },
    ),
    *kept(
        "runtime.md §16.1",
        {
            "runtime:16.1:shape": (
                "An answer is checked against its schema; a JSON reply that does not fit is asked "
                "for once more."
            ),
            "runtime:16.1:bounds": "No schema and no answer keeps the server busy for long.",
        },
    ),
    *kept(
        "runtime.md §16.2; agent-file.md §2.4",
        {
            "runtime:16.2:cache": (
                "An answer given before to the same question of the same caller is given again, in "
                "both modes, without a model."
            ),
            "runtime:16.2:not": "What changed something, or was cut short, is not kept.",
            "runtime:16.2:file": "A cache may be a file, shared and bounded, inside its folder.",
        },
    ),
    *kept(
        "runtime.md §9.2",
        {
            "process:family": "A process that leaves its command's group and session ends with it.",
            "process:caps": "Commands leave no core files and are the first to go without memory.",
            "process:environ": "No process can read the server's secrets where it was started.",
        },
    ),
    *kept(
        "runtime.md §3.8; chat-server.md §1",
        {
            "process:ends": (
                "A client that leaves, the deadline and SIGTERM each end child processes and "
                "sub-agents within two seconds."
            ),
        },
    ),
    *kept(
        "DESIGN.md §2",
        {
            "python:tools": (
                "A typed function becomes a tool: schema from hints and docstring, sync or async."
            ),
            "python:bounds": "A function that fails or takes too long is a tool error.",
            "python:trust": "A file that is not on this machine runs no code in the server.",
            "library:mount": "The application mounts in another one, under any path.",
            "library:hand": "An agent can be built by hand from ports, without a file.",
        },
    ),
    *kept(
        "runtime.md §15",
        {
            "code:script": (
                "A script calls tools as functions, in parallel, and its result is told with what "
                "it printed."
            ),
            "code:calls": "Each call of a script passes permissions, hooks and limits.",
            "code:bounds": (
                "A script has bounds on time, memory, calls and text, and no door but its tools."
            ),
            "code:direct": "Tools that are runs, todo lists and search stay tools.",
        },
    ),
]
