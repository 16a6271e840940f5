"""The promises of toolsets whose work outlives a call: background jobs, tasks, plans."""

from __future__ import annotations

from tests.promises.promise import kept

LASTING = [
    *kept(
        "runtime.md §9.14",
        {
            "jobs:results": "Background jobs are started, listed, shown, stopped and waited for.",
            "jobs:errors": "What cannot be started or found is an error a model can act on.",
            "jobs:wait": "A wait is bounded by the request and leaves the job alone.",
            "jobs:run-end": (
                "Jobs end with their request, or with a turn that failed or was replaced; with a "
                "conversation they go on."
            ),
            "jobs:bounds": "Jobs are bounded in number, for a conversation and for the server.",
            "jobs:output": "The newest 10 MB of a job's output are kept, bounded for all together.",
            "jobs:end": (
                "Jobs end within two seconds when the server stops or reloads, and with a server "
                "that is killed."
            ),
            "jobs:listing": "The prompt says how to use jobs, and how long they last.",
        },
    ),
    *kept(
        "runtime.md §1.3; runtime.md §9.14",
        {
            "jobs:scope": "No other caller, conversation or agent sees or stops a job.",
            "jobs:idle": "Jobs end with their conversation, and when it rests for long.",
        },
    ),
    *kept(
        "runtime.md §3.6; agent-file.md §2.3",
        {"jobs:loop": "Looking at a job again and again is no loop."},
    ),
    *kept(
        "runtime.md §6.4; runtime.md §6.5; chat-server.md §6",
        {
            "jobs:safety": (
                "A job's command is labelled, ruled, scrubbed and redacted as the shell's."
            ),
            "jobs:family": "A job ends with everything that it started.",
        },
    ),
    *kept(
        "runtime.md §9.15",
        {
            "tasks:tools": "Tasks are made, shown, changed and deleted, with the results of §9.15.",
            "tasks:order": (
                "Unblocked tasks come first, then urgent, then old ones; dependencies form no "
                "circle."
            ),
            "tasks:errors": "What cannot be is an error and changes nothing.",
            "tasks:file": (
                "Task files of the Go program are read and written; a file that is none is left "
                "alone."
            ),
            "tasks:bounds": "Tasks, their file and the number of callers are bounded.",
            "tasks:together": "Calls and servers that change one file wait for each other.",
            "tasks:path": "The file and the files it takes from stay inside their folder.",
            "tasks:hints": "The tools carry their read-only and destructive hints.",
        },
    ),
    *kept(
        "runtime.md §1.3; runtime.md §9.15",
        {"tasks:scope": "Nobody sees or changes another caller's tasks."},
    ),
    *kept(
        "runtime.md §9.16",
        {
            "plan:tools": "Plans are written, read, changed, listed and deleted by name.",
            "plan:revision": "A change of a plan that somebody else has changed is refused.",
            "plan:file": (
                "Plan files of the Go program are read and written; one that is none is left alone."
            ),
            "plan:names": "No name of a plan leads out of its folder.",
            "plan:paths": "Plans go to and come from files of the working directory alone.",
            "plan:bounds": "Plans and the number of callers who have some are bounded.",
            "plan:hints": "The tools carry their read-only and destructive hints.",
        },
    ),
    *kept(
        "runtime.md §1.3; runtime.md §9.16",
        {"plan:scope": "Nobody sees or changes another caller's plans."},
    ),
    *kept(
        "runtime.md §9.17",
        {
            "session_plan:tools": (
                "A conversation has one plan that is written whole, read, and shown to the user."
            ),
        },
    ),
    *kept(
        "runtime.md §1.3; DESIGN.md §1",
        {
            "session_plan:scope": (
                "A plan belongs to its conversation, and a failed turn writes none."
            ),
        },
    ),
    *kept(
        "agent-file.md §5.7",
        {"jobs:builtin": "The built-in agents start without a warning."},
    ),
]
