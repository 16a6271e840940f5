"""What processes of tools may know."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError
from docker_agent.tools.environment import own_environment, scrubbed
from docker_agent.tools.table import TOOLSETS, Opening
from tests.config.reading import tree
from tests.requirements import requirement
from tests.tools.surroundings import context

pytestmark = pytest.mark.anyio


@requirement("tool:environment:scrubbed")
@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("ANTHROPIC_API_KEY", False),
        ("AWS_ACCESS_KEY_ID", False),
        ("AWS_BEARER_TOKEN_BEDROCK", False),
        ("AWS_SECRET_ACCESS_KEY", False),
        ("AWS_SESSION_TOKEN", False),
        ("CLIENT_SECRET_FILE", False),
        ("DB_PASSWORD", False),
        ("GITHUB_TOKEN", False),
        ("GOOGLE_APPLICATION_CREDENTIALS", False),
        ("HF_TOKEN", False),
        ("MYSQL_PWD", False),
        ("OVH_AI_ENDPOINTS_ACCESS_TOKEN", False),
        ("PGPASSWORD", False),
        ("github_token", False),
        ("SERVER_WORD", False),
        ("PATH", True),
        ("HOME", True),
        ("PWD", True),
        ("OLDPWD", True),
        ("KEYBOARD", True),
        ("TOKENIZERS_PARALLELISM", True),
        ("SSH_AUTH_SOCK", True),
    ],
)
def test_what_looks_like_a_credential_is_left_out(name: str, kept: bool) -> None:
    """chat-server.md §6, runtime.md §9.2: provider keys, tokens, the server's own key."""
    assert (name in scrubbed({name: "x"}, {"SERVER_WORD"})) == kept


@requirement("tool:environment:own")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("$A", "one"),
        ("${A}-x", "one-x"),
        ("${env.A}", "one"),
        ("$EMPTY", ""),
        ("cost: 5$", "cost: 5$"),
    ],
)
def test_values_are_expanded_as_a_shell_would(value: str, expected: str) -> None:
    """runtime.md §8.6: toolset `env` values."""
    raw = tree(f"B: '{value}'")
    assert own_environment(raw, Values({"A": "one", "EMPTY": ""}).get) == {"B": expected}


@requirement("tool:environment:own")
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("A: x\nB: $NOPE", "agent.yaml:2: B: environment variable NOPE not set"),
        ("'A=B': x", "cannot be the name of an environment variable"),
        ("'': x", "cannot be the name of an environment variable"),
        ('A: "x\\0y"', "holds a NUL character"),
    ],
)
def test_what_no_environment_can_hold_stops_the_start(text: str, complaint: str) -> None:
    """runtime.md §8.6: an undefined variable is an error; it is told with its line."""
    with pytest.raises(ConfigError) as caught:
        own_environment(tree(text), Values({}).get)
    assert complaint in str(caught.value)


@requirement("tool:environment:scrubbed", "tool:environment:own")
async def test_a_command_sees_the_servers_variables_without_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """runtime.md §9.2: scrubbed unless listed in `env`, which wins."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("GITHUB_TOKEN", "gh-secret")
    monkeypatch.setenv("CHAT_WORD", "own-secret")
    monkeypatch.setenv("CITY", "Rome")
    options = tree("env: {GITHUB_TOKEN: $TOKEN, CITY: Paris}")
    opening = Opening(
        tmp_path, Values({"TOKEN": "meant"}), withheld=frozenset({"CHAT_WORD", "OTHER"})
    )
    async with TOOLSETS["shell"](options, opening) as shell:
        result = await shell.call("shell", {"cmd": "env"}, context())
    seen = dict(line.split("=", 1) for line in result.text.splitlines() if "=" in line)
    assert (seen["GITHUB_TOKEN"], seen["CITY"]) == ("meant", "Paris")
    assert "PATH" in seen
    assert {"OPENAI_API_KEY", "CHAT_WORD"} & seen.keys() == set()
    assert "-secret" not in result.text
