"""The promises about skills."""

from __future__ import annotations

from tests.promises.promise import kept

SKILLS = [
    *kept(
        "runtime.md §13.1; agent-file.md §2.5",
        {
            "skills:found": (
                "Skills lie in known folders, the nearest of a name wins; those of the operator's "
                "home count only on a loopback address."
            ),
        },
    ),
    *kept(
        "runtime.md §13.2",
        {
            "skills:front-matter": (
                "SKILL.md has front matter with name and description; a broken one is left out "
                "with the reason."
            ),
            "skills:files": "Nothing outside a skill's folder, or of its project, is read.",
            "skills:commands": (
                "Commands in local skills run where a shell call would be allowed, else they stay."
            ),
            "skills:remote": (
                "A web server's skills are fetched by its index, kept as Cache-Control says, never "
                "from another server."
            ),
        },
    ),
    *kept(
        "runtime.md §13.3",
        {
            "skills:tools": "read_skill and read_skill_file read; the prompt lists all skills.",
            "skills:served": "A served agent lists, filters and reads its skills.",
            "skills:fork": (
                "run_skill works in a conversation of its own with the tools, toolsets and model "
                "it names; no skill runs in a skill."
            ),
        },
    ),
]
