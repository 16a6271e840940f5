"""`docker-agent check`: what it shows, what it says, how it ends. Source: agent-file.md §8, §11."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.harness import run_command
from tests.requirements import requirement

TEAM = """\
version: "9"
models:
  fast: {provider: mine, model: m-1}
  slow: {provider: mine, model: m-2}
providers:
  mine: {api_type: openai_chatcompletions, base_url: "http://localhost:1/v1", token_key: MINE_KEY}
agents:
  helper:
    model: slow
    description: Helps.
    toolsets:
      - {type: shell}
      - {type: mcp, command: some-server, name: files}
  root:
    model: fast
    description: "Answers.\\n\\e[31mred"
    sub_agents: [helper]
    handoffs: [helper]
    fallback: {models: [openai/gpt-5]}
    toolsets: [{type: filesystem, tools: [read_file, write_file]}]
permissions:
  deny: ["read_*"]
"""


@requirement("cli:check:tree")
def test_the_team_is_shown_as_a_tree(tmp_path: Path) -> None:
    """The file's team, what this machine lacks, and what the safety mode refuses."""
    (tmp_path / "team.yaml").write_text(TEAM)
    done = run_command("check", "team.yaml", "--safety", "restricted", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == """\
team.yaml: version 9, 2 agents
├── helper: Helps.
│   ├── model slow = mine/m-2 (needs MINE_KEY)
│   ├── toolset shell: shell
│   ├── refused by safety mode restricted: shell (but not every call)
│   └── toolset mcp files: its tools are known once it runs
└── root (default): Answers. ?[31mred
    ├── model fast = mine/m-1 (needs MINE_KEY)
    ├── fallback openai/gpt-5 (needs OPENAI_API_KEY)
    ├── toolset filesystem: read_file, write_file
    ├── refused by safety mode restricted: read_file, write_file
    ├── gives tasks to helper
    └── hands off to helper
missing on this machine: MINE_KEY, OPENAI_API_KEY
The file is right, but this machine lacks what it needs.
"""
    )


SIDE = """\
models:
  own: {provider: ollama, model: x, compaction_model: groq/z,
        routing: [{model: openai/t, examples: [why]}]}
agents: {root: {model: own, toolsets: [{type: think, model: mistral/q}]}}
"""


@requirement("cli:check:tree")
def test_models_that_are_no_agents_own_are_looked_at_too(tmp_path: Path) -> None:
    """Those of rules, summaries and toolsets: serve would not start without them."""
    (tmp_path / "a.yaml").write_text(SIDE)
    done = run_command("check", "a.yaml", home=tmp_path)
    assert "missing on this machine: GROQ_API_KEY, MISTRAL_API_KEY, OPENAI_API_KEY" in done.stdout
    assert "\nbeside them: model groq/z (needs GROQ_API_KEY)\n" in done.stdout
    for name in ("groq", "openai", "mistral"):
        (tmp_path / "a.yaml").write_text(SIDE.replace(name, f"{name}x"))
        done = run_command("check", "a.yaml", "--json", home=tmp_path)
        told = json.loads(done.stdout)
        assert (done.returncode, told["ok"]) == (1, False)
        assert f"unknown provider type '{name}x'; did you mean '{name}'?" in told["problems"][0]


@requirement("cli:check:hooks")
@pytest.mark.parametrize(
    ("event", "name", "said"),
    [
        (
            "turn_start",
            "add_dates",
            "there is no builtin hook 'add_dates'; did you mean 'add_date'?",
        ),
        ("turn_start", "elsewhere", "there is no builtin hook 'elsewhere'; use one of add_date, "),
        ("stop", "redact_secrets", "redact_secrets"),
        ("session_start", "add_date", "add_date"),
    ],
)
def test_builtin_hooks_that_no_server_takes_are_problems(
    event: str, name: str, said: str, tmp_path: Path
) -> None:
    """What stops the server is said before: hooks of other programs, and misplaced ones."""
    (tmp_path / "hooks.yaml").write_text(
        "agents:\n"
        "  root:\n"
        "    model: openai/gpt-5\n"
        f"    hooks: {{{event}: [{{type: builtin, command: {name}}}]}}\n"
    )
    env = {"OPENAI_API_KEY": "k"}
    checked = run_command("check", "hooks.yaml", home=tmp_path, env=env)
    served = run_command("serve", "chat", "hooks.yaml", "-l", "127.0.0.1:0", home=tmp_path, env=env)
    place = f"hooks.yaml:4: agents.root.hooks.{event}[0]"
    problem = next(line for line in checked.stdout.splitlines() if line.startswith("problem: "))
    assert problem.startswith(f"problem: {place}")
    assert said in problem
    assert (checked.returncode, served.returncode) == (1, 1)
    assert problem.removeprefix("problem: ") in served.stderr


@requirement("cli:check:json")
def test_other_programs_get_json(tmp_path: Path) -> None:
    """The same as one JSON object."""
    (tmp_path / "team.yaml").write_text(TEAM)
    env = {"MINE_KEY": "k", "OPENAI_API_KEY": "secret-value"}
    done = run_command("check", "team.yaml", "--json", "--strict", home=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["ok"], told["default"], told["missing"], told["problems"]) == (
        True,
        "root",
        [],
        [],
    )
    assert [agent["name"] for agent in told["agents"]] == ["helper", "root"]
    root = told["agents"][1]
    assert root["toolsets"] == [
        {
            "type": "filesystem",
            "name": "filesystem",
            "tools": ["read_file", "write_file"],
            "refused": ["read_file"],
            "refused_in_part": [],
        }
    ]
    assert root["models"] == [{"name": "fast", "provider": "mine", "model": "m-1"}]
    assert "secret-value" not in done.stdout


@requirement("cli:check:json")
@pytest.mark.parametrize(
    ("reference", "problems"),
    [
        ("a.yaml", ["a.yaml:1: agents.root: unknown key 'modle'; did you mean 'model'?",
                    "a.yaml:2: agents.root.toolsets: is a number; a list is expected"]),
        ("no.yaml", ["reading config file no.yaml: No such file or directory; "
                     "give the path of an agent file"]),
        (".", [". is a directory; name an agent file in it"]),
    ],
    ids=["two", "missing", "directory"],
)  # fmt: skip
def test_other_programs_get_each_problem_by_itself(
    tmp_path: Path, reference: str, problems: list[str]
) -> None:
    """JSON whatever is wrong, also with the reference itself; a person gets a line for each."""
    (tmp_path / "a.yaml").write_text("agents: {root: {modle: x,\n toolsets: 3}}\n")
    done = run_command("check", reference, "--json", home=tmp_path)
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], told["problems"]) == (1, False, problems)
    if len(problems) > 1:
        done = run_command("check", reference, home=tmp_path)
        assert [f"problem: {each}" for each in problems] == done.stdout.splitlines()[1:-1]


@requirement("cli:check:status")
@pytest.mark.parametrize(
    ("text", "flags", "status", "said"),
    [
        ("agents: {root: {model: ollama/llama3.2}}", (), 0, "The file is right."),
        ("agents: {root: {model: openai/gpt-5}}", (), 0, "on this machine: OPENAI_API_KEY"),
        ("agents: {root: {model: openai/gpt-5}}", ("--strict",), 1, "lacks what it needs"),
        ("agents: {root: {model: local/smollm2}}", (), 0,
         "unavailable: local/smollm2: run docker-agent models pull smollm2"),
        ("agents: {root: {model: m}}", (), 1, "a.yaml:1: agents.root.model: agent 'root'"),
        ("agents: {root: {model: opnai/gpt-5}}", (), 1, "unknown provider type 'opnai'"),
        ("agents: {root: {model: a/b, modle: x}}", (), 1, "did you mean 'model'?"),
        ("agents: [", (), 1, "a.yaml:2:1: did not find"),
        ("agents: {}", (), 1, "no agents are defined"),
        ("agents: {root: {model: ollama/llama3.2}}", ("--agent", "x"), 1, "agent 'x' not found"),
        ("agents: {root: {model: ollama/llama3.2}}\npermissions: {deny: ['mcp:x']}", (), 1,
         "'mcp:x' must name a server"),
        ("models: {any: {first_available: [openai/a, mistral/b]}}\nagents: {root: {model: any}}",
         (), 0, "unavailable: a.yaml:1: models.any.first_available: none of first_available"),
        ("models: {any: {first_available: [openai/a, mistral/b]}}\nagents: {root: {model: any}}",
         ("--strict",), 1, "mistral/b: MISTRAL_API_KEY"),
        ("agents: {root: {model: ollama/llama3.2, instruction: 'Hi ${USER}'}}", ("--strict",), 1,
         "warning: agents.root.instruction: ${USER} stays as it is; write ${env.USER}"),
        ("agents: {root: {model: ollama/llama3.2, toolsets: [{type: shell, env: {A: $NOPE}}]}}", (),
         1, "environment variable NOPE not set"),
        ("agents: {root: {model: auto}}",
         ("--strict", "--models-gateway", "http://127.0.0.1:1"), 0, "The file is right."),
        ("models: {any: {first_available: [openai/a, mistral/b]}}\nagents: {root: {model: any}}",
         ("--strict", "--models-gateway", "http://127.0.0.1:1"), 0, "model any = openai/a"),
        ("agents: {root: {model: ollama/a, cache: {enabled: true, path: ../a.json}}}", (), 1,
         "a.yaml:1: agents.root.cache.path: '../a.json' leads out of"),
        ("agents: {root: {model: ollama/a, hooks: {turn_start: [{type: builtin, "
         "command: add_dat}]}}}", (), 1, "there is no builtin hook 'add_dat'; did you mean"),
        ("agents: {root: {model: ollama/a, hooks: {turn_start: [{type: model, model: ollama/a, "
         "prompt: '{{ nonsense'}]}}}", (), 1, "agents.root.hooks.turn_start[0].prompt"),
    ],
)  # fmt: skip
def test_the_exit_status_tells_whether_the_file_is_right(
    tmp_path: Path, text: str, flags: tuple[str, ...], status: int, said: str
) -> None:
    """0 for a file that is right; --strict also wants what this machine lacks."""
    (tmp_path / "a.yaml").write_text(text)
    done = run_command("check", "a.yaml", *flags, home=tmp_path)
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout
    assert "Traceback" not in done.stderr


@requirement("cli:check:status")
def test_a_file_that_is_not_there_is_said_in_a_line(tmp_path: Path) -> None:
    """agent-file.md §8, E1."""
    done = run_command("check", "no.yaml", home=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "no.yaml" in done.stdout + done.stderr


@requirement("cli:check:quiet")
def test_nothing_is_started_and_nothing_written(tmp_path: Path) -> None:
    """A look, not a start: no database, no process, no folder."""
    (tmp_path / "a.yaml").write_text(
        "agents: {root: {model: ollama/llama3.2, toolsets: [{type: memory}, {type: fetch},"
        " {type: mcp, command: touch, args: [started]}]}}"
    )
    done = run_command("check", "a.yaml", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]
