"""Processes that try to outlive their command, and what every command is bounded by. Source:
runtime.md §9.2."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from docker_agent.tools.processes import CANCEL_SECONDS
from docker_agent.tools.shell import Shell
from tests.processes import wait_gone, wait_there
from tests.requirements import requirement
from tests.tools.surroundings import context

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc"),
]

POPEN = (
    "import subprocess, sys; subprocess.Popen(['sleep', '600.{n}'], start_new_session=True, "
    "stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)"
)
FORKS_TWICE = (
    "import os, time\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        os.closerange(0, 3)\n"
    "        time.sleep(600)\n"
    "    os._exit(0)\n"
    "os.wait()"
)
ESCAPES = {
    "setsid": "setsid sleep 600.{n} > /dev/null 2>&1 &",
    "setsid, cleared": "setsid env -i /bin/sleep 600.{n} > /dev/null 2>&1 &",
    "nohup": (
        "nohup setsid sh -c 'trap \"\" TERM HUP; sleep 600.{n}; sleep 600.{n}' > /dev/null 2>&1 &"
    ),
    "popen": f'{sys.executable} -c "{POPEN}"',
    "forks twice": f"{sys.executable} -c '{FORKS_TWICE}'",
}


def number() -> str:
    """Digits that no other process has on its command line."""
    return str(random.randrange(10**17, 10**18))


def shell(directory: Path, mark: str) -> Shell:
    """A shell whose processes can be found by `mark`."""
    return Shell(directory, {"PATH": os.environ["PATH"], "TEST_MARK": mark})


@requirement("process:family")
@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES.keys())
async def test_a_process_that_leaves_its_session_ends_with_the_command(
    tmp_path: Path, escape: str
) -> None:
    """runtime.md §9.2: what a command leaves running is ended with it, wherever it went."""
    mark = number()
    cmd = escape.replace("{n}", mark) + "\nsleep 0.2; echo done"
    with anyio.fail_after(30):
        found = await shell(tmp_path, mark).call("shell", {"cmd": cmd}, context())
    assert (found.text, found.is_error) == ("done", False)
    await to_thread.run_sync(wait_gone, mark)


@requirement("process:family")
async def test_a_cancelled_command_takes_its_family_along(tmp_path: Path) -> None:
    """runtime.md §3.8: within two seconds, also those that do not listen."""
    mark = number()
    stubborn = "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 600; sleep 600' & echo x; wait"
    started = 0.0
    async with anyio.create_task_group() as group:
        work = shell(tmp_path, mark)
        group.start_soon(work.call, "shell", {"cmd": f"{stubborn}; sleep 600"}, context())
        await to_thread.run_sync(wait_there, mark, 3)
        started = anyio.current_time()
        group.cancel_scope.cancel()
    assert anyio.current_time() - started < CANCEL_SECONDS + 5
    await to_thread.run_sync(wait_gone, mark)


@requirement("process:caps")
async def test_a_command_is_bounded(tmp_path: Path) -> None:
    """runtime.md §9.2: no core files, files of a bounded size; the system ends it before us."""
    cmd = "ulimit -c; ulimit -f; cat /proc/self/oom_score_adj"
    core, size, score = (
        (await shell(tmp_path, "caps").call("shell", {"cmd": cmd}, context())).text
    ).split()
    assert core == "0"
    assert int(size) in (4 << 20, 8 << 20)
    assert int(score) >= 500
