"""`docker-agent share` and `docker-agent alias`. Source: agent-file.md §5.4 and §7.2."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.config.alias_writing import changed
from docker_agent.config.aliases import Alias
from docker_agent.config.decode import decode
from docker_agent.config.parse import parse
from docker_agent.config.yaml_writing import write_yaml
from docker_agent.errors import ConfigError
from docker_agent.loader.sharing import shared_artifact
from docker_agent.loader.source import find_source
from docker_agent.messages import JSON
from tests.harness import run_command
from tests.registry.pulling import sign_in
from tests.registry.real import USER
from tests.requirements import requirement

FILE = """\
# Kept as it is written.
version: "12"
agents:
  root: {model: local/smollm2, instruction: Answer.}
metadata:
  author: Ada
  license: MIT
  version: 1.2.3
  description: It answers.
  tags: [one, two]
"""


@requirement("refs:5.4:share")
def test_a_file_is_pushed_as_it_is_and_pulled_as_a_file(open_registry: str, tmp_path: Path) -> None:
    """agent-file.md §5.4: original bytes, metadata as annotations."""
    reference = f"{open_registry}/shared/answerer:v1"
    (tmp_path / "agent.yaml").write_text(FILE)
    done = run_command("share", "push", "agent.yaml", reference, home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{reference} is {open_registry}/shared/answerer@sha256:")
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    address = f"http://{open_registry}/v2/shared/answerer/manifests/v1"
    with urllib.request.urlopen(urllib.request.Request(address, headers=accept)) as answer:
        annotations = json.load(answer)["annotations"]
    created = datetime.fromisoformat(annotations.pop("org.opencontainers.image.created"))
    assert abs((datetime.now(UTC) - created).total_seconds()) < 60
    assert annotations.pop("io.docker.agent.version")
    assert annotations == {
        "org.opencontainers.image.authors": "Ada",
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.revision": "1.2.3",
        "org.opencontainers.image.description": "It answers.",
        "io.docker.agent.tags": "one,two",
    }
    got = run_command("share", "pull", reference, home=tmp_path)
    assert (got.returncode, got.stderr) == (0, "")
    assert (tmp_path / "answerer.yaml").read_text() == FILE
    again = run_command("share", "pull", reference, home=tmp_path)
    assert again.returncode == 1
    assert "answerer.yaml is there already; name another file, or say --force" in again.stderr
    assert run_command("share", "pull", reference, "--force", home=tmp_path).returncode == 0
    assert run_command("share", "pull", reference, "-", home=tmp_path).stdout == FILE
    named = run_command("share", "pull", reference, "other.yml", home=tmp_path)
    assert named.stdout.startswith("other.yml is ")


@requirement("refs:5.4:share")
def test_texts_beside_the_file_go_along(tmp_path: Path) -> None:
    """agent-file.md §5.4: written anew when it has no version or uses instruction_file."""
    (tmp_path / "one.md").write_text("First,\n  then.\n")
    (tmp_path / "two.md").write_text("on\n")
    path = tmp_path / "agent.yaml"
    path.write_text(
        "agents:\n"
        "  root: {model: local/smollm2, instruction_file: [one.md, two.md], sub_agents: [b]}\n"
        "  b: {model: 'ollama/0o17', description: 'on', instruction_file: two.md}\n"
    )
    made = shared_artifact(find_source(str(path)))
    assert b"instruction_file" not in made.file
    again = parse(made.file, "again")
    assert [agent.name for agent in again.agents] == ["root", "b"]
    assert again.agents[0].instruction == "First,\n  then.\n\n\non\n"
    assert (again.agents[1].description, again.agents[1].model) == ("on", "ollama/0o17")
    assert decode(made.file, "again").plain()["version"] == "12"
    path.write_text('version: "11"\nagents: {root: {model: a/b, instruction_file: two.md}}\n')
    old = shared_artifact(find_source(str(path)))
    assert decode(old.file, "old").plain()["version"] == "11"


@requirement("refs:5.4:share")
def test_hcl_is_pushed_with_what_it_reads_beside(tmp_path: Path) -> None:
    """agent-file.md §1.2, §5.4: `file()` looks on this machine only."""
    (tmp_path / "text.md").write_text("Say ${hi}.")
    path = tmp_path / "agent.hcl"
    text = 'version = "12"\nagent "root" {\n  model = "ollama/x"\n  instruction = %s\n}\n'
    path.write_text(text % 'file("text.md")')
    made = shared_artifact(find_source(str(path)))
    assert parse(made.file, "again").agents[0].instruction == "Say ${hi}."
    path.write_text(text % '"Say hi."')
    assert shared_artifact(find_source(str(path))).file == path.read_bytes()


@requirement("refs:5.4:share")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("push", "agent.yaml", "Me/Agent"), "lower case"),
        (("push", "agent.yaml", "me/agent@sha256:" + "a" * 64), "push to a tag"),
        (("push", "missing.yaml", "me/agent"), "missing.yaml"),
        (("push", "broken.yaml", "me/agent"), "broken.yaml:1: unknown key 'modle'"),
        (("push", "default", "me/agent"), "default is no file here"),
        (("push", "agent.yaml", "127.0.0.1:1/me/agent"), "cannot be pushed: 127.0.0.1 refused"),
        (("pull", "127.0.0.1:1/me/agent"), "cannot be pulled: 127.0.0.1 refused"),
    ],
)
def test_what_cannot_be_shared_is_said(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """chat-server.md §1: one clear message, status 1, no traceback."""
    (tmp_path / "agent.yaml").write_text(FILE)
    (tmp_path / "broken.yaml").write_text("modle: x\n")
    done = run_command("share", *arguments, home=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@requirement("refs:5.4:share", "refs:5.5:auth")
def test_pushing_to_a_locked_registry_takes_docker_login(
    locked_registry: str, tmp_path: Path
) -> None:
    """agent-file.md §5.5: the message says how to get in."""
    (tmp_path / "agent.yaml").write_text(FILE)
    reference = f"{locked_registry}/{USER}/mine"
    done = run_command("share", "push", "agent.yaml", reference, home=tmp_path)
    assert done.returncode == 1
    assert "access denied; sign in with 'docker login'" in done.stderr
    sign_in(tmp_path, locked_registry)
    assert run_command("share", "push", "agent.yaml", reference, home=tmp_path).returncode == 0


texts = st.text(max_size=12)
data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts | st.floats(-1e6, 1e6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@requirement("refs:5.4:share")
@given(st.dictionaries(texts, data, min_size=1, max_size=4))
def test_what_is_written_reads_back_the_same(content: dict[str, JSON]) -> None:
    """agent-file.md §5.4: push and pull keep the meaning, whatever texts look like."""
    assert decode(write_yaml(content).encode(), "x").plain() == content


@requirement("refs:5.4:share")
@pytest.mark.parametrize(
    "text",
    ["on", "0o17", "1_000", "~", "<<", "a: b", "- x", "\t", "é\u2028", "x\n y\n", " x ", "#"],
)
def test_texts_stay_texts(text: str) -> None:
    """agent-file.md §1.4: what this reader would take for something else is quoted."""
    content = {"a": text, text: "b"}
    assert decode(write_yaml(content).encode(), "x").plain() == content


@requirement("refs:7.2:alias")
def test_an_alias_is_added_listed_and_removed(tmp_path: Path) -> None:
    """agent-file.md §7.2: in config.yaml; a file's path is made whole."""
    (tmp_path / "agent.yaml").write_text(FILE)
    settings = tmp_path / ".config" / "cagent" / "config.yaml"

    def alias(*arguments: str) -> str:
        done = run_command("alias", *arguments, home=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert alias("ls") == ""
    assert alias("add", "pirate", "agentcatalog/pirate") == "pirate is agentcatalog/pirate\n"
    assert alias("add", "me", "agent.yaml", "--yolo", "--model", "a/b").startswith("me is /")
    assert alias("ls").splitlines() == [
        f"me      {tmp_path / 'agent.yaml'}  (yolo, model=a/b)",
        "pirate  agentcatalog/pirate",
    ]
    assert settings.stat().st_mode & 0o777 == 0o600
    assert alias("rm", "pirate") == "pirate is forgotten\n"
    assert "pirate" not in settings.read_text()
    gone = run_command("alias", "rm", "pirate", home=tmp_path)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "no alias is called 'pirate'; there are: me" in gone.stderr


@requirement("refs:7.2:alias")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("-x", "a/b"), "No such option"), (("a b", "a/b"), "is no name"), (("a", "A/b"), "lower")],
)
def test_an_alias_that_cannot_be_is_refused(
    tmp_path: Path, arguments: tuple[str, str], said: str
) -> None:
    """agent-file.md §7.2: the form of a name; the reference must be one."""
    done = run_command("alias", "add", *arguments, home=tmp_path)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert not (tmp_path / ".config").exists()


@requirement("refs:7.2:alias")
def test_the_old_file_of_aliases_moves_once(tmp_path: Path) -> None:
    """agent-file.md §7.2: legacy aliases.yaml is migrated when no aliases exist."""
    folder = tmp_path / ".config" / "cagent"
    folder.mkdir(parents=True)
    (folder / "aliases.yaml").write_text("old: org/old\n")
    assert run_command("alias", "ls", home=tmp_path).stdout == "old  org/old\n"
    run_command("alias", "add", "new", "org/new", home=tmp_path)
    assert run_command("alias", "ls", home=tmp_path).stdout == "new  org/new\nold  org/old\n"
    assert not (folder / "aliases.yaml").exists()
    for name in ("old", "new"):
        run_command("alias", "rm", name, home=tmp_path)
    assert run_command("alias", "ls", home=tmp_path).stdout == ""


SETTINGS = """\
# My settings.
version: v1
aliases:  # my agents
  one:
    path: org/one
    future: [kept]

# About models.
default_model: a/b # the good one
unknown:
  - x
"""


@requirement("refs:7.2:alias")
def test_the_rest_of_the_settings_stays_as_it_was_written() -> None:
    """agent-file.md §7.2: unknown keys are kept, and so is what people wrote around them."""
    added = changed(SETTINGS.encode(), "c", {"two": Alias("org/two", sandbox=True)})
    before, after = SETTINGS.split("aliases:")[0], SETTINGS.split("[kept]\n")[1]
    assert added.startswith(before)
    assert added.endswith(after)
    assert decode(added.encode(), "c").plain()["aliases"] == {
        "one": {"path": "org/one", "future": ["kept"]},
        "two": {"path": "org/two", "sandbox": True},
    }
    gone = changed(added.encode(), "c", {"one": None, "two": None})
    assert gone == before + after
    assert changed(b"a: 1", "c", {"x": Alias("y")}) == "a: 1\naliases:\n  x:\n    path: y\n"
    flow = changed(b"{a: 1, aliases: {b: {path: c}}}", "c", {"x": Alias("y")})
    assert decode(flow.encode(), "c").plain() == {
        "a": 1,
        "aliases": {"b": {"path": "c"}, "x": {"path": "y"}},
    }
    with pytest.raises(ConfigError):
        changed(b"aliases: [", "c", {"x": Alias("y")})
