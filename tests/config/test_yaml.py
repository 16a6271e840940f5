"""What the text of an agent file means before anyone asks what it declares."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.config.decode import LARGEST, decode, looks_like_hcl
from docker_agent.config.tree import Items, Raw, Scalar, Table
from docker_agent.config.yaml_text import PureParser, fastest, read_yaml
from docker_agent.errors import ConfigError
from tests.config.reading import NAME, read, tree
from tests.requirements import requirement

SCALARS: list[tuple[str, object]] = [
    ("", None),
    ("~", None),
    ("null", None),
    ("Null", None),
    ("nULL", "nULL"),
    ("true", True),
    ("False", False),
    ("TRUE", True),
    ("tRue", "tRue"),
    ("yes", "yes"),
    ("no", "no"),
    ("on", "on"),
    ("Off", "Off"),
    ("y", "y"),
    ("0", 0),
    ("-19", -19),
    ("+7", 7),
    ("0777", 777),
    ("0o14", 12),
    ("0O14", "0O14"),
    ("0x3A", 58),
    ("0b101", "0b101"),
    ("1_000", "1_000"),
    ("12:30:45", "12:30:45"),
    ("2001-12-14", "2001-12-14"),
    ("0.", 0.0),
    ("-0.0", -0.0),
    (".5", 0.5),
    ("+12e03", 12000.0),
    ("-2E+05", -200000.0),
    ("1e3", 1000.0),
    (".", "."),
    ("+", "+"),
    ("1.2.3", "1.2.3"),
    (".inf", math.inf),
    ("-.Inf", -math.inf),
    ("+.INF", math.inf),
    ("18446744073709551615", 18446744073709551615),
    ("18446744073709551616", 18446744073709551616.0),
    ("-9223372036854775808", -9223372036854775808),
    ("9" * 5000, "9" * 5000),
    ("0x" + "f" * 17, "0x" + "f" * 17),
    ("=", "="),
    ("<<", "<<"),
    ("'12'", "12"),
    ('"true"', "true"),
    ("''", ""),
    ("!!str 12", "12"),
    ("!!int '12'", 12),
    ("!!bool 'true'", True),
    ("!!null ''", None),
    ("! 12", "12"),
    ("!include other.yaml", "other.yaml"),
    ("!secret 12", "12"),
    ("|\n  1\n", "1\n"),
]


@requirement("file:1.4:core-schema")
@pytest.mark.parametrize(("text", "value"), SCALARS)
@pytest.mark.parametrize("parser", [fastest, PureParser])
def test_a_scalar_means_what_the_core_schema_of_yaml_1_2_says(
    text: str, value: object, parser: type[PureParser]
) -> None:
    """agent-file.md §1.4; YAML 1.2.2 §10.3.2. With libyaml and without."""
    node = read_yaml(f"key: {text}\n", parser)
    assert isinstance(node, Table)
    scalar = node.entries["key"][1]
    assert isinstance(scalar, Scalar)
    found = scalar.value
    assert found == value
    assert type(found) is type(value)


@requirement("file:1.4:core-schema")
def test_not_a_number_is_one_of_the_numbers() -> None:
    """YAML 1.2.2 §10.3.2."""
    assert math.isnan(tree("key: .nan").plain()["key"])


@requirement("file:1.4:text-as-written")
@settings(deadline=None)
@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()))
def test_a_number_or_bool_is_its_text_where_a_text_is_expected(value: float) -> None:
    """agent-file.md §1.4: scalar where a string is expected."""
    text = str(value).lower()
    agent = read(f"agents: {{root: {{model: a/b, description: {text}}}}}").agents[0]
    assert agent.description == text


@requirement("file:1.4:core-schema")
@settings(deadline=None)
@given(st.integers(min_value=-(2**63), max_value=2**64 - 1))
def test_an_integer_survives_every_notation(value: int) -> None:
    """YAML 1.2.2 §10.3.2."""
    assert tree(f"key: {value}").plain() == {"key": value}
    if value >= 0:
        assert tree(f"key: 0x{value:x}").plain() == {"key": value}
        assert tree(f"key: 0o{value:o}").plain() == {"key": value}


@requirement("file:1.4:core-schema")
@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_survives(value: float) -> None:
    """YAML 1.2.2 §10.3.2."""
    assert tree(f"key: {value!r}").plain() == {"key": value}


@requirement("file:1.4:several-documents")
def test_only_the_first_document_counts() -> None:
    """agent-file.md §1.4."""
    assert tree("a: 1\n---\nb: [\n").plain() == {"a": 1}


@requirement("file:1.1:byte-order-mark", "file:1.1:first-line")
def test_a_byte_order_mark_and_a_script_line_are_legal() -> None:
    """agent-file.md §1.1."""
    assert decode(b"\xef\xbb\xbf#!/usr/bin/env docker-agent\r\na: 1\r\n", NAME).plain() == {"a": 1}


@requirement("file:1.1:json")
def test_json_is_read_as_it_is() -> None:
    """agent-file.md §1.1: JSON is a YAML subset and loads."""
    text = '{\n\t"agents": {"r": {"model": "a/b",\n "description": "\\ud83d\\ude00 \\/ \\u00e9"}}}'
    file = read(text)
    assert file.agents[0].description == "😀 / é"
    assert file.agents[0].source.line == 2


@requirement("file:1.1:json")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"a": "\\ud83d\\ude00",\n "b": 1,\n "b": 2}',
            "agent.yaml:3: the key 'b' is already defined",
        ),
        (
            '{"a": "\\ud83d\\ude00", "b": ' + "[" * 70 + "]" * 70 + "}",
            "agent.yaml:1: is nested more",
        ),
        ('{"a": "\\ud83d"}', "agent.yaml:1:10: found invalid Unicode"),
        ('{"a": "\\ud83d\\ude00", }', "agent.yaml:1:10: found invalid Unicode"),
    ],
)
def test_json_that_libyaml_refuses_is_checked_the_same_way(text: str, message: str) -> None:
    """DESIGN.md §6, row YAML."""
    with pytest.raises(ConfigError) as raised:
        decode(text.encode(), NAME)
    assert str(raised.value).startswith(message)


@requirement("file:1.1:json")
@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_every_json_text_means_the_same_as_json_says(value: object) -> None:
    """agent-file.md §1.1: JSON loads, also with surrogate escapes."""
    text = json.dumps({"key": value}, ensure_ascii=True)
    assert decode(text.encode(), NAME).plain() == {"key": value}


TABS = [
    ("a:\t1\t\n", {"a": 1}),
    ("a: 1\n\t\nb: 2\n", {"a": 1, "b": 2}),
    ("a: 1\n\t# comment\nb: 2\n", {"a": 1, "b": 2}),
    ("a: 1\t# comment\n", {"a": 1}),
    ("a:\n-\tx\n- \ty\n", {"a": ["x", "y"]}),
    ("a:\n  -\tb: 1\n    c: 2\n", {"a": [{"b": 1, "c": 2}]}),
    ('{\n\t"a":\t[\n\t1,\t2\n\t]\n}\n', {"a": [1, 2]}),
    ("a: |\n  x\n  \ty\n", {"a": "x\n\ty\n"}),
    ("a: 'x\n\ty'\n", {"a": "x y"}),
    ("a: x\n \ty\n", {"a": "x y"}),
]


@requirement("file:1.4:tabs")
@pytest.mark.parametrize(
    ("text", "value", "parser"),
    [*((*row, fastest) for row in TABS), *((*row, PureParser) for row in TABS[:6])],
)
def test_tabs_that_yaml_allows_pass(text: str, value: object, parser: type[PureParser]) -> None:
    """DESIGN.md §6, row YAML; YAML 1.2.2 §6.1. Without libyaml the commonest pass too."""
    node = read_yaml(text, parser)
    assert node is not None
    assert Raw(NAME, "", node).plain() == value


@requirement("file:1.4:tabs")
def test_a_tab_that_indents_is_refused_with_its_place() -> None:
    """YAML 1.2.2 §6.1."""
    with pytest.raises(ConfigError) as raised:
        tree("a:\n\tb: 1\n")
    assert str(raised.value) == "agent.yaml:2:1: a tab cannot indent; use blanks\n     b: 1\n    ^"


@requirement("file:1.4:core-schema")
def test_line_breaks_of_yaml_1_1_are_ordinary_characters() -> None:
    """YAML 1.2.2 §5.4."""
    assert tree("a: x\u2028y\u2029z\x85w\nb: 1").plain() == {"a": "x\u2028y\u2029z\x85w", "b": 1}


@requirement("file:1.5:anchors")
def test_anchors_and_aliases_work_also_when_an_anchor_is_used_again() -> None:
    """agent-file.md §1.5; YAML 1.2.2 §7.1 lets a name be used again."""
    assert tree("a: &x 1\nb: *x\nc: &x 2\nd: *x").plain() == {"a": 1, "b": 1, "c": 2, "d": 2}


@requirement("file:1.5:merge")
def test_a_merge_gives_what_the_mapping_does_not_say_itself() -> None:
    """agent-file.md §1.5: overrides are allowed everywhere; earlier mappings of a list win."""
    found = tree("""
        a: &a {x: 1, y: 1}
        b: &b {y: 2, z: 2}
        c: {y: 3, <<: [*a, *b]}
        d:
          <<: *a
          x: 4
    """).plain()
    assert found["c"] == {"y": 3, "x": 1, "z": 2}
    assert found["d"] == {"x": 4, "y": 1}


@requirement("file:1.5:merge")
def test_an_override_of_a_merged_key_is_accepted_in_agents_and_elsewhere() -> None:
    """agent-file.md §1.5 and §11, test 5."""
    file = read("""
        agents:
          root: &root {model: m, description: one}
          other: {<<: *root, description: two}
        models:
          m: &m {provider: openai, model: x, max_tokens: 1}
          n: {<<: *m, max_tokens: 2}
    """)
    assert [agent.description for agent in file.agents] == ["one", "two"]
    assert file.models["n"].max_tokens == 2


@requirement("file:1.5:merge")
@pytest.mark.parametrize("value", ["1", "[1]", "[{}, x]", "null"])
def test_a_merge_of_anything_but_mappings_is_refused(value: str) -> None:
    """agent-file.md §1.5."""
    with pytest.raises(ConfigError, match=r"^agent.yaml:2: '<<' merges a mapping"):
        tree(f"a: 1\n<<: {value}\n")


REFUSED = [
    ("a: 1\nb: 2\na: 3", "agent.yaml:3: the key 'a' is already defined at line 1"),
    ("a:\n  1: x\n  '1': y", "agent.yaml:3: the key '1' is already defined at line 2"),
    ("a: {}\n<<: {}\n<<: {}", "agent.yaml:3: the key '<<' is already defined at line 2"),
    ("a: 1\n? [x]\n: 2", "agent.yaml:2: a key must be a text, not a list or a mapping"),
    ("a: &x\n  b: *x", "agent.yaml:2: the alias *x stands inside its own anchor"),
    ("a: 1\nb: *x", "agent.yaml:2: the alias *x has no anchor &x before it"),
    ("a: 1\nb: " + "[" * 64 + "]" * 64, "agent.yaml:2: is nested more than 64 levels deep"),
    ("a: &x " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 30 + "*x" + "]" * 30,
     "agent.yaml:2: is nested more than 64 levels deep"),
    ("- 1", "agent.yaml:1: is a list; an agent file is a mapping with a key 'agents'"),
    ("hello", "agent.yaml:1: is a text; an agent file is a mapping with a key 'agents'"),
    ("a: 1\né: \x07", "agent.yaml:2:4: the character U+0007 is not allowed in a file"),
    ("a: 1\nb: x: y", "agent.yaml:2:5: mapping values are not allowed in this context\n"
     "    b: x: y\n        ^"),
]  # fmt: skip


@requirement("file:8:E2", "file:8:E6", "file:1.5:circular-alias", "file:1.4:depth")
@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_wrong_with_a_text_is_said_with_its_line(text: str, message: str) -> None:
    """agent-file.md §8, rows E2 and E6; §1.5; DESIGN.md §6, row YAML."""
    with pytest.raises(ConfigError) as raised:
        decode(text.encode(), NAME)
    assert str(raised.value) == message


@requirement("file:1.4:depth")
@pytest.mark.parametrize("escape", ["", "\\ud83d\\ude00"])
def test_sixty_four_levels_are_accepted_and_no_more(escape: str) -> None:
    """DESIGN.md §6, row YAML; the same for JSON that libyaml refuses."""
    assert tree(f'{{"a": "{escape}", "b": ' + "[" * 63 + "1" + "]" * 63 + "}").line == 1
    with pytest.raises(ConfigError, match="is nested more than 64 levels deep"):
        tree(f'{{"a": "{escape}", "b": ' + "[" * 64 + "]" * 64 + "}")


@requirement("file:1.5:alias-bomb")
def test_a_small_file_that_unfolds_to_millions_of_values_is_refused() -> None:
    """agent-file.md §1.5, DESIGN.md §6, row YAML."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match=r"^agent.yaml:6: the file has more than 250000 values"):
        tree("\n".join(lines))


@requirement("file:1.1:size")
def test_a_file_over_ten_mebibytes_is_refused() -> None:
    """agent-file.md §1.1."""
    with pytest.raises(ConfigError, match="at most 10485760 are allowed"):
        decode(b"#" * (LARGEST + 1), NAME)


@requirement("file:1.1:utf-8")
def test_text_that_is_not_utf_8_is_refused_with_its_line() -> None:
    """agent-file.md §1.1."""
    with pytest.raises(ConfigError) as raised:
        decode(b"a: 1\nb: \xff", NAME)
    assert str(raised.value) == (
        "agent.yaml:2: the file is no UTF-8 text (byte 0xff); save it as UTF-8"
    )


@requirement("file:1.1:hcl")
@pytest.mark.parametrize(
    ("name", "text", "hcl"),
    [
        ("a.hcl", "agents:\n", True),
        ("A.HCL", "", True),
        ("a.yaml", '\n# x\n// y\nagent "root" {\n', True),
        ("a", "metadata {\n", True),
        ("a", 'agent "root" :', False),
        ("a", "agents:\n", False),
        ("a", "models: {}\n", False),
        ("a", "{}", False),
    ],
)
def test_hcl_is_recognised_by_name_or_content(name: str, text: str, hcl: bool) -> None:
    """agent-file.md §1.1."""
    assert looks_like_hcl(name, text) == hcl


@requirement("file:1.1:hcl")
def test_hcl_is_read_wherever_it_is_recognised() -> None:
    """agent-file.md §1.1: an HCL document in a `.yaml` file is accepted."""
    text = b'#!/usr/bin/env docker-agent\n\nagent "root" {\n  model = "a/b"\n}\n'
    assert decode(text, "agent.yaml").plain() == {"agents": {"root": {"model": "a/b"}}}
    with pytest.raises(ConfigError, match=r"a:1: is a text; .* \(HCL\? name it \.hcl\)"):
        decode(b'version = "12"\nagent "root" {}\n', "a")


@requirement("file:1.4:lines")
def test_every_part_knows_its_line_and_path() -> None:
    """STYLE.md, Errors: messages say where."""
    raw = tree("""
        agents:
          root:
            toolsets:
              - type: shell
              -
                type: fetch
            "a.b": 1
    """)
    root = raw.get("agents")
    assert root is not None
    root = root.get("root")
    assert root is not None
    toolsets = root.get("toolsets")
    assert toolsets is not None
    assert isinstance(toolsets.node, Items)
    assert [(item.line, item.path) for item in toolsets.elements()] == [
        (4, "agents.root.toolsets[0]"),
        (6, "agents.root.toolsets[1]"),
    ]
    dotted = root.get("a.b")
    assert dotted is not None
    assert (dotted.line, dotted.path) == (7, 'agents.root["a.b"]')
