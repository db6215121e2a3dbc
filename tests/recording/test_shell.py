"""The recording shell: it behaves like the `sh` package, and records a step for everything."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest
import sh as plain_sh
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmdocs.core.errors import CatalogError, HostLacks, RecipeFailed, Skipped
from kvmdocs.core.model import Where
from kvmdocs.core.paths import PathDisplay
from kvmdocs.recording import shell
from kvmdocs.recording.pipe_reader import PipeReader
from kvmdocs.recording.shell import Limits, Shell

pytestmark = pytest.mark.process

KEY = "0123456789abcdef"
ME = Where.ROOT if os.geteuid() == 0 else Where.HOST


def make(root: Path, **more) -> Shell:
    workspace = root / "work" / f"first-{KEY}"
    workspace.mkdir(parents=True, exist_ok=True)
    return Shell(workspace, PathDisplay(root / "work"), root / "logs", **more)


@pytest.fixture
def sh(tmp_path):
    shell = make(tmp_path)
    yield shell
    shell.close()


def last(sh: Shell):
    return sh.steps()[-1]


# -- behaviour of sh --------------------------------------------------------------------------------------------


def test_a_command_is_a_step_and_its_output_a_text(sh):
    printed = sh.echo("hello", 7, Path("x"))
    assert (printed, type(printed)) == ("hello 7 x\n", str)
    (step,) = sh.steps()
    assert (step.where, step.command, step.output.text, step.status) == (ME, "echo hello 7 x", "hello 7 x\n", 0)
    assert (step.cwd, step.section, step.background, step.stdin) == ("~/kvm-lab/first", None, False, None)
    assert 0 <= step.seconds < 60


@pytest.mark.parametrize(
    ("args", "kwargs", "typed"),
    [
        ((), {"a": True, "l": "x"}, "tool -a -l x"),
        ((), {"long_name": "a b"}, "tool '--long-name=a b'"),
        ((), {"flag": True, "off": False}, "tool --flag"),
        ((["a", "b"], ("c",)), {}, "tool a b c"),
        (("it's",), {"n": 1}, """tool 'it'"'"'s' -n 1"""),
        (("x",), {"name": "y", "_long_sep": " "}, "tool x --name y"),
        (("x",), {"name": "y", "_long_prefix": "-"}, "tool x -name=y"),
    ],
    ids=str,
)
def test_keywords_are_options_and_lists_are_flattened(tmp_path, monkeypatch, args, kwargs, typed):
    # A program that shows what it really got.
    program = tmp_path / "bin" / "tool"
    program.parent.mkdir()
    program.write_text('#!/bin/bash\nprintf "<%s>" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    sh = make(tmp_path)
    printed = sh.tool(*args, **kwargs)
    assert last(sh).command == typed
    assert printed == subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=True).stdout


def test_what_a_command_returns_of_both_streams(sh):
    assert sh.line("echo out; echo err >&2") == "out\n"
    assert sorted(last(sh).output.text.splitlines()) == ["err", "out"]


def test_a_status_that_is_not_expected_raises_and_is_recorded(sh):
    with pytest.raises(plain_sh.ErrorReturnCode_3):
        sh.line("echo so far; exit 3")
    assert (last(sh).status, last(sh).output.text) == (3, "so far\n")
    assert sh.line("echo fine; exit 3", _ok_code=[0, 3]) == "fine\n"
    assert last(sh).status == 3


def test_a_command_that_is_killed_has_the_signals_number(sh):
    with pytest.raises(plain_sh.SignalException_SIGKILL):
        sh.line("kill -KILL $$")
    assert last(sh).status == -9


def test_a_command_that_takes_too_long_is_ended(sh):
    with pytest.raises(plain_sh.TimeoutException):
        sh.sleep(1000, _timeout=0.2)
    assert last(sh).status == -9
    assert last(sh).seconds < 60


def test_input_environment_and_directory(sh):
    (sh.workspace / "sub" / "deep").mkdir(parents=True)
    assert sh.cat(_in="fed\n") == "fed\n"
    assert last(sh).stdin == "fed\n"
    assert sh.line('echo "$WORD"', _env={**os.environ, "WORD": "told"}) == "told\n"
    assert sh.pwd(_cwd=sh.workspace / "sub") == f"{sh.workspace}/sub\n"
    assert (last(sh).cwd, last(sh).output.text) == ("~/kvm-lab/first/sub", "~/kvm-lab/first/sub\n")
    with sh.cd("sub"):
        assert sh.pwd(_cwd="deep") == f"{sh.workspace}/sub/deep\n"
    assert last(sh).cwd == "~/kvm-lab/first/sub/deep"


def test_a_name_with_an_underscore_is_the_program_that_is_there(tmp_path, monkeypatch):
    for name in ("one-two", "three_four"):
        (tmp_path / name).write_text("#!/bin/sh\necho $0\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    sh = make(tmp_path)
    sh.one_two()
    sh.three_four()
    assert [step.command for step in sh.steps()] == ["one-two", "three_four"]


def test_a_program_that_is_not_there_is_the_hosts_lack_and_no_step(sh):
    for call in (
        lambda: sh.no_such_program("x"),
        lambda: sh.run("no-such"),
        lambda: sh.spawn("no-such"),
        lambda: sh.run("./no"),
    ):
        with pytest.raises(HostLacks, match="no program") as raised:
            call()
        assert "tools" in raised.value.evidence.advice
        assert str(sh.workspace) not in raised.value.message
    assert sh.steps() == ()
    with pytest.raises(AttributeError):
        _ = sh._private


@pytest.mark.parametrize("name", ["_bg", "_iter", "_iter_noblock", "_piped", "_async", "_fg", "_with"])
def test_what_would_outlive_its_step_is_refused(sh, name):
    with pytest.raises(CatalogError, match=name) as raised:
        sh.echo("x", **{name: True})
    assert "spawn" in raised.value.evidence.advice
    assert sh.steps() == ()


# -- programs by path, lines of bash ----------------------------------------------------------------------------


def test_a_program_is_run_by_its_path(sh):
    sh.write("sub/tool", "#!/bin/sh\necho got $1\n", 0o755)
    assert sh.run(sh.workspace / "sub/tool", "a") == "got a\n"
    assert last(sh).command == "~/kvm-lab/first/sub/tool a"
    with sh.cd("sub"):
        assert sh.run("./tool", "b") == "got b\n"
    assert last(sh).command == "./tool b"
    assert sh.run("./tool", "c", _cwd="sub") == "got c\n"


def test_a_line_is_bash(sh):
    text = 'for i in 1 2; do echo "n $i"; done | tr n m > out.txt && cat out.txt'
    assert sh.line(text) == "m 1\nm 2\n"
    assert last(sh).command == text
    with pytest.raises(plain_sh.ErrorReturnCode):
        sh.line("exit 4 | cat")
    assert last(sh).status == 4


def test_paths_of_the_host_are_readable_in_command_and_output(sh):
    sh.line(f"echo {sh.workspace}/x; ls -d {sh.workspace}")
    assert last(sh).command == "echo ~/kvm-lab/first/x; ls -d ~/kvm-lab/first"
    assert last(sh).output.text == "~/kvm-lab/first/x\n~/kvm-lab/first\n"
    sh.mask("secret.internal", "mirror.example")
    sh.echo("http://secret.internal/x")
    assert last(sh).command == "echo http://mirror.example/x"
    assert last(sh).output.text == "http://mirror.example/x\n"
    assert sh.readable(f"{sh.workspace}/a") == "~/kvm-lab/first/a"


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@given(st.lists(WORDS | st.sampled_from(["~", "$HOME", "it's", "-n", "--", "\n", "{a,b}", "!"]), max_size=5))
@settings(max_examples=25)
def test_a_recorded_command_can_be_pasted(tmp_path_factory, words):
    sh = make(tmp_path_factory.getbasetemp() / "paste")
    place = sh.workspace / "made"
    sh.line("true", *[])
    printed = sh.run("/usr/bin/printf", "%s\\0", "first", *words, place)
    done = subprocess.run(
        ["bash", "-c", last(sh).command], capture_output=True, check=True, env={"HOME": "/home/reader", "LC_ALL": "C.UTF-8"}
    )
    assert printed == "\0".join(["first", *words, str(place), ""])
    assert done.stdout.decode() == "\0".join(["first", *words, "/home/reader/kvm-lab/first/made", ""])


# -- around the commands ----------------------------------------------------------------------------------------


def test_directories_and_sections_nest_and_end(sh):
    (sh.workspace / "a" / "b").mkdir(parents=True)
    with sh.section("outer"), sh.cd("a") as here:
        assert here == sh.workspace / "a"
        sh.true()
        with contextlib.suppress(RuntimeError), sh.section("inner"), sh.cd("b"):
            sh.true()
            raise RuntimeError
        sh.true()
    sh.true()
    assert [(step.section, step.cwd.removeprefix("~/kvm-lab/first")) for step in sh.steps()] == [
        ("outer", "/a"),
        ("inner", "/a/b"),
        ("outer", "/a"),
        (None, ""),
    ]


def test_a_written_file_is_a_step(sh):
    with sh.cd("."):
        path = sh.write("deep/run me.sh", f"cd {sh.workspace}\n", 0o750)
    assert path == sh.workspace / "deep/run me.sh"
    assert path.read_text() == f"cd {sh.workspace}\n"
    assert path.stat().st_mode & 0o777 == 0o750
    step = last(sh)
    assert (step.where, step.command, step.stdin) == (Where.FILE, "'deep/run me.sh'", "cd ~/kvm-lab/first\n")


def test_a_step_that_something_else_answers(sh):
    with sh.step(Where.GDB, f"break {sh.workspace}/a.c:3", machine="vm") as step:
        step.write("Breakpoint 1\n")
        step.write(b"at \xff\n")
        step.status = 0
    with pytest.raises(RuntimeError), sh.step(Where.QMP, "{}"):
        raise RuntimeError
    first, second = sh.steps()
    assert (first.where, first.command, first.machine, first.cwd) == (Where.GDB, "break ~/kvm-lab/first/a.c:3", "vm", None)
    assert (first.output.text, first.status) == ("Breakpoint 1\nat \ufffd\n", 0)
    assert (second.where, second.status) == (Where.QMP, None)


def test_a_long_output_goes_into_a_log_of_the_steps_number(sh):
    sh.true()
    printed = sh.seq(50_000)
    assert printed.endswith("\n50000\n")
    assert last(sh).output.log == "002.log"
    assert (sh.logs / "002.log").read_text() == printed


def test_somebody_is_told_of_each_step(tmp_path):
    told = []
    sh = make(tmp_path, on_step=lambda number, step: told.append((number, step.command)))
    sh.echo("a")
    sh.write("f", "")
    assert told == [(1, "echo a"), (2, "f")]


def test_limits_and_skipping(tmp_path):
    sh = make(tmp_path, limits=Limits(cpus=3, memory=1 << 20))
    assert (sh.cpus, sh.memory) == (3, 1 << 20)
    with pytest.raises(Skipped, match="no moon"):
        sh.skip("no moon")


# -- the background ---------------------------------------------------------------------------------------------


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_spawned_program_goes_on_until_it_is_stopped(sh):
    ready = sh.workspace / "ready"
    os.mkfifo(ready)
    spawned = sh.spawn("bash", "-c", "echo up; echo > ready; exec sleep 1000", label="vm")
    ready.read_text()
    assert spawned.poll() is None
    sh.echo("meanwhile")
    assert spawned.stop() == -signal.SIGTERM
    assert gone(spawned.pid)
    first, second = sh.steps()
    assert (first.background, first.machine, first.status, first.output.text) == (True, "vm", -15, "up\n")
    assert second.command == "echo meanwhile"
    assert spawned.output() == "up\n"
    assert spawned.stop() == -signal.SIGTERM


def test_a_spawned_program_that_does_not_listen_is_killed(sh):
    ready = sh.workspace / "ready"
    os.mkfifo(ready)
    spawned = sh.spawn("bash", "-c", "trap '' TERM; echo > ready; exec sleep 1000")
    ready.read_text()
    assert spawned.stop(timeout=0.2) == -signal.SIGKILL
    assert gone(spawned.pid)


def test_what_listens_to_a_program_that_cannot_be_started_is_ended(sh, monkeypatch):
    made = []
    monkeypatch.setattr(shell, "PipeReader", lambda sink: made.append(PipeReader(sink)) or made[0])
    program = sh.workspace / "no-program"
    program.write_text("#!/nowhere\n")
    program.chmod(0o755)
    with pytest.raises(Exception, match="No such file"):
        sh.spawn(program)
    assert made[0].out.closed
    assert made[0].err.closed


def test_a_spawned_program_that_ends_has_a_status(sh):
    spawned = sh.spawn("bash", "-c", "exit 5")
    assert spawned.wait(60) == 5
    assert (spawned.poll(), spawned.stop()) == (5, 5)
    assert last(sh).status == 5


def test_what_was_spawned_ends_with_the_recipe(tmp_path):
    sh = make(tmp_path)
    (sh.workspace / "sub").mkdir()
    pids = [sh.spawn("sleep", "1000", cwd=folder).pid for folder in (None, sh.workspace / "sub", Path("sub"))]
    assert [step.cwd.rpartition("first")[2] for step in sh.steps()] == ["", "/sub", "/sub"]
    sh.close()
    assert all(gone(pid) for pid in pids)


def test_a_thousand_commands_leave_nothing_open(tmp_path):
    sh = make(tmp_path)
    sh.true()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(30):
        sh.true()
    assert len(os.listdir("/proc/self/fd")) <= before


# -- source trees -----------------------------------------------------------------------------------------------


def test_source_trees_are_known_by_what_a_reader_sees(sh):
    tree = sh.workspace / "linux"
    tree.mkdir()
    sh.sources(linux=tree, astray=["__traceiter_*"])
    assert [(known.name, known.root, known.shown, known.astray) for known in sh.trees] == [
        ("linux", tree, "~/kvm-lab/first/linux", ("__traceiter_*",))
    ]


def test_a_source_tree_that_is_none_is_an_error(sh):
    with pytest.raises(CatalogError, match="'linux' is not a folder: ~/kvm-lab/first/gone"):
        sh.sources(linux=sh.workspace / "gone")


@pytest.mark.parametrize("character", ["\u202e", "\u2069", "\u200e", "\u061c"])
def test_a_command_that_reads_otherwise_than_it_is_is_refused(sh, character):
    for run in (sh.line, lambda text: sh.step(Where.GUEST, text).__enter__()):
        with pytest.raises(RecipeFailed, match=rf"U\+{ord(character):04X}") as caught:
            run(f"echo {character}")
        assert f"\\u{ord(character):04x}" in caught.value.evidence.advice
    assert sh.steps() == ()


@pytest.mark.parametrize("text", ["a\u202eb", "\x1b[31m", "it's\u2066"])
def test_an_argument_is_typed_by_its_numbers_and_given_as_it_is(sh, text):
    printed = sh.run("printf", "%s", text)
    assert printed == text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    typed = last(sh).command
    assert typed.isascii()
    done = subprocess.run(
        ["bash", "-c", typed], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
    )
    assert done.stdout == text.encode("utf-8", "surrogateescape")
