"""The promises of language servers as toolsets."""

from __future__ import annotations

from tests.promises.promise import kept

LSP = [
    *kept(
        "runtime.md §9.22",
        {
            "lsp:tools": "Fifteen tools ask a language server; each answer reads as text.",
            "lsp:capabilities": "Tools that a server cannot do are hidden.",
            "lsp:real": "Real language servers are asked: symbols, uses, problems, layout, fixes.",
            "lsp:labels": (
                "All tools only read, but for renaming, formatting and taking an action: listing "
                "actions is safe, taking one is not."
            ),
            "lsp:places": (
                "Lines and characters count from 1 and in characters, whatever the server counts "
                "in."
            ),
            "lsp:fresh": "A server sees every file as it is on disk when it is asked.",
            "lsp:diagnostics": "Problems are asked for where a server answers, else awaited.",
            "lsp:rename": "Renaming changes all files, or none when one of them is another by now.",
            "lsp:apply": "What a server wants to write is written for an approved call alone.",
            "lsp:bounds": (
                "Files outside of the filesystem tools' bounds are neither read nor changed, by "
                "whatever way."
            ),
            "lsp:types": "A server is asked about its `file_types` alone.",
            "lsp:edits": "Edits of a text are made together, or refused when they overlap.",
            "lsp:frames": "Messages arrive whole, however they are cut, among whatever is printed.",
        },
    ),
    *kept(
        "runtime.md §8.5",
        {"lsp:several": "Several servers have one set of tools; the file says who is asked."},
    ),
    *kept(
        "runtime.md §8.7",
        {
            "lsp:crash": "A server that crashes fails the call, and the next one finds a new one.",
            "lsp:start": "What keeps a server from starting is told, and no file starts it from "
            "elsewhere.",
            "lsp:stuck": "A server that answers nothing any more is started anew.",
            "lsp:malformed": "What is no message, or too long a one, ends the server and not us.",
            "lsp:timeout": "`call_timeout` ends a call, which is cancelled at the server.",
            "lsp:cancel": "A cancelled call returns at once, and is cancelled at the server.",
            "lsp:environment": (
                "A server gets the environment without credentials and the file's `env`, which "
                "wins, in its `working_dir`."
            ),
            "lsp:stop": "A server and all its children are gone within two seconds.",
        },
    ),
    *kept(
        "runtime.md §1.3",
        {"lsp:users": "Two users ask one server at once; each hears of its own question alone."},
    ),
]
