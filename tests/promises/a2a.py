"""Agents elsewhere, over A2A."""

from __future__ import annotations

from tests.promises.promise import Promise, kept

A2A: tuple[Promise, ...] = (
    *kept(
        "runtime.md §9.10",
        {
            "a2a:skills": (
                "Each skill of an agent is a tool with one argument, one for an agent without any; "
                "names in [a-z0-9_]"
            ),
            "a2a:card": (
                "The card lies at agent-card.json or at agent.json; one that cannot be had leaves "
                "the toolset out, and the last good one is kept"
            ),
            "a2a:stream": (
                "The answer is the text of messages, states and artifacts, in the order they came"
            ),
            "a2a:silent": "An agent that says nothing has answered 'No response from agent'",
            "a2a:context": (
                "A conversation goes on in the agent's context, no other sees it, and what fails "
                "advances nothing"
            ),
            "a2a:failed": (
                "A task that failed, was rejected or canceled, or waits for a sign-in is an error"
            ),
            "a2a:fallback": "An agent that does not stream is asked for the whole answer",
            "a2a:input": "An agent's question is handed back, and answered in its task",
            "a2a:versions": "Versions 0.3 and 1.0 of the protocol are spoken, as the card says",
        },
    ),
    *kept(
        "runtime.md §8.3",
        {
            "a2a:guard": (
                "Without allow_private_ips neither a card, nor an address in it, nor a redirect "
                "leads to a private address"
            ),
        },
    ),
    *kept(
        "runtime.md §8.6",
        {
            "a2a:headers": (
                "Headers are templates, stay on the host of the card, and are quoted nowhere"
            ),
        },
    ),
    *kept(
        "DESIGN.md §8",
        {
            "a2a:cancel": (
                "A call that is left closes its stream at once, and its task is cancelled there"
            ),
            "a2a:hostile": "Whatever an agent answers, a call has limits and ends in an answer",
        },
    ),
    *kept(
        "runtime.md §5.6",
        {"a2a:large": "Of a large answer a model sees a notice and the end"},
    ),
    *kept(
        "runtime.md §1.3",
        {
            "a2a:served": "Two users of a server each have a conversation of their own with it",
        },
    ),
)
