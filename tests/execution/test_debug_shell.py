"""Debug shell: ``kvmdocs run NAME --shell`` in the workspace of a recipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
import time

import psutil
import pytest

from kvmdocs.store.store import Store
from tests.support import ROOT

pytestmark = pytest.mark.process

RECIPES = """
@recipe()
def base(sh: Shell) -> Path:
    sh.line("echo below > file")
    return sh.workspace / "file"

@recipe(environ=("TRIAL_WORD",))
def failing(sh: Shell, base: Path) -> None:
    sh.line("mkdir -p deep; echo half > deep/half-done")
    with sh.cd(sh.workspace / "deep"):
        sh.line(f"cat {base} half-done; exit 7")

@recipe()
def above(sh: Shell, failing: None) -> None: ...

@recipe(tools=("no-such-tool",))
def wanting(sh: Shell) -> None: ...
"""

LAB = """
from kvmdocs.lab import Gdb, Guest, Machine

def program(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path

@recipe()
def guest(sh: Shell) -> None:
    qemu = program(sh.workspace / "fake-qemu", QEMU)
    with Machine(sh, qemu, Guest(sh.workspace / "bzImage", sh.workspace / "initramfs")) as vm:
        vm.guest("false")

@recipe()
def debugger(sh: Shell) -> None:
    sh.spawn("sleep", "1000")
    gdb = program(sh.workspace / "fake-gdb", GDB)
    with Gdb(sh, program_name=gdb) as gdb:
        gdb("die")
"""

IN_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def made(trial):
    return trial().recipes(RECIPES)


def in_shell(made, typed: str, *names: str, **environ: str):
    done = subprocess.run(
        [sys.executable, "-m", "kvmdocs.cli", "run", "--shell", *names],
        cwd=made.root,
        env=made.environment(**environ),
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_shell_is_at_the_point_of_failure(made):
    typed = 'cat half-done; pwd; echo "word=$TRIAL_WORD secret=$TRIAL_SECRET home=$HOME zone=$TZ"; exit 3'
    status, out, said = in_shell(made, typed, "failing", TRIAL_WORD="given", TRIAL_SECRET="hidden")
    assert status == 1  # the status of the recipe, not of the shell
    (work,) = (made.root / "store/v1/work").glob("failing-*")
    (base,) = (made.root / "store/v1/work").glob("base-*")
    assert f"half\n{work}/deep\nword=given secret= home={made.root}/store/v1/home zone=UTC\n" in out
    # The failed command is shown with real paths, so that it can be typed again.
    assert f"    cat {base}/file half-done; exit 7" in said
    assert "its step 2, typed to the" in said
    assert f"a shell in {work}/deep" in said


def test_the_failed_command_can_be_typed_again(made):
    _, _, said = in_shell(made, "", "failing")
    command = next(line for line in said.splitlines() if line.startswith("    cat "))
    _, out, _ = in_shell(made, f"({command.strip()}); echo status $?", "failing")
    assert out.endswith("below\nhalf\nstatus 7\n")


def test_the_workspace_of_a_passed_recipe_can_be_inspected(made):
    status, out, _ = in_shell(made, "cat file", "base")
    assert (status, out.endswith("below\n")) == (0, True)


@pytest.mark.parametrize(
    ("name", "what", "typed", "started"),
    [
        ("guest", "machine", "guest:\n    false\n", "fake-qemu"),
        ("debugger", "debugger", "debugger:\n    die\n", "fake-gdb -q -nx"),
    ],
)
def test_the_command_that_restarts_an_ended_machine_is_shown(trial, name, what, typed, started):
    made = trial()
    lab = ROOT / "tests/lab"
    texts = {kind.upper(): f"#!{sys.executable}\n{(lab / f'fake_{kind}.py').read_text()}" for kind in ("qemu", "gdb")}
    made.recipes(LAB + "\n".join(f"{kind} = {text!r}" for kind, text in texts.items()))
    status, out, said = in_shell(made, "pwd; ls", name)
    assert status == 1
    (work,) = (made.root / "store/v1/work").glob(f"{name}-*")
    assert f"typed to the {typed}the {what} has ended with the recipe" in said, said
    before, _, after = said.partition("it was started in step ")
    assert before
    assert after.splitlines()[1].startswith(f"    {work}/{started}")
    assert f"a shell in {work};" in said
    assert out.splitlines()[-1].startswith(("fake-", "vm.")), "the files are there"


def test_the_shell_opens_where_an_input_failed(made):
    status, out, said = in_shell(made, "cat half-done", "above")
    assert status == 1
    assert out.endswith("half\n")
    assert "failing failed: " in said


def test_a_skipped_recipe_has_no_workspace(made):
    status, _, said = in_shell(made, "", "wanting")
    assert status == 1
    assert "wanting has no workspace: this host lacks no-such-tool" in said


@pytest.mark.parametrize("arguments", [("base", "failing"), ("--all",), ("--json", "base"), ()])
def test_several_recipes_or_json_are_refused(made, arguments):
    status, _, said = in_shell(made, "", *arguments)
    assert status == 2
    assert "Traceback" not in said


def test_the_workspace_is_locked_while_the_shell_is_open_and_ctrl_c_reaches_only_the_shell(made):
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", IN_A_TERMINAL, sys.executable, "-m", "kvmdocs.cli", "run", "--shell", "base"],
        cwd=made.root,
        env=made.environment(TERM="xterm"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    killer = threading.Timer(60, process.kill)
    killer.start()
    try:
        terminal = Terminal(leader)
        output = terminal.until("[base]")
        assert "usually" in output  # the tree was drawn
        store = Store(made.root / "store")
        record = store.latest("base")
        assert record is not None
        assert store.try_lock(record.key) is None
        terminal.type("sleep 100\n")
        terminal.until("sleep 100")
        # The terminal echoes the command before it runs. Until it runs, Ctrl-C has nothing to interrupt.
        while "sleep" not in [child.name() for child in psutil.Process(process.pid).children(recursive=True)]:
            time.sleep(0.02)
        terminal.type("\x03")
        terminal.until("[base]")
        terminal.type("echo still $((1 + 1)) here\n")
        terminal.until("still 2 here")
        terminal.until("[base]")
        terminal.type("exit\n")
        assert process.wait(30) == 0
    finally:
        killer.cancel()
        process.kill()
        process.wait()
        os.close(leader)


class Terminal:
    """Other end of a pseudo-terminal."""

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._unread = ""

    def until(self, wanted: str) -> str:
        """Read output up to and including a text; keep the rest for the next call."""
        while wanted not in self._unread:
            self._unread += os.read(self._leader, 4096).decode("utf-8", "replace")
        before, _, self._unread = self._unread.partition(wanted)
        return before + wanted

    def type(self, text: str) -> None:
        """Send input."""
        os.write(self._leader, text.encode())
