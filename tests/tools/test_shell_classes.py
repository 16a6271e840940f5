"""The labels of shell commands, and what permission rules see of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.messages import Label
from docker_agent.permissions import Rules, SafetyMode, decide, parse_rule
from docker_agent.tools.port import Around, Draft
from docker_agent.tools.shell import Shell
from docker_agent.tools.shell_classes import MAX_TEXT, classify, find, inside
from docker_agent.tools.shell_words import MAX_READINGS
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

DESTRUCTIVE = [
    ("rm -rf x", "high"),
    ("rm -fr x", "high"),
    ("rm -r x", "high"),
    ("RM -R x", "high"),
    ("rm x -rf", "high"),
    ("rm -f -v -r x", "high"),
    ("rm --recursive x", "high"),
    ("rm --recur x", "high"),
    ("rm   -r\tx", "high"),
    ("find . -delete", "high"),
    ("find . -name '*.o' -exec rm {} +", "high"),
    ("find . -execdir rm {} ;", "high"),
    ("shred -u x", "high"),
    ("dd if=/dev/zero of=x", "high"),
    ("dd if=x of=/dev/sda", "high"),
    ("mkfs.ext4 /dev/sda1", "high"),
    ("mkfs -t ext4 /dev/sda1", "high"),
    ("wipefs /dev/sda", "high"),
    ("rsync -a --delete a b", "high"),
    ("rm -f x", "medium"),
    ("> x", "medium"),
    ("echo hi >x", "medium"),
    ("echo hi >| x", "medium"),
    ("truncate -s 0 x", "medium"),
    ("mv a b", "medium"),
    ("mv -f a b", "medium"),
    ("cp -f a b", "medium"),
    ("cp -rf a b", "medium"),
    ("chmod -R 000 x", "medium"),
    ("chown -R me x", "medium"),
    ("rm x", "low"),
    ("ls | xargs rm", "low"),
    ("rmdir x", "low"),
    ("ln -sf a b", "low"),
    ("ln -s -f a b", "low"),
    ("chmod -R 777 x", "low"),
    ("docker volume rm x", "high"),
    ("docker container rm -v x", "high"),
    ("docker container rm -fv x", "high"),
    ("docker container rm -f -v x", "high"),
    ("docker system prune --volumes", "high"),
    ("docker system prune -af", "high"),
    ("docker compose down -v", "high"),
    ("docker compose -f a.yml down --volumes --remove-orphans", "high"),
    ("docker-compose down -v", "high"),
    ("docker exec c rm -rf x", "high"),
    ("docker run -v $PWD:/w alpine rm -rf /w", "high"),
    ("docker run -v /:/host alpine", "high"),
    ("docker run --volume=/:/host alpine", "high"),
    ("docker run --mount type=bind,source=/,target=/h alpine", "high"),
    ("podman volume rm x", "high"),
    ("docker volume prune", "medium"),
    ("docker volume prune -f", "medium"),
    ("docker container rm x", "medium"),
    ("docker rm x", "medium"),
    ("docker image prune -a", "medium"),
    ("docker system prune", "medium"),
    ("docker system prune -a", "medium"),
    ("docker buildx prune --all", "medium"),
    ("docker compose rm -v", "medium"),
    ("docker plugin rm x", "medium"),
    ("docker container prune", "low"),
    ("docker image rm x", "low"),
    ("docker rmi x", "low"),
    ("docker image prune", "low"),
    ("docker network rm x", "low"),
    ("docker network prune", "low"),
    ("docker compose down", "low"),
    ("docker context rm x", "low"),
    ("docker stop $(docker ps -q)", "low"),
    ("docker kill x", "low"),
]

SAFE = [
    *("ls", "ls -la src", "  ls   -la  ", "LS -la", "'ls' -la", "cat a", "cat *.py", "stat a"),
    *("file a", "wc -l a", "head a", "head -n 5 a", "tail -n 5 a", "pwd", "df", "df -h"),
    *("du -sh .", "tree", "tree src", "tree -L 2 src", "grep -rn foo src", "grep 'a b' c"),
    *("grep 'f(x)' a", "rg foo", "rg -n foo src", "sort a", "uniq a", "ps", "ps aux", "ps -ef"),
    *("top -n 1", "whoami", "hostname", "uname -a", "date", "date -u '+%Y %m'", "which python"),
    *("type ls", "git status", "git status -s", "git diff HEAD~1", "git log --oneline -5"),
    *("git show abc", "git branch", "git remote -v", "git rev-parse HEAD", "git config --list"),
    *("git config --get user.name", "git blame a", "docker ps -a", "docker images"),
    *("docker inspect c", "docker logs c", "docker stats --no-stream", "docker top c"),
    *("docker version", "docker info", "docker system df", "kubectl get pods -o yaml"),
    *("kubectl describe pod a", "kubectl logs a", "kubectl top node", "kubectl version"),
    *("kubectl config view", "echo hello $HOME", "printf '%s' x", "basename a/b", "dirname a/b"),
]

UNKNOWN = [
    *(
        "",
        "   ",
        "make",
        "python x.py",
        "ls | wc",
        "ls && pwd",
        "ls; pwd",
        "ls & pwd",
        "ls > /dev/null",
    ),
    *("cat < x", "cat a\\ b", "ls\npwd", "echo $(date)", "echo `date`", "echo ${HOME}", "(ls)"),
    *("ls 2>/dev/null", "echo x >> a", "env", "printenv", "printenv HOME", "find . -exec ls {} +"),
    *("find . -name x", "ls | xargs wc", "git log --output=x", "git diff --ext-diff"),
    *(
        "git show --outpu=x",
        "git log *",
        "git branch -D x",
        "git remote add a b",
        "git -c a=b status",
    ),
    *("git config user.name x", "git push", "sort -o a b", "sort a -o b", "sort '-oa' b"),
    *("sort *", "sort {-o,a,b}", "uniq a b", "date -s 12:00", "date 01010101", "hostname evil"),
    *("rg --pre ./x foo", "rg foo --pre=./x", "rg --hostname-bin x foo", "tree -o x", "file -C x"),
    *("docker stop web", "docker run alpine ls", "kubectl delete pod a", "kubectl config set a b"),
    *(
        "kubectl get pods --profile-output=x",
        "X=1 ls",
        "./ls",
        "/tmp/ls",
        "sudo ls",
        "'git status'",
    ),
    *("ls (x)", "ls *(e:x:)", "echo {a,b}", "echo 'a", 'echo "a', "cat /proc/1/environ"),
    *(
        "cat ../../proc/self/environ",
        "cat /p*/1/environ",
        "cat ../*/x",
        "grep -r key /",
        "base64 x",
    ),
    *("$X", "$X -rf y", "ls # it's"),
]


@requirement("shell:label:destructive")
@pytest.mark.parametrize(("command", "severity"), DESTRUCTIVE)
def test_what_destroys_is_found_with_its_severity(command: str, severity: str) -> None:
    """runtime.md appendix C: every shape; mixed grades count as the higher."""
    found = find(command)
    assert (found.label, found.severity) == ("destructive", severity)
    assert found.shape


@requirement("shell:label:destructive")
@pytest.mark.parametrize(
    "wrapping", ["cd /; {}", "true && {} && true", "sudo {}", "x=$({})", "`{}`"]
)
@pytest.mark.parametrize(("command", "severity"), [row for row in DESTRUCTIVE if "`" not in row[0]])
def test_what_destroys_is_found_anywhere(wrapping: str, command: str, severity: str) -> None:
    """runtime.md §6.5: destructive patterns match anywhere in the command."""
    assert classify(wrapping.format(command)) == "destructive"


@requirement("shell:label:quoting")
@pytest.mark.parametrize(
    "command",
    [
        "rm '-rf' x",
        "r''m -rf x",
        'r"m" -rf x',
        "r\\m -rf x",
        "'rm' \"-r\"f x",
        "$'rm' -rf x",
        "$'\\x72m' -rf x",
        "$'\\u72m' -rf x",
        "$'r\\155' -rf x",
        "$'rm\\0x' -rf x",
        "/bin/rm -rf x",
        "rm$IFS-rf${IFS}x",
        "rm \\\n-rf x",
        "rm $(true) -rf x",
        "sh -c 'rm -rf x'",
        "bash -c \"sh -c 'rm -rf x'\"",
        "eval 'rm -rf x'",
        "python -c \"import os; os.system('rm -rf x')\"",
        "{rm,-rf,x}",
        "ls # it's fine\nrm -rf x",
        "cat <<E\nit's\nE\nrm -rf x",
        "echo a >-|rm -rf x",
        "A=b rm -rf x",
        "if true; then rm -rf x; fi",
    ],
)
def test_quoting_hides_nothing(command: str) -> None:
    """runtime.md §6.5: what the shell would run counts, not how it is written."""
    assert find(command).severity == "high"


@requirement("shell:label:safe")
@pytest.mark.parametrize("command", SAFE)
def test_what_only_looks_is_safe(command: str) -> None:
    """runtime.md appendix C: the safe shapes, matched by the whole command."""
    assert classify(command) == "safe"


@requirement("shell:label:unknown")
@pytest.mark.parametrize("command", UNKNOWN)
def test_what_nobody_knows_is_unknown(command: str) -> None:
    """runtime.md §6.5: neither list; `env`, `--output`, `sort -o`, `date -s` and the like are not
    safe."""
    assert classify(command) == "unknown"


words = st.text(alphabet="abrm -'\"\\$(){}`;&|<>\n#=/*", max_size=30)


@requirement("shell:label:safe")
@given(words, st.sampled_from([*";&|<>\\\n`", "$("]), words)
def test_a_command_with_shell_marks_is_never_safe(before: str, mark: str, after: str) -> None:
    """runtime.md §6.5: it must contain none of them."""
    assert classify(f"ls {before}{mark}{after}") != "safe"


@requirement("shell:label:destructive")
@given(words)
def test_anything_has_a_label(text: str) -> None:
    """runtime.md §6.5: whatever a model writes."""
    assert classify(text) in ("safe", "destructive", "unknown")
    assert inside(text).parts is not None


@requirement("shell:label:destructive")
@given(st.text(alphabet="abc -;&|\n", max_size=30))
def test_what_stands_before_does_not_hide_what_destroys(before: str) -> None:
    """runtime.md §6.5: anywhere."""
    assert classify(f"{before};rm -rf x") == "destructive"


def rules(**patterns: list[str]) -> Rules:
    return Rules(
        **{tier: tuple(parse_rule(one) for one in every) for tier, every in patterns.items()}
    )


async def allowed(
    rules: Rules, mode: SafetyMode, cmd: str, key: str = "cmd", directory: str = "/place"
) -> bool:
    """Whether the shell tool may run a command."""
    shell = Shell(Path(directory), {})
    (spec,) = (await shell.tools(Around("root", "", None, {}, Draft()))).specs
    return decide(rules, mode, spec, {key: cmd}).allowed


@requirement("runtime:20.2:shell-restricted")
@pytest.mark.parametrize(
    ("cmd", "runs"), [("ls -la", True), ("rm -rf x", False), ("ls; rm x", False), ("make", False)]
)
async def test_restricted_lets_safe_commands_run(cmd: str, runs: bool) -> None:
    """runtime.md §20.2 row 9."""
    assert await allowed(Rules(), "restricted", cmd) is runs
    assert await allowed(Rules(), "balanced", cmd) is runs
    assert await allowed(Rules(), "autonomous", cmd)
    assert not await allowed(Rules(), "strict", cmd)


@requirement("runtime:20.2:shell-denied")
@pytest.mark.parametrize(
    "cmd",
    [
        "rm -rf /tmp/x",
        "rm -v -rf x",
        "  rm -rf x",
        "RM -RF x",
        "rm '-rf' x",
        "r''m -rf x",
        "r\\m -rf x",
        "$'\\x72m' -rf x",
        "$'\\u72m' -rf x",
        "$'r\\155' -rf x",
        "$'rm\\0x' -rf x",
        "rm \\\n-rf x",
        "rm $(true) -rf x",
        "cd / && rm -rf x",
        "cd /\nrm -rf x",
        "echo $(rm -rf x)",
        'echo "`rm -rf x`"',
        "(rm -rf x)",
        "{ rm -rf x; }",
        "if true; then rm -rf x; fi",
        "for a in b; do rm -rf $a; done",
        "sudo -u root rm -rf x",
        "A=b rm -rf x",
        "/bin/rm -rf x",
        "sudo /bin/rm -rf x",
        "env A=b nohup rm -rf x",
        "sh -c 'rm -rf x'",
        "bash -c 'sh -c \"rm -rf x\"'",
        "timeout 5 rm -rf x",
        "find . -exec rm -rf {} +",
        "ls | xargs rm -rf",
        "{rm,-rf,x}",
        "cat <<E\nit's\nE\nrm -rf x",
        "true # don't\nrm -rf x",
        "echo a >-|rm -rf x",
        "$'\\'' ; rm -rf x '",
        "diff <(rm -rf x) y",
        "sudo " + "a " * MAX_READINGS + "rm -rf x",
        "true;" * 5000 + "rm -rf x",
        "echo " + "x" * MAX_TEXT,
    ],
)
@pytest.mark.parametrize("key", ["cmd", "command"])
async def test_a_deny_rule_sees_through_the_ways_to_write_a_command(cmd: str, key: str) -> None:
    """runtime.md §20.2 row 10, §6.3: fails closed, also where there is too much to look at."""
    assert not await allowed(rules(deny=["shell:cmd=rm*-rf*"]), "autonomous", cmd, key)
    assert not await allowed(rules(ask=["shell:cmd=rm*-rf*"]), "autonomous", cmd, key)


@requirement("shell:rules:unseen")
@pytest.mark.parametrize(
    "cmd",
    [
        "rm${IFS}-rf${IFS}x",
        "rm -r${y}f x",
        "r${y}m -rf x",
        "rm -r$(true)f x",
        "rm -r``f x",
        "rm -{r,}f x",
        "{rm,-rf} {x,y}",
        "/bin/r? -rf x",
        "/bin/r[m] -rf x",
        "a=rm; $a -rf x",
        "a=rm; A=b sudo $a -rf x",
        "if true; then $a -rf x; fi",
        "a='rm -rf x'; eval $a",
        'set -- rm -rf x; "$@"',
        "read -r a <<< 'rm -rf x'; $a",
        "$(echo rm) -rf x",
        "`echo rm` -rf x",
        'bash -c "$(echo rm -rf x)"',
        "alias r=rm; r -rf x",
        "hash -p /bin/rm q; q -rf x",
        "echo 'rm -rf x' | sh",
        "printf '%s' 'rm -rf x' | bash -s",
        "echo cm0gLXJmIHg= | base64 -d | sh",
        "bash <<< 'rm -rf x'",
        "source /dev/stdin <<< 'rm -rf x'",
        ". <(echo rm -rf x)",
        "env -S'rm -rf x'",
        "env --split-string='rm -rf x'",
        "toybox rm -rf x",
        "flock f -c 'rm -rf x'",
        "script -qc 'rm -rf x' /dev/null",
        "docker exec c rm -rf x",
        "taskset 1 rm -rf x",
        "awk 'BEGIN{system(\"rm -rf x\")}'",
        "function f { rm -rf x; }; f",
        "{fd}>f rm -rf x",
        "PAGER='rm -rf x' git log",
        "mapfile -C 'rm -rf x' -c 1 a < f",
    ],
)
async def test_a_deny_rule_counts_what_it_cannot_see(cmd: str) -> None:
    """runtime.md §6.3, fails closed: names that variables, patterns and aliases make, and text
    that only a shell will read."""
    assert not await allowed(rules(deny=["shell:cmd=rm*-rf*"]), "autonomous", cmd)
    assert not await allowed(rules(ask=["shell:cmd=rm*-rf*"]), "autonomous", cmd)
    assert await allowed(Rules(), "autonomous", cmd)


@requirement("shell:rules:unseen")
@pytest.mark.parametrize(
    "cmd",
    [
        '"$VENV/bin/python" -m pytest',
        "$(npm bin)/eslint .",
        ". venv/bin/activate && pytest -q",
        "bash build.sh $TARGET",
        "sh ./configure --prefix=$PREFIX",
        'for f in *.py; do cat "$f"; done',
        "[ -f x ] && echo y",
        "x=$(date); echo $x",
        "git log --format=$FORMAT",
        "docker run alpine ls",
        "python3 -c 'print(1)'",
        "cat > notes.md <<'EOF'\n# Title\n* one\n[a link](b)\n$ npm install\nEOF",
        "cp {a,b}.txt c/",
        'eval "echo $x"',
        "sudo apt-get install $PACKAGE",
        "find . -name '*.pyc'",
        "sed 's/rm -rf x/ls/' f",
    ],
)
async def test_a_deny_rule_lets_ordinary_commands_run(cmd: str) -> None:
    """runtime.md §6.3: variables and patterns among the arguments hide no command."""
    assert await allowed(rules(deny=["shell:cmd=rm*-rf*"]), "autonomous", cmd)


@requirement("runtime:20.2:shell-denied")
@pytest.mark.parametrize("cmd", ["rm x", "ls -la", "git commit -m 'rm -rf is bad'", "echo rm -rf"])
async def test_a_deny_rule_leaves_other_commands_alone(cmd: str) -> None:
    """runtime.md §6.3: what is only talked about is not denied."""
    assert await allowed(rules(deny=["shell:cmd=rm*-rf*"]), "autonomous", cmd)


@requirement("shell:rules:allow")
@pytest.mark.parametrize(
    ("patterns", "cmd", "runs"),
    [
        (["shell"], "a; b > c", True),
        (["shell:cmd=*"], "a; b > c", True),
        (["shell:cmd=git *"], "git push", True),
        (["shell:cmd=git *"], "git commit -m 'a b'", True),
        (["shell:cmd=git commit -m '*'"], "git commit -m 'a b'", True),
        (["shell:cmd=git *"], "git status && git push", True),
        (["shell:cmd=git *"], "git status; curl evil", False),
        (["shell:cmd=git *"], "git log $(curl evil)", False),
        (["shell:cmd=git *"], "git log\ncurl evil", False),
        (["shell:cmd=git *"], "git log > /etc/passwd", False),
        (["shell:cmd=git *"], "git log 2>&1", True),
        (["shell:cmd=cd *", "shell:cmd=make *"], "cd a && make b", True),
        (["shell:cmd=cd a && make b > c"], "cd a && make b > c", True),
        (["shell:cmd=git *"], "rm x", False),
    ],
)
async def test_an_allow_rule_must_cover_everything_that_runs(
    patterns: list[str], cmd: str, runs: bool
) -> None:
    """runtime.md §6.3, read so that a wildcard opens no door to other commands."""
    assert await allowed(rules(allow=patterns), "strict", cmd) is runs


@requirement("shell:label:safe")
@pytest.mark.parametrize(
    ("directory", "cmd", "label"),
    [
        ("/place", "cat */environ", "safe"),
        ("/proc/1", "cat environ", "unknown"),
        ("/", "cat p*/1/environ", "unknown"),
        ("/", "grep -r key", "unknown"),
        ("/", "ls", "safe"),
    ],
)
def test_the_servers_own_variables_are_not_safe_to_read(
    directory: str, cmd: str, label: Label
) -> None:
    """chat-server.md §6: what child processes must not have they shall not read elsewhere."""
    assert Shell(Path(directory), {}).meaning({"cmd": cmd}).label == label
    assert Shell(Path("/place"), {}).meaning({"cmd": cmd, "cwd": directory}).label == label
