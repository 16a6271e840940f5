"""The promises of agent-file.md §2 and further: what a file may say."""

from __future__ import annotations

from tests.promises.promise import kept

FILE_KEYS = [
    *kept(
        "agent-file.md §2.10",
        {
            "file:2.10:mcps": (
                "A reference to mcps inherits exactly the listed fields; env is merged."
            ),
        },
    ),
    *kept(
        "agent-file.md §2.11",
        {
            "file:2.11:rag": "A reference to rag inherits; the name falls back to the key.",
        },
    ),
    *kept(
        "agent-file.md §2.12",
        {
            "file:2.12:hooks": "Hooks are checked; a single mapping stands for a list.",
        },
    ),
    *kept(
        "agent-file.md §2.14",
        {
            "file:2.14:durations": "Durations are Go's; the part that does not fit is named.",
            "file:2.14:in-files": "In files nothing is 0 and a bare integer is seconds.",
        },
    ),
    *kept(
        "agent-file.md §2.1",
        {
            "file:2.1:use-toolsets": "use_toolsets appends named toolsets behind the agent's own.",
        },
    ),
    *kept(
        "agent-file.md §2.2",
        {
            "file:2.2:default": "The default agent is root or the first; the order is the file's.",
        },
    ),
    *kept(
        "agent-file.md §2.5",
        {
            "file:2.5:skills": "The forms of skills, their defaults and merging.",
        },
    ),
    *kept(
        "agent-file.md §2.6",
        {
            "file:2.6:commands": (
                "Commands are read in both forms and merged; the first of a name wins."
            ),
        },
    ),
    *kept(
        "agent-file.md §2.7",
        {
            "file:2.7:alloy": (
                "An alloy is expanded, also nested; unknown parts and circles are errors."
            ),
            "file:2.7:inline": (
                "Provider/model is split at the first slash and registered; an exact name wins."
            ),
        },
    ),
    *kept(
        "agent-file.md §2.8",
        {
            "file:2.8:auth": "Federated credentials are checked.",
            "file:2.8:definition": "A provider definition is checked.",
        },
    ),
    *kept(
        "agent-file.md §2.9.1",
        {
            "file:2.9.1:lifecycle": "A lifecycle is checked.",
        },
    ),
    *kept(
        "agent-file.md §2.9",
        {
            "file:2.9:allowed-on": "A toolset's key is accepted on its types alone.",
            "file:2.9:domains": "Hosts, suffixes and networks are accepted as domains.",
            "file:2.9:oauth": "A redirect of a sign-in is https, or http on a loopback host.",
            "file:2.9:raw-options": (
                "The keys of a type stay raw for its adapter, with their place."
            ),
            "file:2.9:required": "What a type of toolset needs is demanded.",
        },
    ),
    *kept(
        "agent-file.md §3.4",
        {
            "file:3.4:shape": "A selector is checked for its shape and candidates.",
        },
    ),
    *kept(
        "agent-file.md §3.9",
        {
            "file:3.9:words": "A thinking budget is a number or one of the words.",
        },
    ),
    *kept(
        "agent-file.md §5.6",
        {
            "file:5.6:forms": "References to agents of other files are recognised and named.",
        },
    ),
    *kept(
        "agent-file.md §6.1",
        {
            "file:6.1:empty": "A variable that is set but empty hides later sources.",
            "file:6.1:mounted": (
                "Mounted secrets are read by name, without a way out of their directory."
            ),
            "file:6.1:one-password": "A 1Password reference is never given out as the secret.",
            "file:6.1:order": "The first source of the chain that has a variable wins.",
            "file:6.1:own-file": "An unusable .env of the configuration directory is a warning.",
            "file:6.1:pass": "Pass is asked once per name, bounded, for names of variables alone.",
        },
    ),
    *kept(
        "agent-file.md §6.2",
        {
            "file:6.2:format": "The format of env files; errors name file and line.",
        },
    ),
    *kept(
        "agent-file.md §6.3",
        {
            "file:6.3:flag": (
                "--env-from-file may be repeated and hold commas; its errors name the flag."
            ),
            "file:6.3:paths": "Which paths --env-from-file may name.",
        },
    ),
    *kept(
        "agent-file.md §6.4",
        {
            "file:6.4:names": "The names in model and base_url are found.",
            "file:6.4:rules": "Which variables a model needs.",
        },
    ),
    *kept(
        "agent-file.md §7.1",
        {
            "file:7.1:defaults": "Where the directories lie.",
            "file:7.1:flags": "Flags move the directories.",
            "file:7.1:no-home": "Without a home they lie in the temporary directory.",
            "file:7.1:private": "Directories are made when needed, for their owner alone.",
        },
    ),
    *kept(
        "agent-file.md §9",
        {
            "file:9:Q13": "A set but empty variable hides later sources.",
            "file:9:Q4": "A mounted secret loses one newline; the output of pass is trimmed.",
        },
    ),
    *kept(
        "STYLE.md §Errors; DESIGN.md §2",
        {
            "file:convert:place": "A raw part keeps file, line, path and plain data.",
            "file:convert:rest": "Keys a Struct does not declare can be kept raw.",
            "file:convert:types": (
                "A field is read by its type; what does not fit is said with its place."
            ),
        },
    ),
]
