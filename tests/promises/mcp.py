"""The promises of MCP servers as toolsets."""

from __future__ import annotations

from tests.promises.promise import kept

MCP = [
    *kept(
        "DESIGN.md §7",
        {
            "tool:contract:listing": (
                "Every toolset lists the same object until it changes, in names and schemas that "
                "every provider takes."
            ),
            "tool:contract:about": "Every toolset says what it is and how it stands.",
            "tool:contract:errors": "What a model writes wrong is a tool error in every toolset.",
            "tool:contract:end": "No toolset leaves a task behind.",
            "tool:contract:unknown-key": "A key that a toolset does not know has its place told.",
        },
    ),
    *kept(
        "runtime.md §10.2",
        {
            "mcp:stdio:old": "A server of the old protocol is started, listed and called.",
            "mcp:stdio:new": "A server of the new protocol is started, listed and called.",
            "mcp:stdio:missing": "A command that is not there is named, and not tried again.",
            "mcp:stdio:failing": (
                "A server that cannot start has its last lines of stderr in the log, and three "
                "starts before it counts as failed."
            ),
            "mcp:stdio:chatter": "What a server prints besides messages is left out.",
            "mcp:environment": (
                "A server gets the environment without credentials and the file's `env`, which "
                "wins, in its `working_dir`."
            ),
            "mcp:stop": "A server and all its children are gone within two seconds.",
        },
    ),
    *kept(
        "runtime.md §8.6",
        {"mcp:args": "`args` are expanded; a variable that is not set is an error."},
    ),
    *kept(
        "runtime.md §10.4",
        {
            "mcp:session:paged": "Listings of several pages are read whole.",
            "mcp:names": "Names get the prefix and only characters that models can use.",
            "mcp:changed": "A changed listing is seen at the next turn, in both protocols.",
        },
    ),
    *kept(
        "runtime.md §10.6",
        {
            "mcp:result:parts": "Text, pictures, sound, resources and links of a result arrive.",
            "mcp:call:timeout": "`call_timeout` ends a call, which is cancelled at the server.",
            "mcp:progress": "Progress is told as it comes.",
            "mcp:lost:during": "A connection lost during a call is an error; nothing runs twice.",
            "mcp:errors": "A server's error is a tool error that quotes it.",
            "mcp:huge": "Huge output arrives; endless output ends the server, not us.",
        },
    ),
    *kept("runtime.md §20.2", {"mcp:lost:between": "After a crash the next call reconnects."}),
    *kept(
        "runtime.md §3.8",
        {"mcp:cancel": "A cancelled call is cancelled at the server, in both protocols."},
    ),
    *kept(
        "runtime.md §10.7",
        {
            "mcp:elicitation": "Elicitation is declined at once.",
            "mcp:lifecycle:policy": (
                "A lifecycle block decides what is started again, how often and how soon; a call "
                "waits, and is told how things stand."
            ),
            "mcp:sampling": "Sampling is refused.",
            "mcp:roots": "Roots are the working directory.",
        },
    ),
    *kept(
        "runtime.md §8.7",
        {
            "mcp:lifecycle:never": "`restart: never` leaves a server that ended as it is.",
            "mcp:lifecycle:clean": "A server that left in peace is started by its next use.",
            "mcp:lifecycle:restarts": "`max_restarts` bounds restarts.",
            "mcp:start:timeout": "`startup_timeout` bounds a start.",
        },
    ),
    *kept(
        "DESIGN.md §4",
        {
            "mcp:start:background": "A run waits for a starting server, then goes on without.",
            "mcp:serve:reload": "A reload starts new servers and ends the old ones.",
            "mcp:serve:without": "What a run goes on without is in the log and in /ready.",
        },
    ),
    *kept(
        "chat-server.md §1; chat-server.md §2",
        {
            "mcp:serve:answers": "The socket answers before slow servers have started.",
            "mcp:serve:ready": "/ready names what is not ready only with the key.",
        },
    ),
    *kept("runtime.md §1.2", {"mcp:serve:required": "A required server that fails is fatal."}),
    *kept(
        "runtime.md §1.3",
        {"mcp:serve:users": "Users share the connection; a cancelled call is one user's."},
    ),
    *kept(
        "runtime.md §3.8; runtime.md §10.2",
        {
            "mcp:serve:ends": (
                "A client that leaves, the deadline and SIGTERM end calls and processes at once."
            ),
        },
    ),
    *kept(
        "runtime.md §6.4",
        {"mcp:serve:safety": "The tools that the mode refuses are listed once they are known."},
    ),
    *kept(
        "runtime.md §10.1",
        {
            "mcp:real:time": "The time server from PyPI answers, also named under `mcps`.",
            "mcp:real:git": "The git server from PyPI answers.",
            "mcp:real:filesystem": "The filesystem server from npm answers.",
            "mcp:real:memory": "The memory server from npm answers.",
            "mcp:real:everything": "The everything server from npm answers.",
        },
    ),
    *kept(
        "runtime.md §10.1",
        {
            "mcp:remote:streamable": "Streamable HTTP works in both protocols.",
            "mcp:remote:sse": "SSE works, named or found out.",
            "mcp:remote:unix": "A unix socket is a remote server too.",
            "mcp:remote:away": "A server that cannot be reached is told.",
        },
    ),
    *kept(
        "runtime.md §8.6",
        {
            "mcp:remote:headers": "Headers of a remote server are templates.",
            "mcp:serve:passed": "Headers of a client's request reach the server, for it alone.",
            "mcp:remote:passed": "Incoming headers reach the server, in a session for each caller.",
        },
    ),
    *kept(
        "runtime.md §10.6",
        {
            "mcp:remote:forgotten": (
                "A session that its server forgot is opened anew, and the call is sent once more."
            ),
            "mcp:remote:back": "A remote server that went and came back is found again.",
        },
    ),
    *kept(
        "runtime.md §10.5",
        {
            "mcp:remote:status": (
                "A server that asks for authorization fails with advice and is not tried again."
            ),
            "mcp:remote:guard": (
                "Addresses that are not public are refused by every spelling, name and DNS answer."
            ),
            "mcp:remote:secret": "What is secret in an address is told to nobody.",
            "mcp:remote:tls": "A certificate must be that of the name that was meant.",
            "mcp:remote:redirect": "A redirect to another place is not followed.",
            "mcp:remote:bounds": "Endless and packed answers are refused.",
        },
    ),
    *kept(
        "runtime.md §10.3",
        {
            "mcp:docker:gateway": "A server of Docker's catalogue runs behind the gateway.",
            "mcp:docker:catalog": "The catalogue is kept, and asked for by its tag.",
            "mcp:docker:unknown": "A name that is not in the catalogue is told.",
            "mcp:docker:missing": "Without docker the toolset says what can take its place.",
            "mcp:docker:remote": "A remote entry of the catalogue is a plain remote server.",
        },
    ),
    *kept(
        "agent-file.md §6.4",
        {
            "mcp:docker:secrets": (
                "Secrets of a catalogue server are needed at load, and reach it in a file alone."
            ),
            "mcp:docker:offline": "Without the catalogue the gateway is asked all the same.",
        },
    ),
    *kept(
        "chat-server.md §6",
        {"mcp:untrusted": "A file from elsewhere starts no command and reaches nothing private."},
    ),
    *kept(
        "runtime.md §10.5",
        {
            "mcp:oauth:login": "A person signs in once, in a browser.",
            "mcp:oauth:command": "The commands name what they cannot find.",
            "mcp:oauth:stored": "Tokens from before are used; their file is ours alone.",
            "mcp:oauth:refresh": "A token that has ended is renewed in silence.",
            "mcp:oauth:revoked": "A grant that is gone is told, and not tried in a loop.",
            "mcp:oauth:renewed-elsewhere": "Two users of one grant do not take it from each other.",
            "mcp:oauth:client": "A client with a secret of its own needs nobody.",
            "mcp:oauth:refused": "A refused sign-in is told.",
            "mcp:oauth:private": "A sign-in goes to public addresses only.",
        },
    ),
]
