"""The script toolset: an agent file's own commands as tools."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from docker_agent.config.convert import convert
from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import JSON, ToolList, ToolResult
from docker_agent.permissions import Rules, decide
from docker_agent.tools.port import READY
from docker_agent.tools.processes import MAX_OUTPUT
from docker_agent.tools.script import Script
from docker_agent.tools.script_options import ScriptOptions
from docker_agent.tools.table import TOOLSETS, Opening
from tests.config.reading import tree
from tests.requirements import requirement
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/home/me", "CITY": "Rome"}


def script(directory: Path, text: str, *, seconds: float = 30.0) -> Script:
    """The toolset of an entry, which begins with its `shell:`."""
    options = convert(tree(text), ScriptOptions)
    return Script(options, directory, ENVIRON, Values({"V": "value"}).get, seconds)


async def call(toolset: Script, name: str, **arguments: JSON) -> ToolResult:
    """One call, which must end before the test is given up."""
    with anyio.fail_after(30):
        return await toolset.call(name, arguments, context())


async def listing(toolset: Script) -> ToolList:
    return await toolset.tools(around())


SEARCH = """
shell:
  search:
    cmd: grep -n "$pattern" ${file}
    description: Search a file.
    args:
      pattern: {type: string, description: What to look for.}
      file:
    required: [pattern]
  a-list:
    cmd: ls
"""


@requirement("tool:script:schema")
async def test_each_entry_is_a_tool(tmp_path: Path) -> None:
    """runtime.md §9.3: sorted by name; the type is string unless said; nothing is required unless
    said."""
    toolset = script(tmp_path, SEARCH)
    first, second = (await listing(toolset)).specs
    assert (first.name, first.description) == ("a-list", "Execute shell command: ls")
    assert first.parameters == {"type": "object", "properties": {}, "required": []}
    assert (second.name, second.description) == ("search", "Search a file.")
    assert second.parameters == {
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "description": "What to look for."},
            "file": {"type": "string"},
        },
        "required": ["pattern"],
    }
    assert toolset.status == READY
    assert not decide(Rules(), "restricted", first, {}).allowed


@requirement("tool:script:schema")
async def test_names_that_no_model_may_have_are_changed(tmp_path: Path) -> None:
    """runtime.md §5.1: 64 letters, digits, `_` and `-`; two must not come out the same."""
    toolset = script(tmp_path, "shell: {my tool: {cmd: echo hi}}")
    assert [spec.name for spec in (await listing(toolset)).specs] == ["my_tool"]
    assert (await call(toolset, "my_tool")).text == "hi"
    with pytest.raises(ConfigError, match="name of another tool"):
        script(tmp_path, "shell: {my tool: {cmd: ls}, my.tool: {cmd: ls}}")


@requirement("tool:script:values")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a b"),
        ("; rm -rf /", "; rm -rf /"),
        ("$(touch evil)`touch evil`", "$(touch evil)`touch evil`"),
        ("'\"\\", "'\"\\"),
        ("a\nb", "a\nb"),
        (5, "5"),
        (1.5, "1.5"),
        (True, "true"),
        ([1, "a"], '[1,"a"]'),
        ({"a": 1}, '{"a":1}'),
        ("", ""),
    ],
)
async def test_values_travel_as_variables_and_are_never_run(
    tmp_path: Path, value: JSON, text: str
) -> None:
    """runtime.md §9.3: word splitting at most; texts as they are, others as JSON."""
    toolset = script(tmp_path, "shell: {say: {cmd: 'printf %s \"$v\"; echo $v', args: {v: {}}}}")
    found = await call(toolset, "say", v=value)
    assert not found.is_error
    assert found.text.startswith(text)
    assert [*tmp_path.iterdir()] == []  # noqa: ASYNC240 - a test


@requirement("tool:script:values")
async def test_only_declared_values_are_passed_on(tmp_path: Path) -> None:
    """runtime.md §9.3: null is left out, and so is a variable of the server's of that name."""
    toolset = script(
        tmp_path, "shell: {show: {cmd: env, args: {CITY: {}}, env: {OWN: '${env.V}'}}}"
    )

    async def seen(**arguments: JSON) -> dict[str, str]:
        lines = (await call(toolset, "show", **arguments)).text.splitlines()
        return dict(line.split("=", 1) for line in lines)

    assert (await seen(CITY="Paris", OTHER="x"))["CITY"] == "Paris"
    assert "OTHER" not in await seen(OTHER="x")
    assert "CITY" not in await seen()
    assert "CITY" not in await seen(CITY=None)
    assert (await seen())["OWN"] == "value"
    assert (await seen())["HOME"] == "/home/me"


@requirement("tool:script:errors")
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, 'argument `n` is missing; expected (required): "n": {"type": "integer"}'),
        ({"n": None}, "argument `n` is missing"),
        ({"n": "x"}, "argument `n` is of another type ('x')"),
        ({"n": 1.5}, "argument `n` is of another type (1.5)"),
        ({"n": True}, "argument `n` is of another type (True)"),
        ({"n": 1, "f": "x"}, "argument `f` is of another type"),
        ({"n": 1, "b": "yes"}, "argument `b` is of another type"),
        ({"n": 1, "e": "z"}, "argument `e` is none of the values there are"),
        ({"n": 1, "s": "a\0b"}, "argument `s` holds a NUL character"),
    ],
)
async def test_arguments_that_do_not_fit_are_told_with_their_schema(
    tmp_path: Path, arguments: dict[str, JSON], complaint: str
) -> None:
    """runtime.md §5.4: the field's name and its schema line; §9.3: NUL is refused."""
    text = """
    shell:
      t:
        cmd: echo "$n"
        args:
          n: {type: integer}
          f: {type: number}
          b: {type: boolean}
          e: {enum: [x, y]}
          s:
        required: [n]
    """
    toolset = script(tmp_path, text)
    with pytest.raises(ToolError) as caught:
        await call(toolset, "t", **arguments)
    assert complaint in str(caught.value)
    for good in ({"n": 1}, {"n": "12", "f": "1.5e3", "b": "true", "e": "x"}, {"n": 10**400}):
        assert not (await call(toolset, "t", **good)).is_error


@requirement("tool:script:result")
async def test_a_script_answers_with_its_output(tmp_path: Path) -> None:
    """runtime.md §9.3: combined output; a failure is an error with the command."""
    text = """
    shell:
      good: {cmd: "echo a; echo b >&2"}
      bad: {cmd: "echo no; exit 4"}
      slow: {cmd: "echo begun; sleep 600"}
      quiet: {cmd: "true"}
      endless: {cmd: "yes"}
    """
    toolset = script(tmp_path, text, seconds=2.0)
    assert await call(toolset, "good") == ToolResult("a\nb")
    assert await call(toolset, "quiet") == ToolResult("")
    assert await call(toolset, "bad") == ToolResult(
        "Error executing command 'echo no; exit 4': exit status 4\nOutput: no", is_error=True
    )
    assert await call(toolset, "slow") == ToolResult(
        "Error executing command 'echo begun; sleep 600': it was stopped after 2s\nOutput: begun",
        is_error=True,
    )
    endless = await call(toolset, "endless")
    assert endless.is_error and MAX_OUTPUT <= len(endless.text) < MAX_OUTPUT + 500


@requirement("tool:script:result")
async def test_a_script_runs_where_it_should(tmp_path: Path) -> None:
    """runtime.md §8.6, §9.3: `working_dir` below the agent's; unset variables are nothing."""
    (tmp_path / "value").mkdir()
    text = """
    shell:
      here: {cmd: pwd}
      there: {cmd: pwd, working_dir: "./$V$NOPE"}
      root: {cmd: pwd, working_dir: /}
    """
    toolset = script(tmp_path, text)
    assert (await call(toolset, "here")).text == str(tmp_path)
    assert (await call(toolset, "there")).text == f"{tmp_path}/value"
    assert (await call(toolset, "root")).text == "/"


@requirement("tool:script:checks")
@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("cmd: echo $nope", "$nope is none of 'args' or 'env'"),
        ("cmd: echo ${nope}", "$nope is none of 'args' or 'env'"),
        ("cmd: 'echo \"$nope\"'", "$nope is none of 'args' or 'env'"),
        ("cmd: \"echo it's\\\\'s $nope\"", "$nope is none of 'args' or 'env'"),
        ("cmd: \"echo it\\\\'s '$nope'\"", None),
        ("cmd: 'echo \"it''s $nope\"'", "$nope is none of 'args' or 'env'"),
        ("cmd: echo ${nope:-x}", "$nope is none of 'args' or 'env'"),
        ("cmd: 'echo ${env.TOKEN}'", "${env.TOKEN} is not replaced in a command"),
        ("{cmd: echo $a, args: {a: {}}, env: {a: b}}", "'a' is in 'args' too"),
        ("{cmd: echo, args: {a: {}}, required: [b]}", "'b' is none of 'args'"),
        ("cmd: ' '", "must not be blank"),
        ("{cmd: ls, args: [a]}", "is a list; a mapping is expected"),
        ("{cmd: ls, args: {a: string}}", "is a text; a mapping such as {type: string}"),
        ("{cmd: ls, args: {a=b: {}}}", "cannot be the name of an environment variable"),
        ("{cmd: ls, env: {a=b: c}}", "cannot be the name of an environment variable"),
        ("{cmd: ls, arg: {}}", "unknown key 'arg'"),
        ("{description: x}", "the key 'cmd' is missing"),
        ("cmd: echo $HOME $PATH $CITY $1 $? $@ $$ $PWD", None),
        ("{cmd: 'echo $a ${b}', args: {a: {}}, env: {b: c}}", None),
        ("cmd: for f in *; do echo $f; done", None),
        ("cmd: x=1; read a b; echo $x $a $b", None),
        ("cmd: \"awk '{print $NF}' x\"", None),
        ("cmd: echo \\$nope", None),
        ("cmd: echo 5$", None),
    ],
)
def test_slips_are_found_at_the_start(tmp_path: Path, entry: str, complaint: str | None) -> None:
    """runtime.md §9.3: load-time checks, each with its line."""
    inner = entry if entry.startswith("{") else f"\n    {entry}"
    text = f"shell:\n  t: {inner}\n"
    if complaint is None:
        script(tmp_path, text)
        return
    with pytest.raises(ConfigError) as caught:
        script(tmp_path, text)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith(("agent.yaml:2: shell.t", "agent.yaml:3: shell.t"))


@requirement("tool:script:checks")
def test_all_slips_are_told_at_once(tmp_path: Path) -> None:
    """DESIGN.md §6: an error says where; here for two tools."""
    with pytest.raises(ConfigError) as caught:
        script(tmp_path, "shell:\n  a: {cmd: $x $x $y}\n  b: {cmd: $z}\n")
    assert str(caught.value).split("\n") == [
        f"agent.yaml:{line}: shell.{tool}.cmd: ${name} is none of 'args' or 'env', and the "
        "environment has no such variable for tools"
        for line, tool, name in ((2, "a", "x"), (2, "a", "y"), (3, "b", "z"))
    ]


@requirement("tool:script:checks", "tool:environment:own")
async def test_the_toolsets_own_variables_are_known_to_its_commands(tmp_path: Path) -> None:
    """runtime.md §8.3, §9.3: `env` of the toolset is for all its tools."""
    options = tree("env: {GREETING: 'hi $NAME'}\nshell: {t: {cmd: echo $GREETING}}")
    async with TOOLSETS["script"](options, Opening(tmp_path, Values({"NAME": "Bob"}))) as toolset:
        assert (await toolset.call("t", {}, context())).text == "hi Bob"
    with pytest.raises(ConfigError, match=r"agent.yaml:1: env.GREETING: .*NAME not set"):
        async with TOOLSETS["script"](options, Opening(tmp_path, Values({}))):
            pass
