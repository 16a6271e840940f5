"""The promises about references: where agent files come from, and who may read what."""

from __future__ import annotations

from tests.promises.promise import kept

REFS = [
    *kept(
        "agent-file.md §5.1; seed.txt:17-18",
        {
            "refs:5.1:order": "An agent is served from a registry, a web address, a file.",
            "refs:5.1:errors": "What cannot be had is an error that says what was tried, and why.",
            "refs:5.1:stream": "`-` and `/dev/fd/N` are read once and kept for reloads.",
        },
    ),
    *kept(
        "agent-file.md §5.1; agent-file.md §7.2",
        {
            "refs:5.1:alias": "An alias of the user's settings stands for its path.",
        },
    ),
    *kept(
        "agent-file.md §7.2",
        {
            "refs:7.2:alias": "`alias` changes the aliases of the settings and nothing else.",
        },
    ),
    *kept(
        "DESIGN.md §8; agent-file.md §5.5",
        {
            "refs:reload:watch": (
                "A changed file takes over without cutting a stream; a bad one keeps the old team."
            ),
            "refs:reload:pull": "A moved tag, and a changed file on the web, are followed.",
        },
    ),
    *kept(
        "agent-file.md §6.1",
        {
            "file:6.1:keychain": "The keychain of macOS is the last source.",
            "file:6.1:desktop": "Docker Desktop tells who is signed in.",
            "file:6.1:helper": "The helper of the user's settings prints a Docker token.",
            "file:6.1:sandbox": "A sandbox has its Docker token in a file.",
        },
    ),
    *kept(
        "agent-file.md §5.2",
        {
            "refs:5.2:scheme": "Web addresses are https, or http on this machine.",
            "refs:5.2:cache": "What is unchanged is not sent again; a copy stands in offline.",
            "refs:5.2:guard": "No address or redirect leads into a private network.",
            "refs:5.2:tokens": "Tokens go to the hosts they are for, and nowhere else.",
        },
    ),
    *kept(
        "agent-file.md §5.3",
        {
            "refs:5.3:grammar": (
                "A reference is host, repository and tag or digest; what does not fit is named."
            ),
            "refs:5.3:plain": (
                "A registry in a private network may speak plain HTTP, and learns no credentials "
                "that way; no other registry may."
            ),
        },
    ),
    *kept(
        "agent-file.md §5.4",
        {
            "refs:5.4:shape": "An agent in a registry has the layout that other programs expect.",
            "refs:5.4:share": "`share push` and `share pull` keep the meaning of a file.",
            "refs:5.4:foreign": "What is no agent is refused with what it is instead.",
        },
    ),
    *kept(
        "agent-file.md §5.5",
        {
            "refs:5.5:pull": "An agent is pulled by tag and by digest.",
            "refs:5.5:push": "An agent is pushed to a registry.",
            "refs:5.5:kept": (
                "A kept digest needs no network, a kept tag one question; copies are private, "
                "and apart for each registry."
            ),
            "refs:5.5:offline": "A kept copy stands in when the registry fails.",
            "refs:5.5:damaged": "A damaged copy is fetched again.",
            "refs:5.5:digests": "Bytes that do not have their digest are refused.",
            "refs:5.5:bounds": "An answer without an end is cut.",
            "refs:5.5:redirects": "A registry cannot lead into a private network.",
            "refs:5.5:auth": (
                "A registry is asked as nobody first, then as the user that docker's "
                "configuration names: entry, helper or store, Basic or token."
            ),
        },
    ),
    *kept(
        "agent-file.md §5.6; runtime.md §11.7",
        {
            "refs:5.6:names": "Agents of other files are named by the reference, or as one says.",
            "refs:5.6:colleagues": "Their colleagues come along, and nobody else can reach them.",
            "refs:5.6:bounds": "Clashes, circles and crowds of files are errors.",
            "refs:5.6:together": "Agents from registries and the web work in one team.",
            "refs:5.6:elsewhere": "A file from elsewhere cannot point at this machine.",
        },
    ),
    *kept(
        "agent-file.md §5.7",
        {
            "refs:5.7:built-in": "`default` and `coder` come with the program.",
        },
    ),
    *kept(
        "chat-server.md §6",
        {
            "refs:6:words": "A text from elsewhere shows a model settings, never secrets.",
            "refs:6:keys": "A file from elsewhere sends no provider's key to somebody else.",
            "refs:6:restricted": "Files from elsewhere run in `restricted` mode by default.",
        },
    ),
]
