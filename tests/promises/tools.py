"""The promises of the toolsets and hooks."""

from __future__ import annotations

from tests.promises.promise import kept

TOOLS = [
    *kept(
        "runtime.md §5.4",
        {
            "tool:arguments:repairs": (
                "Slips that models make in arguments are repaired; what was right stays as it is."
            ),
            "tool:arguments:tidy": (
                "Rules and hooks judge arguments as the tool reads them, slips repaired, in every "
                "toolset of ours."
            ),
            "tool:arguments:errors": (
                "Arguments that cannot be read are refused with the field's name and its "
                "schema line."
            ),
        },
    ),
    *kept(
        "runtime.md §8.5",
        {
            "tool:arguments:schema": (
                "A tool's schema is one object with properties, without references."
            ),
        },
    ),
    *kept(
        "runtime.md §8.3; agent-file.md §2.9",
        {
            "tool:select:tools": (
                "`tools` keeps the named tools; unknown names are logged once; an unchanged "
                "listing is the same object."
            ),
            "tool:select:instruction": (
                "`instruction` replaces the prompt text; its first {ORIGINAL_INSTRUCTIONS} is "
                "the toolset's own."
            ),
        },
    ),
    *kept(
        "runtime.md §8.3",
        {
            "tool:select:readonly": "`readonly` keeps tools with the read-only hint.",
        },
    ),
    *kept(
        "runtime.md §9.4",
        {
            "tool:think:think": (
                "Think answers with the newest 50 thoughts and is safe to run in every mode "
                "but strict."
            ),
        },
    ),
    *kept(
        "runtime.md §1.3",
        {
            "tool:think:scope": "Thoughts stay with their conversation and agent.",
        },
    ),
    *kept(
        "runtime.md §9.1",
        {
            "tool:filesystem:read_file": (
                "read_file gives a file's text, by lines on request; missing files are `not found`."
            ),
            "tool:filesystem:read_multiple_files": (
                "read_multiple_files gives several files as text or JSON, errors in place."
            ),
            "tool:filesystem:write_file": (
                "write_file makes directories and says how many bytes were written."
            ),
            "tool:filesystem:list_directory": (
                "list_directory gives DIR and FILE lines, at most 100."
            ),
            "tool:filesystem:directory_tree": "directory_tree gives JSON of at most 100 nodes.",
            "tool:filesystem:search_files_content": (
                "search_files_content gives path:line:column: preview."
            ),
            "tool:filesystem:create_directory": (
                "create_directory makes directories and those above them."
            ),
            "tool:filesystem:remove_directory": "remove_directory removes empty directories only.",
            "tool:filesystem:binary": "Binary files are recognised and not shown as text.",
            "tool:filesystem:ignore_vcs": (
                "What .gitignore names, and .git, is hidden from listings, tree and search, not "
                "from read_file."
            ),
            "tool:filesystem:patterns": (
                "Patterns that models write can be stopped and hold up nobody."
            ),
            "tool:filesystem:race": "A link swapped in after the check leads nowhere.",
            "tool:filesystem:post_edit": (
                "post_edit commands run after writes, bounded, and are killed as a group."
            ),
            "tool:filesystem:instructions": (
                "The prompt text says how to work with files and what is closed."
            ),
        },
    ),
    *kept(
        "runtime.md §9.1; runtime.md §5.4",
        {
            "tool:filesystem:edit_file": "edit_file makes all replacements in order, or none.",
        },
    ),
    *kept(
        "runtime.md §9.1; runtime.md §5.7",
        {
            "tool:filesystem:limits": (
                "Reads, searches and pictures are bounded, and say so when cut."
            ),
            "tool:filesystem:images": "Pictures come as image parts of at most 4.5 MB.",
        },
    ),
    *kept(
        "runtime.md §9.1; chat-server.md §6",
        {
            "tool:filesystem:special": "Pipes, sockets and devices are refused and never block.",
        },
    ),
    *kept(
        "runtime.md §5.2",
        {
            "tool:filesystem:writes": (
                "Files are replaced as a whole keeping mode and links; writes to one path are "
                "made one after the other."
            ),
        },
    ),
    *kept(
        "chat-server.md §6; runtime.md §9.1",
        {
            "tool:filesystem:confinement": (
                "No path leads out of the allowed directories or into denied ones."
            ),
        },
    ),
    *kept(
        "runtime.md §9.1; agent-file.md §2.9",
        {
            "tool:filesystem:allow_list": (
                "allow_list and deny_list entries are expanded; malformed ones stop the start."
            ),
        },
    ),
    *kept(
        "chat-server.md §6",
        {
            "tool:filesystem:environment": (
                "Child processes get the environment without credentials."
            ),
        },
    ),
    *kept(
        "runtime.md §9.1; runtime.md §6.4",
        {
            "tool:filesystem:hints": "The nine tools carry their read-only and destructive hints.",
        },
    ),
    *kept(
        "agent-file.md §2.3",
        {
            "hook:add_date": "add_date gives today's date before every model call.",
            "hook:add_environment_info": (
                "add_environment_info describes directory, git, system and processor."
            ),
            "hook:add_prompt_files": (
                "add_prompt_files adds the nearest file of each name and the home directory's."
            ),
        },
    ),
]
