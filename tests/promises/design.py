"""The promises of DESIGN.md and STYLE.md: ports, floors, tables, imports, and the tests' own
tools."""

from __future__ import annotations

from tests.promises.promise import kept

DESIGN = [
    *kept(
        "DESIGN.md §1",
        {
            "design:1:client-tools": "Client tools pause a run, and their answers resume it.",
            "design:1:hand-off-kept": "A hand-off is kept with the conversation.",
            "design:1:list-changed": "Tools that change during a run are seen on the next turn.",
            "design:1:compaction": "A summary travels with its turn through any store.",
            "design:1:failed-turn": "A failed turn advances no conversation and no toolset.",
            "design:1:parallel-sub-agents": "Sub-agents work side by side, each at its own depth.",
            "design:1:reload": (
                "A reload under a run leaves that run its team; a failed one keeps the old."
            ),
            "design:1:conversations": "A conversation is leased to one request and put once.",
            "design:1:toolset-port": "One toolset object serves all runs; contexts never meet.",
        },
    ),
    *kept(
        "DESIGN.md §9",
        {
            "disk:whole": (
                "A file that is kept for later is replaced at once, by several servers too; what "
                "fails leaves the old one."
            ),
        },
    ),
    *kept("DESIGN.md §2", {"design:2:floors": "Imports go down the floors only."}),
    *kept(
        "DESIGN.md §4",
        {"chat:4:follow-ups": "A client that answers at once never meets its own request."},
    ),
    *kept(
        "DESIGN.md §5",
        {
            "design:5:back-pressure": "A slow client slows the model; memory stays bounded.",
            "design:5:many-streams": "150 streams at once all get their text.",
        },
    ),
    *kept(
        "DESIGN.md §6",
        {"design:6:imports": "A command imports what it needs, and nothing heavy beside it."},
    ),
    *kept("DESIGN.md §7", {"design:7:tables": "Every adapter stands in its table."}),
    *kept(
        "DESIGN.md §8",
        {"chat:4:retry": "A model call is tried again only while it has shown nothing."},
    ),
    *kept(
        "STYLE.md §Rooms",
        {"style:sizes": "Functions fit on a screen; files hold one idea."},
    ),
    *kept(
        "STYLE.md §Benchmarks, docs, examples",
        {
            "style:docs": "Every code block of the documentation runs; generated parts are fresh.",
            "style:examples": "Every example runs.",
        },
    ),
    *kept(
        "STYLE.md §Tests",
        {
            "style:tests-notice": "Every listed breakage of the code has a line to break.",
            "style:requirements": "Every promise has a test, and every test's promise is listed.",
        },
    ),
]
