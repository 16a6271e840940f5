"""Skills in folders: where they are looked for, what is in them, what is kept out. Source:
runtime.md §13.1 and §13.2."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker_agent.errors import ConfigError, ToolError
from docker_agent.tools.skills.local import find_skills
from docker_agent.tools.skills.skill import Skill, read_skill_file
from docker_agent.tools.skills.toolset import Skills
from tests.requirements import requirement
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio


def put(root: Path, folder: str, *, name: str = "", says: str = "Do it.", more: str = "") -> Path:
    """Write a skill into `root/folder`."""
    place = root / folder
    place.mkdir(parents=True)
    named = f"name: {name}\n" if name else ""
    text = f"---\n{named}description: About {folder}.\n{more}---\n\n{says}\n"
    (place / "SKILL.md").write_text(text)
    return place


async def _never(command: str) -> str | None:
    return None


def found(working_dir: Path, *, home: Path | None = None, personal: bool = True, **env: str):
    """The skills by name, with the name of the folder each lies in."""
    environ = {**env, **({"HOME": str(home)} if home else {})}
    return find_skills(working_dir, environ, _never, personal=personal)


@requirement("skills:found")
async def test_the_nearest_skill_of_a_name_wins(tmp_path: Path) -> None:
    """runtime.md §13.1: later wins on equal names."""
    home, project = tmp_path / "home", tmp_path / "home" / "work" / "project"
    inner = project / "inner"
    inner.mkdir(parents=True)
    (project / ".git").mkdir()
    put(home, ".codex/skills/deep/er/pdf", says="codex")
    put(home, ".claude/skills/pdf", says="claude")
    put(home, ".claude/skills/too/deep", says="no")
    put(home, ".agents/skills/pdf", says="agents")
    put(home / "work", ".agents/skills/outside", says="above the repository")
    put(inner, ".claude/skills/local", says="claude here")
    put(project, ".github/skills/local", says="github")
    put(inner, ".agents/skills/local", says="here")
    skills = found(inner, home=home)
    assert {name: await skill.texts.body() for name, skill in skills.items()} == {
        "pdf": "agents",
        "local": "here",
    }
    assert set(found(inner, home=home, personal=False)) == {"local"}
    kit = tmp_path / "kit"
    put(kit, "skills/only")
    assert set(found(inner, home=home, DOCKER_AGENT_KIT_DIR=str(kit))) == {"only"}


@requirement("skills:found")
def test_without_a_repository_folders_below_home_count(tmp_path: Path) -> None:
    """agent-file.md §2.5: ancestors up to, not including, the home directory."""
    home = tmp_path / "home"
    inner = home / "a" / "b"
    inner.mkdir(parents=True)
    put(home, ".github/skills/home")
    put(home / "a", ".github/skills/above")
    assert set(found(inner, home=home, personal=False)) == {"above"}
    assert set(found(inner, home=tmp_path / "other", personal=False)) == set()


@requirement("skills:front-matter")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no front matter", "it must begin with front matter between two lines '---'"),
        ("---\nname: x\n", "its front matter has no second line '---'"),
        ("---\n---\n", "its front matter is empty"),
        ("---\nname: x\n---\n", "the key 'description' is missing or blank"),
        ("---\ndescription: [\n---\n", "line 3: did not find expected node content"),
        (f"---\nname: {'x' * 65}\ndescription: d\n---\n", "the name must have 1 to 64 characters"),
    ],
)
def test_a_broken_skill_is_left_out_with_the_reason(
    text: str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """runtime.md §13.2: name and description are required."""
    with pytest.raises(ConfigError) as caught:
        read_skill_file(text, "folder")
    assert str(caught.value).startswith(said)
    broken = tmp_path / ".agents/skills/broken"
    broken.mkdir(parents=True)
    (broken / "SKILL.md").write_text(text)
    put(tmp_path, ".agents/skills/good")
    assert set(found(tmp_path)) == {"good"}
    assert said in caplog.text


@requirement("skills:front-matter")
def test_the_front_matter_says_how_a_skill_works() -> None:
    """runtime.md §13.2: lists or comma texts; unknown keys pass."""
    head, body = read_skill_file(
        "---\nname: pdf\ndescription: |\n  Reads\n  PDFs.\ncontext: fork\nmodel: fast\n"
        "license: MIT\nallowed-tools: read_*, list_directory\n"
        "toolsets: [web]\n---\n\n# PDF\n\nDo it.\n",
        "folder",
    )
    assert (head.name, head.description, head.fork, head.model) == (
        "pdf",
        "Reads PDFs.",
        True,
        "fast",
    )
    assert head.allowed_tools == ("read_*", "list_directory")
    assert head.toolsets == ("web",)
    assert body == "# PDF\n\nDo it."


@requirement("skills:files")
async def test_files_are_read_inside_the_skills_folder_only(tmp_path: Path) -> None:
    """runtime.md §13.3: the path must stay in the skill folder."""
    (tmp_path / "secret.txt").write_text("secret")
    place = put(tmp_path, ".agents/skills/pdf")
    (place / "forms").mkdir()
    (place / "forms/a.md").write_text("form")
    (place / "picture.bin").write_bytes(b"\xff\xfe\x00")
    (place / "out.txt").symlink_to(tmp_path / "secret.txt")
    skill = found(tmp_path)["pdf"]
    assert skill.files == ("forms/a.md", "out.txt", "picture.bin")
    assert await skill.texts.file("forms/a.md") == "form"
    for path, said in [
        ("../../../secret.txt", "leads out"),
        (str(tmp_path / "secret.txt"), "leads out"),
        ("out.txt", "leads out"),
        ("no.md", "no file"),
        ("forms", "no file"),
        ("picture.bin", "is no text"),
        ("a\0b", "cannot be read"),
    ]:
        with pytest.raises(ToolError, match=said):
            await skill.texts.file(path)


@requirement("skills:files")
def test_a_skill_that_leads_out_of_the_project_is_left_out(tmp_path: Path) -> None:
    """A repository must not point its reader at other places of the machine."""
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    put(tmp_path, "elsewhere/pdf")
    (project / ".agents/skills").mkdir(parents=True)
    (project / ".agents/skills/pdf").symlink_to(tmp_path / "elsewhere/pdf")
    linked = project / ".agents/skills/linked"
    linked.mkdir()
    (linked / "SKILL.md").symlink_to(tmp_path / "elsewhere/pdf/SKILL.md")
    assert found(project) == {}


@requirement("skills:commands")
async def test_commands_in_a_skill_are_replaced_where_they_may_run(tmp_path: Path) -> None:
    """runtime.md §13.2: at read time; a refused one stays as it is."""
    put(tmp_path, ".agents/skills/a", says="Now:\n!`date`\nnot `!`x`` here\n!`rm -rf /`\nend")

    async def run(command: str) -> str | None:
        return "today\n" if command == "date" else None

    skill = find_skills(tmp_path, {}, run, personal=False)["a"]
    assert await skill.texts.body() == "Now:\ntoday\nnot `!`x`` here\n!`rm -rf /`\nend"


@requirement("skills:tools")
async def test_the_tools_read_skills_and_the_prompt_names_them(tmp_path: Path) -> None:
    """runtime.md §13.3: read_skill with the list of files, read_skill_file, unknown is an error."""
    place = put(tmp_path, ".agents/skills/pdf", more="context: fork\n", says="Do <it>.")
    (place / "a.md").write_text("form")
    put(tmp_path, ".agents/skills/b&c")
    skills: dict[str, Skill] = found(tmp_path)
    toolset = Skills(skills)
    listing = await toolset.tools(around())
    assert [spec.name for spec in listing.specs] == ["read_skill", "read_skill_file"]
    assert all(spec.read_only and spec.harmless for spec in listing.specs)
    assert all(spec.tidy is not None for spec in listing.specs)
    assert "<name>b&amp;c</name>" in listing.instructions
    assert "<context>fork</context>" in listing.instructions
    read = await toolset.call("read_skill", {"name": "pdf"}, context())
    assert read.text == "Do <it>.\n\nFiles of this skill, for read_skill_file:\n- a.md"
    wanted = {"skill_name": "pdf", "path": "a.md"}
    assert (await toolset.call("read_skill_file", wanted, context())).text == "form"
    with pytest.raises(ToolError, match="there is no skill 'x'; there are: b&c, pdf"):
        await toolset.call("read_skill", {"name": "x"}, context())
    del skills["pdf"]
    assert [spec.name for spec in (await Skills(skills).tools(around())).specs] == ["read_skill"]
