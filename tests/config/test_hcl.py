"""Agent files written in HCL come to the same as those in YAML. Source: agent-file.md §1.2."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.decode import decode
from docker_agent.config.parse import parse
from docker_agent.errors import ConfigError
from tests.requirements import requirement

NAME = "agent.hcl"


def hcl(text: str, directory: Path | None = None) -> dict[str, object]:
    """What an HCL text says."""
    return decode(dedent(text).encode(), NAME, directory).plain()


def value(expression: str, directory: Path | None = None) -> object:
    """What an expression comes to."""
    return hcl(f"x = {expression}\n", directory)["x"]


def complaint(text: str, directory: Path | None = None) -> str:
    """What is said about an HCL text, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        hcl(text, directory)
    assert str(caught.value).startswith(f"{NAME}:")
    return str(caught.value).removeprefix(f"{NAME}:")


@requirement("file:1.2:same-as-yaml")
def test_a_whole_team_is_the_same_in_both_forms(tmp_path: Path) -> None:
    """agent-file.md §1.2: afterwards everything is identical to YAML."""
    (tmp_path / "style.md").write_text("Be kind.\n")
    in_hcl = """
        # A team.
        version = 12
        provider "mine" {
          api_type = "openai_chatcompletions"
          base_url = "$${env.MODEL_URL}"
        }
        model "fast" {
          provider    = "mine"
          model       = "m"
          temperature = 0.5
          routing {
            model    = "slow"
            examples = ["why"]
          }
        }
        model "slow" {
          provider = "mine"
          model    = "big"
        }
        mcp "time" {
          remote {
            url = "https://example.com/mcp"
          }
        }
        agent "zed" {
          model       = "fast"
          description = file("style.md")
          sub_agents  = ["root"]
        }
        agent "root" {
          model = "fast"
          instruction = <<-EOT
            You are kind.

              Really.
          EOT
          toolset "think" {}
          toolset "script" {
            shell "greet" {
              cmd = "echo hi"
            }
          }
          toolset "mcp" {
            ref = "time"
          }
          fallback {
            models = ["slow"]
          }
          hooks {
            pre_tool_use {
              matcher = "shell"
              hook {
                type    = "command"
                command = "true"
              }
            }
            stop = [{ type = "command", command = "true" }]
          }
          command "plan" {
            instruction = "Plan."
          }
        }
        permissions {
          deny = ["shell:cmd=rm*"]
        }
    """
    in_yaml = """
        version: 12
        providers:
          mine: {api_type: openai_chatcompletions, base_url: "${env.MODEL_URL}"}
        models:
          fast: {provider: mine, model: m, temperature: 0.5,
                 routing: [{model: slow, examples: [why]}]}
          slow: {provider: mine, model: big}
        mcps:
          time: {remote: {url: https://example.com/mcp}}
        agents:
          zed: {model: fast, description: "Be kind.\\n", sub_agents: [root]}
          root:
            model: fast
            instruction: "You are kind.\\n\\n  Really.\\n"
            toolsets:
              - type: think
              - type: script
                shell: {greet: {cmd: echo hi}}
              - {type: mcp, ref: time}
            fallback: {models: [slow]}
            hooks:
              pre_tool_use: [{matcher: shell, hooks: [{type: command, command: "true"}]}]
              stop: [{type: command, command: "true"}]
            commands: {plan: {instruction: Plan.}}
        permissions: {deny: ["shell:cmd=rm*"]}
    """
    ours = hcl(in_hcl, tmp_path)
    theirs = decode(dedent(in_yaml).encode(), "agent.yaml").plain()
    assert ours == theirs
    agents = ours["agents"]
    assert isinstance(agents, dict)
    assert list(agents) == ["zed", "root"]  # pyright: ignore[reportUnknownArgumentType]
    file = parse(dedent(in_hcl).encode(), NAME, tmp_path)
    assert [agent.name for agent in file.agents] == ["zed", "root"]


_BLOCKS: list[tuple[str, dict[str, object]]] = [
    ('rag "a" {}\nrag "b" {}', {"rag": {"a": {}, "b": {}}}),
    ('toolsets "t" {\n type = "think"\n}', {"toolsets": {"t": {"type": "think"}}}),
    ('skill "s" {}', {"skills": {"s": {}}}),
    ("post_edit {}\npost_edit {}", {"post_edit": [{}, {}]}),
    ("strategy {}", {"strategies": [{}]}),
    ("session_start {}", {"session_start": [{}]}),
    ("turn_start {}", {"turn_start": {}}),
    ('anything "a" {}\nanything "b" {}', {"anything": {"a": {}, "b": {}}}),
    ("agent root {}", {"agents": {"root": {}}}),
    ("for {\n in = 1\n}", {"for": {"in": 1}}),
]


@requirement("file:1.2:blocks")
@pytest.mark.parametrize(("text", "plain"), _BLOCKS)
def test_a_block_becomes_what_its_kind_says(text: str, plain: dict[str, object]) -> None:
    """agent-file.md §1.2, the table."""
    assert hcl(f"{text}\n") == plain


@requirement("file:1.2:blocks")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nagent {}", "2: 'agent' takes one label: agent \"name\" { … }"),
        ('toolset "a" "b" {}', "1: 'toolset' takes one label: toolset \"name\" { … }"),
        ('permissions "x" {}', "1: 'permissions' takes no label: permissions { … }"),
        ('hook "x" {}', "1: 'hook' takes no label: hook { … }"),
        ('foo "x" "y" {}', "1: 'foo' has 2 labels; a block has at most one"),
        ('x "${1}" {}', "1: a label is a plain text, without ${ }"),
        ('agent "a" {}\n\nagent "a" {}', "3: the key 'a' is already defined at line 1"),
        ("cache {}\ncache {}", "2: the key 'cache' is already defined at line 1"),
        ('agents = {}\nagent "a" {}', "2: the key 'agents' is already defined at line 1"),
        ('toolset "x" {\n\n type = "y"\n}', "3: the key 'type' is already defined at line 1"),
        ("a = 1\na = 2", "2: the key 'a' is already defined at line 1"),
        ("a = {\n b = 1\n b = 2\n}", "3: the key 'b' is already defined at line 2"),
        ('toolset "x" {}\ntoolsets "y" {}', "2: the key 'toolsets' is already defined at line 1"),
    ],
)
def test_wrong_labels_and_things_that_are_there_twice_are_errors(text: str, said: str) -> None:
    """agent-file.md §1.2 and §8, E3."""
    assert complaint(f"{text}\n") == said


@requirement("file:1.2:values")
@pytest.mark.parametrize(
    ("expression", "plain"),
    [
        ('"a"', "a"), ("12", 12), ("12.0", 12), ("0.5", 0.5), ("-3e2", -300), ("true", True),
        ("null", None), ('[1, "a",]', [1, "a"]), ('{a = 1, "b c": 2}', {"a": 1, "b c": 2}),
        ("{(1) = 2}", {"1": 2}), ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("0.1 + 0.2", 0.3),
        ("7 % -3", 1), ("-7 % 3", -1), ("1 / 4", 0.25), ("-(2)", -2), ("!false", True),
        ("1 < 2 && 2 <= 2", True), ("1 > 2 || 2 >= 3", False), ('"1" == 1', False),
        ("[1] == [1]", True), ("true != false", True), ('"2" * 3', 6), ('1 < 2 ? "y" : "n"', "y"),
        ('[for v in ["b", "a"] : "${v}!"]', ["b!", "a!"]),
        ("{for k, v in {b = 1, a = 2} : k => v if v > 1}", {"a": 2}),
        ("{for v in [1, 2, 3] : v % 2 == 0 ? 0 : 1 => v...}", {"1": [1, 3], "0": [2]}),
        ('{a = ["x", "y"]}.a[1]', "y"), ('["x", "y"].1', "y"), ('{a = 1}["a"]', 1),
        ("[{a = 1}, {a = 2}][*].a", [1, 2]), ("[{a = 1}].*.a", [1]), ("null[*]", []),
    ],
)  # fmt: skip
def test_an_expression_comes_to_its_value(expression: str, plain: object) -> None:
    """agent-file.md §1.2: attributes become plain values, integers when exact."""
    found = value(expression)
    assert found == plain
    assert type(found) is type(plain)


@requirement("file:1.2:templates")
@pytest.mark.parametrize(
    ("expression", "plain"),
    [
        (r'"a\tb\n\"c\" \\ \u00e9 \U0001F600"', 'a\tb\n"c" \\ é 😀'),
        ("\"$${env.X || 'd'} %%{x} $5 50%\"", "${env.X || 'd'} %{x} $5 50%"),
        ('"${1 + 1} ${true} ${"in ${"side"}"}"', "2 true in side"),
        ('"${[1]}"', [1]),
        ('"%{ if 1 < 2 }yes%{ else }no%{ endif }"', "yes"),
        ("<<E\nE\n", ""),
        ("<<E\n a\n\n  $${b} ${1}\\n\nE\n", " a\n\n  ${b} 1\\n\n"),
        ("<<-E\n    a\n\n      b\n    ${1}\n  E\n", "a\n\n  b\n1\n"),
        ("<<E\n%{ for v in [1, 2] ~}\n- ${v}\n%{ endfor ~}\nE\n", "- 1\n- 2\n"),
        ("<<E\n  ${~ 1 ~}  \nx\nE\n", "1x\n"),
        ("<<E\n%{ if false }a%{ endif }b\nE\n", "b\n"),
        ("<<E\n%{ for k, v in {a = 1} }${k}${v}%{ endfor }\nE\n", "a1\n"),
        ("<<E\nEE\n E E\nE\n", "EE\n E E\n"),
    ],
)
def test_a_text_is_a_template(expression: str, plain: object) -> None:
    """agent-file.md §1.2: strings and heredocs, `$${` and `%%{`; a heredoc keeps its last line
    break (parts.md G)."""
    assert value(expression) == plain


@requirement("file:1.2:file")
def test_a_file_is_read_verbatim_or_rendered_with_variables(tmp_path: Path) -> None:
    """agent-file.md §1.2: one function only."""
    template = "Hello ${name}!\n%{ for each in list ~}\n- ${each}\n%{ endfor ~}\n$${kept}\n"
    (tmp_path / "greet.md").write_text(template)
    assert value('file("greet.md")', tmp_path) == template
    rendered = value('file("greet.md", {name = "Ann", list = ["a", 2]})', tmp_path)
    assert rendered == "Hello Ann!\n- a\n- 2\n${kept}\n"
    assert value('"<${file("greet.md", {name = 1, list = []})}>"', tmp_path) == (
        "<Hello 1!\n${kept}\n>"
    )


@requirement("file:1.2:file")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('file("no.md")', "file('no.md'): cannot be read: No such file or directory"),
        ('file("../a.md")', "file('../a.md'): leaves the directory of the agent file"),
        ('file("/etc/hostname")',
         "file('/etc/hostname'): is an absolute path; write one relative to the agent file"),
        ('file("out.md")',
         "file('out.md'): leads out of the directory of the agent file through a symlink"),
        ('file("t.md", {a = 1})', "file('t.md'), its line 2: 'b' is not known; known are a"),
        ('file("t.md", {})', "file('t.md'), its line 2: 'b' means nothing here: a text stands in "
         'quotes, and what is filled in when the agent runs is written "$${env.NAME}"'),
        ('file("call.md", {a = 1})',
         "file('call.md'), its line 1: there is no function 'file'; a template file has none"),
        ('file("t.md", "x")', "the variables of file are an object, not a text"),
        ("file()", "file takes a path, and perhaps an object of variables"),
        ('file("t.md", {}, 1)', "file takes a path, and perhaps an object of variables"),
        ("file(1)", "file takes a path, not a number"),
        ('upper("x")', "there is no function 'upper'; the only one is file(path)"),
        ('a::b::c("x")', "there is no function 'a::b::c'; the only one is file(path)"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, call: str, said: str) -> None:
    """agent-file.md §1.2: local, relative, inside the directory; arguments checked."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "a.md").write_text("a")
    (inside / "out.md").symlink_to(tmp_path / "a.md")
    (inside / "t.md").write_text("one\n${b}\n")
    (inside / "call.md").write_text('${file("t.md")}')
    assert complaint(f"\n\nx = {call}\n", inside).removeprefix("3: ") == said


@requirement("file:1.2:file")
def test_an_agent_file_from_elsewhere_has_no_files_beside_it() -> None:
    """agent-file.md §1.2: inside the config file's directory, which a URL does not have."""
    assert complaint('x = file("a.md")\n') == (
        "1: file('a.md'): cannot be read: only an agent file on this machine has files beside it"
    )


@requirement("file:8:E3")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = \n", "1:5: unexpected the end of the line; a value is expected"),
        ('agent "x" {\n a = 1\n', "1:11: '{' is not closed before the file ends"),
        ("a: 1\n", "1:2: unexpected ':'; '=' or '{' is expected"),
        ('\na = "x\nb = "y"\n', "2:5: this quote is not closed on its line"),
        ('a = "x\n', "1:5: this quote is not closed on its line"),
        ("a = [1 2]\n", "1:8: unexpected '2'; ']' or ',' is expected"),
        ("a = <<END\nfoo\n", "1:5: this text is not closed: a line with nothing but END ends it"),
        ("a = 5-10\n", "1:6: write a blank behind the '-'"),
        ("a = env.X\n", "1: 'env' means nothing here: a text stands in quotes, and what is filled "
         'in when the agent runs is written "$${env.NAME}"'),
        ('a = "x ${env.X}"\n', "1: 'env' means nothing here: a text stands in quotes, and what is "
         'filled in when the agent runs is written "$${env.NAME}"'),
        ('a = "${1 2}"\n', "1:10: unexpected '2'; '}' is expected"),
        ("a = <<E\nx\n${1 2}\nE\n", "3: the expression '1 2' cannot be read"),
        ("a = <<E\nx\n${1) + (2}\nE\n", "3: '1) + (2' is no single expression"),
        ("a = <<E\nx\n${1\nE\n", "3: ${ or %{ is not closed; write $${ or %%{ to mean these "
         "characters"),
        ("a = <<E\n%{ if true }\nE\n", "2: %{ if … } lacks its %{ endif }"),
        ("a = <<E\n%{ endfor }\nE\n", "2: %{ endfor } closes no %{ for … }"),
        ("a = <<E\n%{ else }\nE\n", "2: %{ else } stands in no %{ if … }"),
        ("a = <<E\n%{ foo }\nE\n", "2: %{ foo } is no directive; there are if, else and for"),
        ("a = <<E\n%{ for in x }%{ endfor }\nE\n", "2: a loop is written %{ for name in list }"),
        ('a = "\\q"\n', "1: \\q means nothing; write \\\\ for a backslash"),
        ('a = "\\ud800"\n', "1: \\ud800 is no character"),
        ('a = "x${null}"\n', "1: null cannot stand in a text"),
        ("a = 1 / 0\n", "1: a division by zero"),
        ("a = true + 1\n", "1: true or false where a number is needed"),
        ("a = 1 ? 2 : 3\n", "1: a number where true or false is needed"),
        ("a = {b = 1}.c\n", "1: the object has no 'c'; it has: b"),
        ("a = [1][3]\n", "1: the list has 1 elements, so none at 3"),
        ("a = 1[0]\n", "1: a number has no elements"),
        ("a = [for v in 1 : v]\n", "1: 'for' goes through a list or an object, not through a "
         "number"),
        ('a = {for v in [1, 2] : "k" => v}\n',
         "1: the key 'k' comes twice; write => value... to gather"),
        ("a = 1e999\n", "1: '1e999' is too large a number"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_with_its_line(text: str, said: str) -> None:
    """agent-file.md §8, E3: parsing HCL."""
    assert complaint(text).partition("\n")[0] == said


@requirement("file:8:E3")
def test_a_syntax_error_shows_the_line() -> None:
    """agent-file.md §8: file, line, column, excerpt."""
    assert complaint('agent "root" {\n  model: "x"\n}\n') == (
        "2:8: unexpected ':'; '=' or '{' is expected\n      model: \"x\"\n           ^"
    )


@requirement("file:8:E3")
def test_an_error_of_a_key_names_the_line_of_the_hcl_file() -> None:
    """agent-file.md §1.2: afterwards everything is identical to YAML, the place included."""
    with pytest.raises(ConfigError) as caught:
        parse(b'agent "root" {\n  model = "a/b"\n  modle = 1\n}\n', NAME)
    assert str(caught.value) == f"{NAME}:3: agents.root: unknown key 'modle'; did you mean 'model'?"


@requirement("file:1.2:bounds")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 70 + "]" * 70, "is nested more than 64 levels deep"),
        ("a = " + "-(" * 70 + "1" + ")" * 70, "is nested more than 64 levels deep"),
        ("a = " + " + ".join(["1"] * 500), "is nested more than 64 levels deep"),
        ("a {\n" * 40 + "}\n" * 40, "blocks are nested more than 32 levels deep"),
        ("a = " + '"${' * 70 + "1" + '}"' * 70, "is nested more than 64 levels deep"),
        ("a = [" + "for v in [1,2,3,4,5,6,7,8,9] : [" * 20 + "1" + "]" * 20 + "]",
         "the file has more than 250000 values"),
        ("a = <<E\n%{ for v in [1,2,3,4,5,6,7,8,9] }" + "x" * 2_000_000 + "%{ endfor }\nE",
         "the template renders to more than 10485760 characters"),
        ("a = 9" + " * 9999999999999999999" * 60, "the number is too large"),
    ],
)  # fmt: skip
def test_depth_and_size_have_bounds(text: str, said: str) -> None:
    """agent-file.md §1.1, §1.4: caps; an evaluated file can grow where a written one cannot."""
    assert complaint(f"{text}\n").partition(": ")[2] == said


_WORDS = """
    agent "a" { } [ ] ( ) = , : "x" "${ }" $${ ${ %{ ~ if for in else endif endfor 1 -2.5 true null
    + - * / % && || ! == < ? <<-E \\ . .* [*] => ... file # // /* */
"""


@requirement("file:8:nothing-else")
@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from([*_WORDS.split(), "\n", "<<E\nx\nE\n"]), max_size=30).map(" ".join))
def test_any_words_of_hcl_are_a_file_or_an_error_for_the_operator(text: str) -> None:
    """STYLE.md, Errors: foreign errors become ours at the border."""
    try:
        found = parse(text.encode(), NAME)
    except ConfigError as exc:
        assert str(exc).startswith(f"{NAME}:")
        return
    assert isinstance(found, AgentFile)
