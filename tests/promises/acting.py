"""The promises of toolsets that act: shell, web, memory."""

from __future__ import annotations

from tests.promises.promise import kept

ACTING = [
    *kept(
        "runtime.md §9.2; chat-server.md §6",
        {
            "tool:environment:scrubbed": (
                "Processes of tools do not get provider keys, tokens, passwords or the "
                "server's own key, unless `env` lists them."
            ),
        },
    ),
    *kept(
        "runtime.md §8.6",
        {
            "tool:environment:own": (
                "Toolset `env` values are expanded as a shell would; an unset variable stops "
                "the start with its line."
            ),
            "api:headers": "Headers are templates over env and the incoming headers",
            "openapi:headers": "Incoming headers make it a toolset of the run",
        },
    ),
    *kept(
        "runtime.md §6.5",
        {
            "shell:label:destructive": (
                "Destructive shapes are found anywhere in a command, with their severity; the"
                " highest wins."
            ),
            "shell:label:quoting": (
                "Quotes, escapes, wrappers and substitutions hide nothing from the label."
            ),
            "shell:label:safe": (
                "Only whole commands of known harmless shapes without shell marks are safe."
            ),
            "shell:label:unknown": (
                "What neither list knows is unknown; what could write or run by an option is "
                "not safe."
            ),
            "tool:shell:safer": "`safer: true` refuses destructive commands in every mode.",
        },
    ),
    *kept(
        "runtime.md §6.3",
        {
            "shell:rules:unseen": (
                "Deny and ask rules count for commands whose name or text only the shell will know."
            ),
            "shell:rules:allow": (
                "An allow rule lets a command line through only when rules cover every "
                "command in it and every file it writes to, or a rule without wildcards is "
                "the line itself."
            ),
        },
    ),
    *kept(
        "runtime.md §20.2",
        {
            "runtime:20.2:shell-restricted": (
                "Restricted runs `ls -la` and refuses `rm -rf x` and `ls; rm x`."
            ),
            "runtime:20.2:shell-denied": (
                "A deny rule for `rm -rf` holds in autonomous mode, however the command is written."
            ),
            "runtime:20.2:shell-disconnect": (
                "A client that leaves ends the command with its whole process group."
            ),
            "runtime:20.2:todo-scope": "A todo list of one conversation is empty in another.",
        },
    ),
    *kept(
        "runtime.md §9.2",
        {
            "tool:shell:result": (
                "The shell answers with output and errors in order; its texts are exact; a "
                "failure is an error."
            ),
            "tool:shell:parameters": (
                "cmd (or command), cwd and timeout; without a command the expected JSON is shown."
            ),
            "tool:shell:timeout": (
                "A command ends at its timeout or the request's, with all it started: "
                "SIGTERM, SIGKILL 3 s later."
            ),
            "tool:shell:cancel": "Cancellation ends a command with all it started.",
            "tool:shell:nothing-left": (
                "Background processes of a command end with it and hold up its answer half a "
                "second at most."
            ),
            "tool:shell:progress": "Output is shown piece by piece while a command runs.",
            "tool:shell:shell": (
                "Commands run in the operator's $SHELL when it speaks the usual language, "
                "else /bin/sh; the prompt says what a model must know."
            ),
            "tool:shell:server": (
                "A model uses the shell through the server, within the permission rules."
            ),
        },
    ),
    *kept(
        "runtime.md §5.6; runtime.md §5.7",
        {
            "tool:shell:output": (
                "Output stops at 10 MB, and the command with it; what it leaves behind is "
                "heard for a little while."
            ),
        },
    ),
    *kept(
        "runtime.md §9.3",
        {
            "tool:script:schema": (
                "Each entry is a tool, sorted by name, with its arguments as schema."
            ),
            "tool:script:values": (
                "Only declared values travel, as environment variables, and are never run."
            ),
            "tool:script:result": (
                "A script answers with its output; a failure or 120 s is an error that names "
                "the command."
            ),
            "tool:script:checks": (
                "Unknown variables, `${env.X}`, doubled keys and unknown required arguments "
                "stop the start with file and line."
            ),
        },
    ),
    *kept(
        "runtime.md §9.3; runtime.md §5.4",
        {
            "tool:script:errors": (
                "Arguments that do not fit are told with their schema line; NUL is refused."
            ),
        },
    ),
    *kept(
        "runtime.md §9.5",
        {
            "tool:todo:results": (
                "The todo tools answer with exact JSON, and a reminder while items are open."
            ),
            "tool:todo:errors": (
                "An unknown status or an update of nothing is an error and changes nothing."
            ),
        },
    ),
    *kept(
        "runtime.md §9.5; runtime.md §1.3",
        {
            "tool:todo:scope": (
                "A list belongs to one agent of one conversation; `shared` to all its agents."
            ),
        },
    ),
    *kept(
        "DESIGN.md §1",
        {
            "tool:todo:failed-turn": "A turn that fails leaves the todo list as it was.",
        },
    ),
    *kept(
        "runtime.md §9.18",
        {
            "tool:user_prompt:declines": (
                "user_prompt declines at once and tells the model to ask in its reply."
            ),
        },
    ),
    *kept(
        "runtime.md §9.17",
        {
            "tool:session_context:empty": (
                "session_context is accepted, shows nobody's sessions and warns once."
            ),
        },
    ),
    *kept(
        "runtime.md §9.7",
        {
            "web:addresses:public": (
                "Loopback, private, link-local (metadata), shared, multicast, reserved and "
                "documentation addresses are not public, in every IPv6 form that carries them"
            ),
            "web:addresses:hosts": (
                "A domain means itself and its subdomains, `.x` and `*.x` its subdomains "
                "only, a CIDR hosts that are such addresses"
            ),
            "web:addresses:spellings": (
                "Decimal, octal and hexadecimal spellings of IPv4 addresses are recognised"
            ),
            "web:guard:spellings": "No spelling of a private address gets through the guard",
            "web:guard:names": (
                "A name that leads to a private address is refused after the look-up"
            ),
            "web:guard:connect": "Addresses are judged at the moment of connecting",
            "web:guard:redirects": "A redirect to a private address is refused",
            "web:guard:proxies": (
                "Guarded requests pass by the environment's proxies; with allow_private_ips "
                "they count"
            ),
            "web:redirects:steps": "At most 10 redirects are followed",
            "web:redirects:headers": "Configured headers are dropped when the host changes",
            "web:credentials": (
                "Credentials in an address are sent as such; the operator's netrc is not"
            ),
            "fetch:one": "The result of one URL, exactly",
            "fetch:many": (
                "Several URLs are a JSON array in order, at most 5 at once, under a total cap"
            ),
            "fetch:formats": "Accept and body follow the wanted format; only HTML is converted",
            "fetch:limits": (
                "A page is read up to 1 MiB, within the timeout of the call or the file"
            ),
            "fetch:arguments": "Parameters, repairs, read-only and open-world hints",
            "fetch:domains": "allowed_domains and blocked_domains hold, also at redirects",
            "fetch:private": "fetch refuses private addresses unless allowed",
            "fetch:robots": (
                "robots.txt is read once per site and call; 4xx allows, 5xx forbids; redirect"
                " targets count"
            ),
            "fetch:headers": "Configured headers are sent and win; incoming ones are not passed on",
            "fetch:html:markdown": "A web page becomes Markdown without scripts and styles",
            "fetch:html:text": "A web page becomes plain text",
            "fetch:html:hostile": "No page breaks the conversion",
            "fetch:html:charset": "The character set is found, a wrong one does no harm",
            "fetch:html:types": "HTML, text and binary bodies are told apart",
        },
    ),
    *kept(
        "runtime.md §8.3",
        {
            "web:guard:allowed": "allow_private_ips permits non-public addresses",
            "web:limits:time": "timeout bounds a request with all its redirects",
            "openapi:private": "The guard holds for the document and for the servers it names",
        },
    ),
    *kept(
        "agent-file.md §5",
        {
            "web:guard:untrusted": (
                "allow_private_ips of a file from elsewhere does not count unless the "
                "operator says so"
            ),
        },
    ),
    *kept(
        "DESIGN.md §7",
        {
            "web:redirects:methods": (
                "A redirected POST becomes GET or stays POST as the status says"
            ),
            "web:limits:packed": "gzip and deflate are unpacked; others are an error",
            "web:errors": "Failures of a request are said in words a model can act on",
            "fetch:robots:rules": (
                "The longest rule of the group that names us decides; hostile files take no time"
            ),
            "api:errors": "An api tool that cannot be called stops the start",
        },
    ),
    *kept(
        "runtime.md §5.7",
        {
            "web:limits:size": "An answer is read up to its limit, unpacked",
            "web:events": (
                "A stream of events is heard as it comes, with the guards and limits of any answer"
            ),
        },
    ),
    *kept(
        "runtime.md §1.3",
        {
            "web:cookies": "No cookie of one caller reaches another",
            "memory:scope": "Two callers never see each other's memories",
        },
    ),
    *kept(
        "runtime.md §9.8",
        {
            "api:request": (
                "Arguments are percent-encoded into the address; the rest is body or query"
            ),
            "api:result": "The body up to 30,000 characters; `HTTP n: body` as an error from 400",
            "api:limits": "allow_private_ips and timeout hold for api",
            "api:tool": "Name, description, schema; read-only for GET alone",
        },
    ),
    *kept(
        "runtime.md §5.4",
        {
            "api:arguments": (
                "Slips of a model are repaired; what does not fit names the field and its "
                "schema line"
            ),
        },
    ),
    *kept(
        "runtime.md §9.9",
        {
            "openapi:tools": (
                "Each operation is a tool: names, descriptions, merged parameters, body_ properties"
            ),
            "openapi:call": "Arguments go to path, query, headers, cookies and JSON body",
            "openapi:result": "Results as for api",
            "openapi:base": "The first server is the base, relative to the document",
            "openapi:document": (
                "JSON or YAML, OpenAPI 3.0 or 3.1, up to 10 MiB; others fail the listing"
            ),
            "openapi:cache": "TTL 10 min, ETag, last good copy, pauses after failures, status",
            "openapi:many": "More than 64 tools are warned about",
        },
    ),
    *kept(
        "runtime.md §9.6",
        {
            "memory:tools": "The five memory tools and their results, exactly",
            "memory:search": "All words must match, in any case; a category narrows",
            "memory:unknown": "An unknown id is an error",
            "memory:storage": (
                "SQLite, private to its owner; rows without scope belong to the caller without key"
            ),
            "memory:path": "The database stays inside the allowed directory",
            "memory:instructions": "What the instructions must say",
        },
    ),
    *kept(
        "runtime.md §1.1",
        {
            "memory:together": "Many users at once lose nothing",
        },
    ),
]
