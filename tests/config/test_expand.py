"""Variables in fields of an agent file: the shell-like form, the literal-safe one, templates."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.config.expand import (
    expand_literal,
    expand_shell,
    expand_template,
    needless_template_warning,
    variable_names,
)
from docker_agent.config.template import evaluate
from docker_agent.errors import ConfigError
from tests.requirements import requirement

ENV = {"X": "ex", "Y_2": "why", "EMPTY": "", "ODD": "a`b\\c${d}$X", "toString": "named"}


@requirement("file:1.6:shell")
@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${X}/$X/${env.X}/${ env.X }", "ex/ex/ex/ex"),
        ("$Y_2-${Y_2}.", "why-why."),
        ("[$EMPTY]", "[]"),
        ("$ $1 $$ ${} ${1} ${a b} ${env.} 5$", "$ $1 $$ ${} ${1} ${a b} ${env.} 5$"),
        ("$ODD", "a`b\\c${d}$X"),
        ("${ X }", "${ X }"),
    ],
)
def test_the_shell_like_form_replaces_names(text: str, expanded: str) -> None:
    """agent-file.md §1.6, row 2."""
    assert expand_shell(text, ENV.get) == expanded


@requirement("file:1.6:shell", "file:8:E35")
@pytest.mark.parametrize("text", ["$NO", "${NO}", "a ${env.NO}"])
def test_an_unset_variable_is_an_error_or_nothing(text: str) -> None:
    """agent-file.md §1.6 and §8."""
    with pytest.raises(ConfigError, match=r"^environment variable NO not set$"):
        expand_shell(text, ENV.get)
    assert expand_shell(text, ENV.get, missing="empty") in ("", "a ")


@requirement("file:6.4:names")
def test_the_names_are_those_that_would_be_asked_for() -> None:
    """agent-file.md §6.4: the names in model and base_url."""
    text = "$A ${B} ${env.C} ${env.D || 'd'} $1 ${ env.E }"
    assert variable_names(text) == {"A", "B", "C", "E"}


@requirement("file:1.6:literal")
@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${env.X}-$X-${X}-$HOME", "ex-$X-${X}-$HOME"),
        ("${env.NO}|${env.EMPTY}", "|"),
        ("${env.X || 'd'}", "${env.X || 'd'}"),
    ],
)
def test_the_literal_safe_form_replaces_plain_names_of_env_alone(text: str, expanded: str) -> None:
    """agent-file.md §1.6, row 3."""
    assert expand_literal(text, ENV.get) == expanded


TEMPLATES = [
    ("nothing $X ${", "nothing $X ${"),
    ("${env.X} and ${env.NO}.", "ex and ."),
    ("${env.ODD}", "a`b\\c${d}$X"),
    ("\\${env.X} `q` $${env.X}", "\\ex `q` $ex"),
    ("${env.NO || 'd'}", "d"),
    ("${env.X || 'd'}", "ex"),
    ("${env.X === 'ex' ? 'yes' : 'no'} \\n `", "yes \\n `"),
    ("${env['X'].toUpperCase()}", "EX"),
    ("${env[['Y', '2'].join('_')]}", "why"),
    ("${env.toString}${env.hasOwnProperty || 1}", "named1"),
    ("${[1, 2].map(n => n * 2)}", "2,4"),
    ("broken ${foo kept", "broken ${foo kept"),
    ("${unknown()} and ${env.X}", "${unknown()} and ex"),
    ("${NAME} and ${env.X}", "${NAME} and ex"),
    ("${nope} ${null}|${undefined}|${0}", "${nope} ||0"),
    ("${nope} ${'}'}${`}`}${{a: {b: 1}}.a.b}", "${nope} }}1"),
    ("${`${env.X}!`}", "ex!"),
    ("${a b} ${env.X || 'open", "${a b} ${env.X || 'open"),
    ("${args[0]}", "${args[0]}"),
    ("${tool({a: 1})} ${env.X}", "${tool({a: 1})} ex"),
    ("${require('fs')}${typeof process}", "${require('fs')}undefined"),
    ("€ ${env.X || 1} 😀", "€ ex 😀"),
    ("${'\\ud83d'} ${nope}", "\ufffd ${nope}"),
    ("${'x'.repeat(1 << 28)} ${env.X}", "${'x'.repeat(1 << 28)} ex"),
    ("${(() => { while (true) {} })()} ${env.X}", "${(() => { while (true) {} })()} ex"),
    ("${/(a+)+$/.test('a'.repeat(40) + 'b')}", "${/(a+)+$/.test('a'.repeat(40) + 'b')}"),
    ("${(function f() { return f() })()}", "${(function f() { return f() })()}"),
]


@requirement("file:1.6:template")
@pytest.mark.parametrize(("text", "expanded"), TEMPLATES)
def test_a_template_is_evaluated_whole_or_piece_by_piece(text: str, expanded: str) -> None:
    """agent-file.md §1.6, JS engine details, and §11, test 6; parts.md G for the bounds."""
    assert expand_template(text, ENV.get) == expanded


@requirement("file:1.6:template")
def test_endless_pieces_do_not_add_up() -> None:
    """agent-file.md §1.6: time limits; a file must not stop the start for long."""
    text = "${(() => { while (true) {} })()}" * 1000
    assert expand_template(text, ENV.get) == text


@requirement("file:1.6:template-values")
def test_further_values_are_names_of_their_own() -> None:
    """agent-file.md §1.6: `args` in commands; runtime.md §8.6: `headers`."""
    text = "${args[0]} ${headers['X-User'] || 'nobody'} ${args.length}"
    values = {"args": ["a'b"], "headers": {"X-User": "é"}}
    assert expand_template(text, ENV.get, values) == "a'b é 1"


@requirement("file:1.6:template")
@settings(deadline=None, max_examples=50)
@given(st.text())
def test_text_without_a_dollar_brace_stays(text: str) -> None:
    """agent-file.md §1.6, JS engine details, 1."""
    text = text.replace("${", "$")
    assert expand_template(text, ENV.get) == text


@requirement("file:1.6:template")
@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")), st.text())
def test_the_short_way_answers_as_javascript_does(text: str, value: str) -> None:
    """agent-file.md §1.6: plain names need no JavaScript, and mean the same (but for a carriage
    return, which is a line feed to JavaScript)."""
    text = text.replace("$", "") + "${env.V}" + text.replace("$", "").replace("}", "")
    env = {"V": value}.get
    assert expand_template(text, env) == evaluate(text, env, {})


@requirement("file:1.6:start-up")
def test_javascript_starts_only_when_it_is_needed() -> None:
    """agent-file.md §1.6; DESIGN.md §6: import cost counts."""
    script = """
import sys
from docker_agent.config.parse import parse
from docker_agent.config.expand import expand_template
parse(b"agents: {r: {model: a/b, instruction: '${env.X}'}}", "a.yaml")
assert expand_template("${env.X} ${env.Y}", {"X": "1"}.get) == "1 "
heavy = {"quickjs", "aiohttp", "starlette", "uvicorn"} & set(sys.modules)
assert not heavy, heavy
assert expand_template("${env.X || 1}", {}.get) == "1"
assert "quickjs" in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@requirement("file:1.6:warning")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello ${NAME}", "${NAME} stays as it is; write ${env.NAME}"),
        ("Hello ${NAME} ${env.X}", None),
        ("Hello $NAME", None),
        ("Hello ${a.b}", None),
    ],
)
def test_a_name_without_env_is_worth_a_warning(text: str, said: str | None) -> None:
    """agent-file.md §1.6: warn when a field contains a name but no `env.` at all."""
    assert needless_template_warning(text) == said
