"""The promises of chat-server.md §6 and §7: safety, and conversations that are kept."""

from __future__ import annotations

from tests.promises.promise import kept

SAFETY = "chat-server.md §6"
CONVERSATIONS = "chat-server.md §7"

CHAT_RULES = [
    *kept(
        SAFETY,
        {
            "chat:6:modes": (
                "autonomous for a local file on loopback, restricted elsewhere; the file may "
                "only tighten it; the log at the start names what is refused, and the model is "
                "told."
            ),
            "chat:6:rules": (
                "deny rules always count, an ask rule is a refusal, an allow rule lets a call "
                "through in every mode."
            ),
            "chat:6:opened": "The start log names what allow rules and allow lists open.",
            "chat:6:hooks": "pre_tool_use hooks always count.",
            "chat:6:confined": "filesystem without allow_list stays in the working directory.",
        },
    ),
    *kept(
        SAFETY,
        {
            "chat:6:remote": (
                "allow rules and allow lists of files from elsewhere count only with --safety."
            ),
        },
    ),
    *kept(
        CONVERSATIONS,
        {
            "chat:7:off": "Without --conversations-max the header is ignored and nothing is kept.",
            "chat:7:headers": (
                "X-Conversation-Id, X-OpenWebUI-Chat-Id, X-Session-Id: the first wins; at most "
                "256 printable characters; a blank one is none."
            ),
            "chat:7:scope": "A conversation belongs to a caller's key and an entry agent.",
            "chat:7:resent": "A resent history is compared by what was shown, then continued.",
            "chat:7:branch": (
                "A history that differs branches at the difference and replaces what was stored."
            ),
            "chat:7:system": "System messages stay those of the first turn.",
            "chat:7:failure-safe": "A transcript is stored only after the run succeeded.",
            "chat:7:busy": "A second request for a busy id is 409 at once.",
            "chat:7:side-requests": (
                "Open WebUI's side requests touch no conversation, take no lease and run without "
                "tools."
            ),
        },
    ),
    *kept(
        "seed.txt:98-100; seed.txt:139-141; chat-server.md §1",
        {
            "chat:1:conversation-flags": (
                "Conversations idle for --conversation-ttl are forgotten, at --conversations-max "
                "the longest unused; impossible values are usage errors."
            ),
        },
    ),
    *kept(
        "DESIGN.md §4",
        {"chat:7:follow-ups": "Follow-ups in one conversation are never refused."},
    ),
]
