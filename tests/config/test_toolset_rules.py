"""Which keys a toolset may have and must have, by its type."""

from __future__ import annotations

import pytest

from docker_agent.config.toolset_rules import KEYS, TYPES
from tests.config.reading import NAME, problems, read_agent
from tests.requirements import requirement

ALLOWED: dict[str, str] = {
    "env": "shell background_jobs script mcp lsp",
    "working_dir": "mcp lsp",
    "version": "mcp lsp",
    "command": "mcp lsp",
    "args": "mcp lsp",
    "ref": "mcp python rag",
    "remote": "a2a mcp",
    "config": "mcp",
    "lifecycle": "mcp lsp",
    "url": "a2a openapi open_url",
    "headers": "openapi a2a fetch",
    "timeout": "fetch api openapi a2a python",
    "allow_private_ips": "fetch api openapi a2a mcp mcp_catalog",
    "allowed_domains": "fetch",
    "blocked_domains": "fetch",
    "allow_list": "filesystem",
    "deny_list": "filesystem",
    "ignore_vcs": "filesystem",
    "post_edit": "filesystem",
    "path": "memory tasks",
    "shared": "todo",
    "shell": "script",
    "api_config": "api",
    "file_types": "lsp",
    "sudo_askpass": "shell",
    "safer": "shell",
    "recall": "background_jobs",
    "models": "model_picker",
    "allowed_servers": "mcp_catalog",
    "blocked_servers": "mcp_catalog",
    "rag_config": "rag",
    "name": "mcp a2a rag open_url",
}
VALUES: dict[str, str] = {
    "env": "{}", "args": "[]", "remote": "{url: 'http://h'}", "config": "{}", "lifecycle": "{}",
    "headers": "{}", "timeout": "1", "allow_private_ips": "false", "allowed_domains": "[h]",
    "blocked_domains": "[h]", "allow_list": "[h]", "deny_list": "[h]", "ignore_vcs": "true",
    "post_edit": "[]", "shared": "true", "shell": "{}", "api_config": "{}", "file_types": "[]",
    "sudo_askpass": "true", "safer": "true", "recall": "true", "models": "[a/b]",
    "allowed_servers": "[h]", "blocked_servers": "[h]", "rag_config": "{}", "url": "http://h",
    "ref": "docker:x",
}  # fmt: skip
NEEDED: dict[str, dict[str, str]] = {
    "mcp": {"command": "x"},
    "lsp": {"command": "x"},
    "rag": {"rag_config": "{}"},
    "a2a": {"url": "http://h"},
    "openapi": {"url": "http://h"},
    "open_url": {"url": "http://h"},
    "model_picker": {"models": "[a/b]"},
    "python": {"ref": "m:f"},
}


def _toolset(kind: str, keys: dict[str, str]) -> str:
    lines = "".join(f"        {key}: {value}\n" for key, value in keys.items())
    return f"agents:\n  r:\n    model: a/b\n    toolsets:\n      - type: {kind}\n{lines}"


@requirement("file:2.9:allowed-on", "file:8:E28")
@pytest.mark.parametrize("key", sorted(ALLOWED))
def test_a_key_is_accepted_on_its_types_alone(key: str) -> None:
    """agent-file.md §2.9: using a key on a type outside its list is an error."""
    allowed = ALLOWED[key].split()
    for kind in sorted(TYPES):
        value = "{headers: {}}" if (kind, key) == ("a2a", "remote") else VALUES.get(key, "x")
        needed = NEEDED.get(kind, {})
        if kind == "mcp" and key in ("ref", "remote", "allow_private_ips"):
            needed = {} if key != "allow_private_ips" else {"ref": "docker:x"}
        said = problems(_toolset(kind, {**needed, key: value}) + "rag:\n  docker:x: {}\n")
        if kind in allowed:
            assert said == [], kind
        else:
            line = 6 + len({**needed, key: value}) - 1
            assert said == [
                f"{NAME}:{line}: agents.r.toolsets[0].{key}: '{key}' can only be used with type "
                f"{', '.join(sorted(allowed))}, not with {kind}"
            ]


@requirement("file:2.9:allowed-on")
def test_every_key_is_in_the_table() -> None:
    """agent-file.md §2.9."""
    assert {*KEYS, "name"} == set(ALLOWED)


@requirement("file:2.9:required", "file:8:E28")
@pytest.mark.parametrize("kind", sorted(NEEDED))
def test_what_a_type_needs_is_demanded(kind: str) -> None:
    """agent-file.md §2.9: type requirements."""
    (line,) = problems(_toolset(kind, {}))
    assert line.startswith(f"{NAME}:5: agents.r.toolsets[0]: ")
    assert problems(_toolset(kind, NEEDED[kind])) == []


PLACE = f"{NAME}:6: agents.r.toolsets[0]"


@requirement("file:8:E28")
@pytest.mark.parametrize(
    ("kind", "key", "value", "said"),
    [
        ("shel", "tools", "[]", f"{NAME}:5: agents.r.toolsets[0].type: 'shel' is no toolset; "
         "did you mean 'shell'?"),
        ("switch_model", "models", "[a/b]", f"{NAME}:5: agents.r.toolsets[0].type: 'switch_model' "
         "is no toolset; did you mean 'model_picker'?"),
        ("fetch", "timeout", "fast", f"{PLACE}.timeout: 'fast' is a text; a whole number is "
         "expected"),
        ("fetch", "allowed_domains", "['a*b']", f"{PLACE}.allowed_domains[0]: 'a*b' is no host; "
         "write 'example.com', '.example.com' or '10.0.0.0/8'"),
        ("fetch", "blocked_domains", "['10.0.0.0/33']", f"{PLACE}.blocked_domains[0]: "
         "'10.0.0.0/33' is no network; write one such as '10.0.0.0/8'"),
        ("fetch", "blocked_domains", "[h, ' ']", f"{PLACE}.blocked_domains[1]: must not be blank"),
        ("filesystem", "allow_list", "['']", f"{PLACE}.allow_list[0]: must not be blank"),
        ("mcp_catalog", "allowed_servers", "[' ']", f"{PLACE}.allowed_servers[0]: must not be "
         "blank"),
        ("mcp", "remote", "{url: ''}", f"{PLACE}.remote: the key 'url' is missing"),
        ("mcp", "remote", "{url: 'http://h', transport_type: ws}", f"{PLACE}.remote."
         "transport_type: 'ws' is not possible here; use one of streamable, streamable-http, sse"),
        ("mcp", "remote", "{url: 'http://h', oauth: {}}", f"{PLACE}.remote.oauth: the key "
         "'clientId' is missing"),
        ("mcp", "remote", "{url: 'http://h', oauth: {clientId: c, callbackPort: 70000}}",
         f"{PLACE}.remote.oauth.callbackPort: must be at least 1 and at most 65535, got 70000"),
        ("mcp", "remote", "{url: 'http://h', oauth: {clientId: c, callbackRedirectURL: "
         "'http://h/x'}}", f"{PLACE}.remote.oauth.callbackRedirectURL: must be an absolute https "
         "address, or http on a loopback host"),
        ("script", "shell", "{t: {}}", f"{PLACE}.shell.t: the key 'cmd' is missing"),
    ],
)  # fmt: skip
def test_a_value_of_a_toolset_is_checked(kind: str, key: str, value: str, said: str) -> None:
    """agent-file.md §2.9."""
    assert problems(_toolset(kind, {key: value})) == [said]


@requirement("file:8:E28")
@pytest.mark.parametrize(
    ("kind", "keys", "said"),
    [
        ("mcp", {"command": "x", "ref": "docker:y"},
         f"{NAME}:5: agents.r.toolsets[0]: exactly one of command, remote.url or ref is needed; "
         "found command and ref"),
        ("mcp", {"command": "x", "allow_private_ips": "true"},
         f"{NAME}:7: agents.r.toolsets[0].allow_private_ips: 'allow_private_ips' needs a remote "
         "server or a ref"),
        ("mcp", {"remote": "{url: 'http://h'}", "working_dir": "x"},
         f"{NAME}:7: agents.r.toolsets[0].working_dir: 'working_dir' cannot be used with a remote "
         "server"),
        ("a2a", {"url": "http://h", "remote": "{url: 'http://h', headers: {}}"},
         f"{NAME}:7: agents.r.toolsets[0].remote.url: 'url' can only be used with type mcp; an "
         "agent has its own 'url'"),
        ("fetch", {"allowed_domains": "[a]", "blocked_domains": "[b]"},
         f"{NAME}:7: agents.r.toolsets[0].blocked_domains: 'allowed_domains' and 'blocked_domains' "
         "exclude each other"),
    ],
)  # fmt: skip
def test_keys_that_exclude_each_other_are_refused(
    kind: str, keys: dict[str, str], said: str
) -> None:
    """agent-file.md §2.9."""
    assert problems(_toolset(kind, keys)) == [said]


@requirement("file:2.9:domains")
@pytest.mark.parametrize(
    "domain",
    ["example.com", ".example.com", "'*.example.com'", "10.0.0.0/8", "'::1/128'", "127.0.0.1",
     "'[::1]'", "'::1'", "localhost", "bücher.example", "a_b.example", "Example.COM."],
)  # fmt: skip
def test_hosts_and_networks_are_accepted(domain: str) -> None:
    """agent-file.md §2.9, `allowed_domains`."""
    assert problems(_toolset("fetch", {"allowed_domains": f"[{domain}]"})) == []


@requirement("file:2.9:oauth")
@pytest.mark.parametrize(
    "url",
    ["https://h/cb", "http://localhost:1/cb", "'http://127.0.0.1:${callbackPort}/cb'"],
)
def test_redirects_of_a_sign_in_are_accepted(url: str) -> None:
    """agent-file.md §2.9, `remote.oauth`."""
    oauth = f"{{clientId: c, callbackRedirectURL: {url}}}"
    assert problems(_toolset("mcp", {"remote": f"{{url: 'http://h', oauth: {oauth}}}"})) == []


@requirement("file:2.9.1:lifecycle", "file:8:E28")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("profile: loose", ".profile: 'loose' is not possible here; use one of resilient, strict, "
         "best-effort"),
        ("restart: sometimes", ".restart: 'sometimes' is not possible here; use one of never, "
         "on_failure, always"),
        ("startup_timeout: -1s", ".startup_timeout: must be at least 0, got '-1s'"),
        ("max_restarts: -2", ".max_restarts: must be at least -1, got -2"),
        ("backoff: {jitter: 1.5}", ".backoff.jitter: must be at least 0 and at most 1, got 1.5"),
        ("backoff: {multiplier: -1}", ".backoff.multiplier: must be at least 0, got -1"),
        ("backoff: {initial: 1q}", ".backoff.initial: '1q' is no duration: 'q' is no unit; use one "
         "of ns, us, ms, s, m, h"),
    ],
)  # fmt: skip
def test_a_lifecycle_is_checked(value: str, said: str) -> None:
    """agent-file.md §2.9.1."""
    found = problems(_toolset("lsp", {"command": "x", "lifecycle": f"{{{value}}}"}))
    assert found == [f"{NAME}:7: agents.r.toolsets[0].lifecycle{said}"]


@requirement("file:2.9:raw-options")
def test_the_keys_of_a_type_stay_for_its_adapter() -> None:
    """DESIGN.md §2: each adapter owns its options."""
    toolset = read_agent(_toolset("fetch", {"tools": "[a]", "timeout": "5", "name": "~"})).toolsets[
        0
    ]
    assert toolset.tools == ("a",)
    assert toolset.options.plain() == {"timeout": 5}
    assert str(toolset.error("x", "timeout")) == f"{NAME}:7: agents.r.toolsets[0].timeout: x"
