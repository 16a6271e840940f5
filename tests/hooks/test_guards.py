"""Builtin hooks that look at a repository, count, judge or send. Source: runtime.md §12.6."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import anyio
import pytest

from docker_agent.errors import ConfigError
from docker_agent.hooks.builtins.add_directory_listing import MAX_ENTRIES, add_directory_listing
from docker_agent.hooks.builtins.add_git_diff import add_git_diff
from docker_agent.hooks.builtins.add_git_status import add_git_status
from docker_agent.hooks.builtins.add_recent_commits import add_recent_commits
from docker_agent.hooks.builtins.http_post import http_post
from docker_agent.hooks.builtins.max_iterations import max_iterations
from docker_agent.hooks.builtins.safer_shell import safer_shell
from docker_agent.hooks.git import CUT, MAX_OUTPUT
from docker_agent.hooks.port import NO_VERDICT, Hook, HookFailed, HookInput, Verdict
from docker_agent.loader.hook_ports import classified, posting
from docker_agent.messages import JSON
from docker_agent.tools.web import open_web
from tests.requirements import requirement
from tests.tools.web_server import site

pytestmark = pytest.mark.anyio

ENVIRON = {
    **{name: os.environ[name] for name in ("PATH",)},
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


async def said(hook: Hook, **more: JSON) -> Verdict:
    """What a hook says."""
    with anyio.fail_after(20):
        return await hook(HookInput("turn_start", "root", "/", "r1", **more))


def git(directory: Path, *words: str) -> None:
    """Run git."""
    who = ("-c", "user.name=n", "-c", "user.email=e@example.com")
    subprocess.run(
        ["git", *who, *words], cwd=directory, env=ENVIRON, check=True, capture_output=True
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with three commits and a change; its own settings try to run something."""
    place = tmp_path / "repository"
    place.mkdir()
    git(place, "init", "-q", "-b", "main")
    for number in range(3):
        (place / "file.txt").write_text(f"{number}\n")
        git(place, "add", ".")
        git(place, "commit", "-qm", f"Change {number}")
    (place / "file.txt").write_text("changed\n")
    (place / "new.txt").write_text("new")
    ran = f"touch {tmp_path}/ran"
    git(place, "config", "core.fsmonitor", ran)
    git(place, "config", "diff.external", ran)
    git(place, "config", "diff.evil.textconv", ran)
    (place / ".git" / "info" / "attributes").write_text("* diff=evil\n")
    return place


@requirement("hooks:git")
async def test_git_tells_what_changed(repository: Path, tmp_path: Path) -> None:
    """Branch and files, lines, titles; nothing that the repository brings along runs."""
    slots = asyncio.Semaphore(1)
    status = (await said(add_git_status(repository, ENVIRON, slots))).context
    assert status == "Git status:\n## main\n M file.txt\n?? new.txt"
    stat = (await said(add_git_diff((), repository, ENVIRON, slots))).context
    assert stat.startswith("Git diff:\n file.txt | 2 +-")
    full = (await said(add_git_diff(("full",), repository, ENVIRON, slots))).context
    assert "-2\n+changed" in full
    commits = (await said(add_recent_commits(("2",), repository, ENVIRON, slots))).context
    assert [line.partition(" ")[2] for line in commits.splitlines()] == [
        "commits:",
        "Change 2",
        "Change 1",
    ]
    assert not (tmp_path / "ran").exists()


@requirement("hooks:git")
async def test_git_says_little_or_nothing(repository: Path, tmp_path: Path) -> None:
    """At most 4096 bytes; outside a repository, or without git, nothing."""
    slots = asyncio.Semaphore(1)
    (repository / "file.txt").write_text("é\n" * 5000)
    full = (await said(add_git_diff(("full",), repository, ENVIRON, slots))).context
    assert full.endswith(CUT) and len(full.encode()) <= MAX_OUTPUT + len(
        f"Git diff:\n{CUT}".encode()
    )
    (tmp_path / "bare").mkdir()
    for directory, environ in (
        (tmp_path / "bare", {**ENVIRON, "GIT_CEILING_DIRECTORIES": str(tmp_path)}),
        (repository, {"PATH": "/nowhere"}),
        (tmp_path / "nope", ENVIRON),
    ):
        assert await said(add_git_status(directory, environ, slots)) == NO_VERDICT
        assert await said(add_recent_commits((), directory, environ, slots)) == NO_VERDICT


@requirement("hooks:git")
def test_arguments_of_git_hooks_are_checked(tmp_path: Path) -> None:
    """What they cannot take stops the start."""
    slots = asyncio.Semaphore(1)
    for args in (("half",), ("full", "full")):
        with pytest.raises(ConfigError, match="full"):
            add_git_diff(args, tmp_path, {}, slots)
    for args in (("0",), ("-1",), ("ten",), ("1", "2")):
        with pytest.raises(ConfigError, match="number above 0"):
            add_recent_commits(args, tmp_path, {}, slots)


@requirement("hooks:listing")
async def test_the_working_directory_is_listed(tmp_path: Path) -> None:
    """Sorted, directories with a slash, no hidden ones, at most 100."""
    hook = add_directory_listing(tmp_path)
    assert await said(hook) == NO_VERDICT
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").write_text("")
    (tmp_path / ".hidden").write_text("")
    assert (await said(hook)).context == "Working directory:\na.txt\nb/"
    for number in range(MAX_ENTRIES):
        (tmp_path / f"c{number:03}").write_text("")
    lines = (await said(hook)).context.splitlines()
    assert len(lines) == MAX_ENTRIES + 2 and lines[-1] == "… and 2 more"
    assert await said(add_directory_listing(tmp_path / "nope")) == NO_VERDICT


@requirement("hooks:max_iterations")
async def test_a_run_is_stopped_beyond_its_number() -> None:
    """The 1-based number of the call; a bad argument means nothing."""
    hook = max_iterations(("2",))
    blocks = [(await said(hook, iteration=number)).block is not None for number in (1, 2, 3)]
    assert blocks == [False, False, True]
    for args in ((), ("x",), ("0",), ("-1",)):
        assert await said(max_iterations(args), iteration=99) == NO_VERDICT


@requirement("hooks:safer_shell")
@pytest.mark.parametrize(
    ("args", "mode", "refused"),
    [
        (("unsafe",), "strict", ""),
        (("safer",), "strict", "rm"),
        (("strict",), "autonomous", "rm make"),
        ((), "autonomous", "rm"),
        ((), "balanced", "rm"),
        ((), "restricted", "rm make"),
        ((), "", "rm make"),
    ],
)
async def test_shell_commands_are_judged_by_policy(
    args: tuple[str, ...], mode: str, refused: str
) -> None:
    """runtime.md §6.5: destructive always, unknown under strict; `command` is read too."""
    hook = safer_shell(args, classified)
    found = ""
    for command in ("ls -la", "rm -rf x", "make all"):
        for key in ("cmd", "command"):
            tool = "shell" if key == "cmd" else "run_background_job"
            told = {"tool_name": tool, "tool_input": {key: command}, "safety_policy": mode}
            verdict = await said(hook, **told)
            if verdict.refusal is not None:
                found += f" {command.split()[0]}"
    assert found.split()[::2] == found.split()[1::2] == refused.split()
    assert await said(hook, tool_name="other", tool_input={"cmd": "rm -rf x"}) == NO_VERDICT
    with pytest.raises(ConfigError, match="unsafe, safer or strict"):
        safer_shell(("maybe",), classified)


@requirement("hooks:http_post")
async def test_what_a_hook_is_told_is_sent_without_secrets() -> None:
    """The document, or a template; another status than 2xx is a failure."""
    sent: list[tuple[str, bytes]] = []
    token, answer = "ghp_" + "a1B2" * 9, 204

    async def post(url: str, body: bytes) -> int:
        sent.append((url, body))
        return answer

    url = "https://example.com/hook"
    assert await said(http_post((url,), post), prompt=f"use {token}") == NO_VERDICT
    await said(http_post((url, '{"text": {{ toJSON .Prompt }}}'), post), prompt='say "hi"')
    assert sent[0][0] == url and b'"prompt":"use [REDACTED]"' in sent[0][1]
    assert sent[1][1] == b'{"text": "say \\"hi\\""}'
    answer = 500
    with pytest.raises(HookFailed, match="status 500"):
        await said(http_post((url,), post))
    for args in ((), ("ftp://x/",), ("nothing",), (url, "a", "b"), (url, "{{ .Nope }}")):
        with pytest.raises(ConfigError):
            http_post(args, post)


@requirement("hooks:http_post")
async def test_no_private_address_is_reached() -> None:
    """runtime.md §12.6: an address that a file brings along leads nowhere inside."""
    async with site({}) as server, open_web() as web:
        with pytest.raises(HookFailed, match="could not send"):
            await said(http_post((f"{server.url}/hook",), posting(web)))
        assert server.heard == []
    async with site({}) as server, open_web(allow_private_ips=True) as web:
        with pytest.raises(HookFailed, match="status 404"):
            await said(http_post((f"{server.url}/hook",), posting(web)))
