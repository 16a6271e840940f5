"""The promises of agent-file.md §1: what a file may look like."""

from __future__ import annotations

from tests.promises.promise import kept

FILE_FORMS = [
    *kept(
        "agent-file.md §1.1",
        {
            "file:1.1:byte-order-mark": (
                "A byte order mark at the start of an agent file is ignored."
            ),
            "file:1.1:first-line": "A `#!` first line is legal.",
            "file:1.1:hcl": "HCL is recognised by name or content.",
            "file:1.1:json": (
                "JSON loads as YAML does, with escaped surrogate pairs and the same checks."
            ),
            "file:1.1:size": "A file over 10 MiB is refused.",
            "file:1.1:utf-8": "A file that is no UTF-8 text is refused with the line.",
        },
    ),
    *kept(
        "agent-file.md §1.3",
        {
            "file:1.3:agent-name-ignored": "`name` inside an agent is accepted and ignored.",
            "file:1.3:hint": (
                "The hint at a key of a later version names the smallest version that accepts "
                "the whole file."
            ),
            "file:1.3:older-hint": (
                "A file with keys of an older version that does not declare it is told which "
                "version it is."
            ),
            "file:1.3:known-since": (
                "A key is unknown before the version that brought it, known from then on, "
                "unknown again where it was removed."
            ),
            "file:1.3:memory-path": "Versions 2 to 6 need `path` on a memory toolset.",
            "file:1.3:upgrade-0": (
                "Version 0: `type` becomes `provider`; todo, think and memory become "
                "leading toolsets."
            ),
            "file:1.3:upgrade-1": "Version 1: non-empty env and env_file are errors.",
            "file:1.3:upgrade-5": "Version 5: a toolset's sandbox is dropped.",
            "file:1.3:upgrade-6": "Version 6: an agent's rag list becomes toolsets behind its own.",
        },
    ),
    *kept(
        "agent-file.md §1.4",
        {
            "file:1.4:core-schema": (
                "Unquoted scalars mean what the YAML 1.2 core schema says, with libyaml "
                "and without."
            ),
            "file:1.4:depth": "A file may be nested 64 levels deep and no deeper, aliases counted.",
            "file:1.4:free-form": "Free-form maps accept any key.",
            "file:1.4:lines": "Every part of a file knows its line and path.",
            "file:1.4:null": "Null is the same as absent.",
            "file:1.4:several-documents": "Only the first document of a file counts.",
            "file:1.4:tabs": "Tabs that YAML allows pass; a tab that indents is refused.",
            "file:1.4:text-as-written": "A scalar where a text is expected is its text as written.",
            "file:1.4:types": "A text is no number and no bool, a scalar is no list.",
            "file:1.4:unknown-key": (
                "An unknown key is an error with name and line, and a near key."
            ),
        },
    ),
    *kept(
        "agent-file.md §1.5",
        {
            "file:1.5:alias-bomb": "A file that unfolds to more than 250,000 values is refused.",
            "file:1.5:anchors": "Anchors and aliases work, also when a name is used again.",
            "file:1.5:circular-alias": "A circular or undefined alias is an error with its line.",
            "file:1.5:merge": (
                "`<<` merges one mapping or a list of them; own keys win everywhere; anything "
                "else is an error."
            ),
        },
    ),
    *kept(
        "agent-file.md §1.6",
        {
            "file:1.6:literal": "The literal-safe form replaces plain ${env.X} alone.",
            "file:1.6:shell": (
                "The shell-like form replaces ${env.X}, ${X} and $X; an unset one is an error "
                "or empty as asked."
            ),
            "file:1.6:start-up": (
                "JavaScript is loaded only when a template needs it; parsing loads no HTTP library."
            ),
            "file:1.6:template": (
                "A template is evaluated whole, then piece by piece; what fails stays; time and "
                "memory are bounded."
            ),
            "file:1.6:template-values": "A template may use further values, handed in as data.",
            "file:1.6:warning": "A template with ${NAME} and no ${env. is worth a warning.",
        },
    ),
    *kept(
        "agent-file.md §1.7",
        {
            "file:1.7:exclusive": "Instruction and instruction_file exclude each other.",
            "file:1.7:guards": (
                "An instruction file is an ordinary file inside the agent file's directory, "
                "symlinks followed."
            ),
            "file:1.7:inline": "Instruction files are joined with one blank line, nothing trimmed.",
        },
    ),
]
