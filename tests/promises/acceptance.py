"""The promises of the acceptance list, and of two users at once."""

from __future__ import annotations

from tests.promises.promise import kept

ACCEPTANCE = [
    *kept(
        "runtime.md §1.3",
        {
            "two-users:state": (
                "Two keys at work at the same moment, under one conversation id: no toolset "
                "shows one what the other did."
            ),
            "two-users:failed": "A turn that fails advances no state, and hands nobody over.",
        },
    ),
    *kept(
        "runtime.md §11",
        {
            "two-users:team": ("Tasks, helpers and the active agent of one key are nobody else's."),
        },
    ),
    *kept(
        "runtime.md §8.6",
        {
            "two-users:headers": (
                "`${headers.X}` is the header of that very request; a key of this server is "
                "never passed on."
            ),
        },
    ),
    *kept(
        "runtime.md §20.2",
        {
            "runtime:20.2:handoff": (
                "A conversation goes on with the agent it was handed to; a new one begins anew."
            ),
        },
    ),
]
