"""The exported script of a recipe: in an empty directory it does the same, or stops."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from kvmdocs.cli import main
from kvmdocs.core.model import Host, Output, Record, Status, Step, Where
from kvmdocs.lab.guest import READY
from kvmdocs.script.assemble import script, section_script
from kvmdocs.script.runtime_ids import find
from tests.support import ROOT

pytestmark = pytest.mark.process

RECIPES = """
@recipe()
def source(sh: Shell) -> Path:
    sh.write("notes/it's.txt", "no end", 0o640)
    sh.write("run.sh", "#!/bin/sh\\necho \\"$1 $PWD\\" | sed s,$HOME,HOME,\\nEOF\\n", 0o755)
    return sh.workspace

@recipe()
def built(sh: Shell, source: Path) -> Path:
    sh.mkdir("build")
    with sh.cd("build"):
        with sh.section("words"):
            sh.line("seq 3 | tac > numbers; exit 3", _ok_code=[3])
            sh.line("head -n 2; cat > rest", _in="a b\\nc\\nd")
        sh.run(source / "run.sh", "a word", _ok_code=[0, 127])
        sh.line("cat ../../source-*/notes/*.txt numbers rest 2>/dev/null > all; echo '$HOME' >> all", _ok_code=[0, 1])
    return sh.workspace
"""

HOST = Host("box", "Debian GNU/Linux 12 (bookworm)", "6.1.0", "x86_64", 2, 4 << 30)


@pytest.fixture
def exported(trial, monkeypatch, tmp_path):
    """Function that exports a recipe's script."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = trial().recipes(RECIPES)

    def export(name):
        for call in (["run", name], ["export", name, "--output", str(tmp_path / "script.sh")]):
            for module in [module for module in sys.modules if module.partition(".")[0] == made.package]:
                del sys.modules[module]
            done = CliRunner().invoke(main.main, ["-C", str(made.root), *call])
            assert done.exit_code == 0, done.output
        return made, tmp_path / "script.sh"

    return export


def run(path, home, *options):
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [path, *options],
        cwd=home,
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def tree(folder):
    """Return name, permissions and content of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder)), path.stat().st_mode, path.read_bytes()) for path in files]


def test_the_script_gives_the_same_in_an_empty_directory(exported, tmp_path):
    made, path = exported("built")
    done = run(path, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    for name in ("source", "built"):
        (ran,) = (made.root / "store/v1/work").glob(f"{name}-*")
        ours = [entry for entry in tree(ran) if entry[0] != "build/all"]
        assert ours
        assert [entry for entry in tree(tmp_path / "home/kvm-lab" / name) if entry[0] != "build/all"] == ours


def test_the_script_stops_at_the_first_failure(exported, tmp_path):
    _, path = exported("built")
    path.write_text(path.read_text().replace("seq 3 | tac", "false | tac").replace("exit 3", "exit 4"))
    done = run(path, tmp_path / "home")
    assert done.returncode == 1
    assert "built, step 2: exit status 4, not 3" in done.stderr
    assert not (tmp_path / "home/kvm-lab/built/build/rest").exists()


def test_what_others_build_on_is_made_once(exported, tmp_path):
    _, path = exported("built")
    first, second = run(path, tmp_path / "home"), run(path, tmp_path / "home")
    assert first.stdout.splitlines()[0] == "== source"
    assert second.returncode == 0, second.stderr
    assert [line for line in second.stdout.splitlines() if line.startswith("==")] == ["== source: made before", "== built"]
    path.write_text(path.read_text().replace("no end", "an end").replace("due source input ", "due source input 0"))
    assert run(path, tmp_path / "home").stdout.splitlines()[0] == "== source"


def test_a_folder_that_no_script_has_made_is_left_alone(exported, tmp_path):
    _, path = exported("built")
    mine = tmp_path / "home/kvm-lab/source/notes/mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    done = run(path, tmp_path / "home")
    assert done.returncode == 1
    assert "no script has made it: move it away, or use it with --have source" in done.stderr
    (mine.parents[1] / "run.sh").write_text("#!/bin/sh\nexit 127\n")
    (mine.parents[1] / "run.sh").chmod(0o755)
    for option in ("source", "all"):
        done = run(path, tmp_path / "home", "--have", option)
        assert done.returncode == 0, done.stderr
        assert mine.read_text() == "mine"
    assert run(path, tmp_path / "home", "--have").returncode == 1
    assert run(path, tmp_path / "other", "--have", "source").stderr.startswith("source was to be there already")


def test_a_step_that_failed_and_now_does_not_stops_nothing(exported, tmp_path):
    _, path = exported("built")
    path.write_text(path.read_text().replace("exit 3", "exit 0"))
    done = run(path, tmp_path / "home")
    assert done.returncode == 0
    assert "built, step 2: exit status 0, when it was recorded 3" in done.stderr


def step(where, command, **more):
    return Step(where, command, **more)


FOLDER = "~/kvm-lab/any"
REFUSAL = Output('{\n  "error": {\n    "class": "CommandNotFound"\n  }\n}\n')


def lab(qemu):
    """Return a record with a machine, a debugger used between other steps, and one used in one go."""
    machine = (
        f"{qemu} \\\n    -name vm \\\n    -serial file:vm.console \\\n    -serial unix:vm.shell,server=on,wait=off"
        " \\\n    -qmp unix:vm.qmp,server=on,wait=off"
    )
    steps = (
        step(Where.HOST, machine, background=True, status=0, cwd=FOLDER),
        step(Where.GUEST, "printf '%s.' \"it's\" '\\n'; printf 'a  b\\nno end'", status=0),
        step(Where.GUEST, "false ||\nls /absent", status=2),
        step(Where.GUEST, "sleep 50 >/dev/null 2>&1 &", status=0),
        step(Where.GUEST, "kill 4711; word=kept", status=0),
        step(Where.QMP, '{"execute": "query-status"}'),
        step(Where.QMP, '{"execute": "nosuch"}', output=REFUSAL),
        step(Where.HMP, 'info "x"'),
        step(Where.HOST, "sleep 600", background=True, status=-15, cwd=FOLDER, machine="other"),
        step(Where.HOST, "gdb -q -nx -p 815", cwd=FOLDER, section="live"),
        step(Where.GDB, "info threads", section="live"),
        step(Where.GUEST, "echo $word", status=0),
        step(Where.GDB, "print nosuch", section="live"),
        step(Where.GDB, "python\nprint(6*7)\nend", section="live"),
        step(Where.GDB, "detach", section="live"),
        step(Where.HOST, "gdb -q -nx -p 815", cwd=FOLDER, section="file"),
        step(Where.GDB, "info threads", section="file"),
        step(Where.GDB, "detach", section="away"),
        step(Where.HOST, "kill -0 815", cwd=FOLDER, status=0),
        step(Where.QMP, '{"execute": "quit"}'),
        step(Where.HOST, "sh -c 'kill -9 $$'", cwd=FOLDER, status=-9),
    )
    return Record("any", "", Status.PASSED, HOST, "2026-11-24T21:00:00+00:00", steps=steps)


@pytest.fixture
def qemu(tmp_path):
    source = (ROOT / "tests/lab/fake_qemu.py").read_text("utf-8")
    path = tmp_path / "fake-qemu"
    path.write_text(f"#!{sys.executable}\n{source}", "utf-8")
    path.chmod(0o755)
    return path


def written(tmp_path, record, **more):
    path = tmp_path / "lab-script.sh"
    path.write_text(script([record], {"TZ": "UTC"}, **more), "utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not there")
def test_guests_monitors_and_debuggers_are_told_and_answer(tmp_path, qemu):
    done = run(written(tmp_path, lab(qemu)), tmp_path / "home")
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert "it's.\\n.a  b\nno end\nguest# " in told
    assert '<- {"return": {"status": "running"}}' in told
    assert '<- {"error": {"class": "CommandNotFound"' in told
    assert '(qemu) info "x"\none\ntwo\n' in told
    assert told.count('"sleep"') == 2  # the same process, named by its number in either way
    assert "guest# echo $word\nkept\n" in told
    # Where neither the program nor its libraries have symbols gdb says that instead.
    assert re.search('No symbol "nosuch" in current context|No symbol table is loaded', told)
    assert "42\n" in told
    assert "+info threads\n" in told
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(one.info["cmdline"] or ())]


@pytest.mark.parametrize(
    ("command", "wrong", "message"),
    [
        (
            "echo $word",
            "exit_status() { return 7; }; exit_status",
            "in the guest of vm: exit_status() { return 7; }; exit_status: exit status 7, not 0",
        ),
        ('"query-status"', '"nosuch"', 'vm does not answer with "return"'),
    ],
)
def test_a_failure_in_a_guest_or_at_a_monitor_stops_it(tmp_path, qemu, command, wrong, message):
    path = written(tmp_path, lab(qemu))
    path.write_text(path.read_text().replace(command, wrong).replace("debugger gdb1 gdb", "debugger gdb1 cat #"))
    done = run(path, tmp_path / "home")
    assert done.returncode == 1
    assert message in done.stderr
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(one.info["cmdline"] or ())]


def test_a_machine_that_does_not_start_is_told(tmp_path, qemu):
    path = written(tmp_path, lab(f"{qemu} -fault dies"))
    done = run(path, tmp_path / "home")
    assert done.returncode == 1
    assert "could not load PC BIOS" in done.stderr
    assert "the machine vm is not ready" in done.stderr


def test_a_debugger_told_all_in_one_go_gets_a_file(qemu):
    text = script([lab(qemu)], {})
    assert (
        "cat > any-2.gdb <<'EOF'\nset pagination off\nset width 96\nset trace-commands on\ninfo threads\n# away\ndetach\nEOF\n"
        in text
    )
    assert 'gdb -q -nx -p "${pid[job9]}" -batch -x any-2.gdb' in text
    assert "debugger gdb1 gdb" in text  # a guest is told something in between
    refused = replace(lab(qemu).steps[16], output=Output("No thread selected\nCannot access memory at address 0x1\n"))
    text = script([replace(lab(qemu), steps=(*lab(qemu).steps[:16], refused, *lab(qemu).steps[17:]))], {})
    assert 'gdb -q -nx -p "${pid[job9]}" < any-2.gdb' in text  # with -x a file ends where gdb cannot do what it is told


def test_a_section_shows_what_the_script_has_for_it(qemu):
    record = lab(qemu)
    assert section_script(record, "live").splitlines()[0] == 'debugger gdb1 gdb -q -nx -p "${pid[job9]}"'
    assert section_script(record, "away") == "# any-2.gdb: detach"
    assert "-batch -x any-2.gdb" in section_script(record, "file")
    assert section_script(record, "absent") == ""
    whole = section_script(record, None)
    assert whole in script([record], {})


def test_a_machine_ends_when_it_did(qemu):
    first = step(Where.HOST, f"{qemu} -name a -serial unix:a.shell -qmp unix:a.qmp", background=True, cwd=FOLDER, machine="a")
    on = step(Where.HOST, "true", cwd=FOLDER, status=0)
    off = step(Where.GUEST, "poweroff -f >/dev/null 2>&1 &", machine="a", status=0)

    def text(*steps):
        return section_script(replace(lab(qemu), steps=steps), None)

    timed = [replace(first, started=1.0, seconds=3.0), replace(off, started=2.0), replace(on, started=4.5)]
    assert text(*timed).index("powered_off a") < text(*timed).index("true")
    timed[1] = replace(on, started=2.0)
    assert text(*timed).index("true") < text(*timed).index("stop a") < text(*timed).rindex("true")
    assert text(replace(first, until=2), on, on).index("true") < text(replace(first, until=2), on, on).index("stop a")
    assert text(first, on, first, on).count("stop a") == 1  # no times: at the latest when its name is another's
    assert "stop" not in text(first, on)
    assert "ready a try 60" in text(first, on)
    assert "ready a shell" in text(first, off)
    assert "ready a monitor" in text(replace(first, command=f"{first.command} -S"), on)


def test_threads_that_a_monitor_told_of_are_asked_for_again():
    told = Output('{\n  "return": [\n    {\n      "thread-id": 31\n    },\n    {\n      "thread-id": 32\n    }\n  ]\n}\n')
    steps = (
        step(Where.HOST, "qemu -name a -qmp unix:a.qmp", background=True),
        step(Where.QMP, '{"execute": "query-cpus-fast"}', output=told),
        step(Where.HOST, "cat /proc/30/task/32/comm; ls /proc/1/fd; kill -0 30"),
        step(Where.HOST, "cat /proc/30/task/33/comm"),
    )
    found = find(steps, {1: "a"})
    assert found.put(3, steps[2].command) == 'cat /proc/"${pid[a]}"/task/"$thread_3"/comm; ls /proc/1/fd; kill -0 "${pid[a]}"'
    assert found.put(4, steps[3].command) == 'cat /proc/"${pid[a]}"/task/33/comm'  # nobody has told of it
    (line,) = found.after[2]
    answer = 'said=\'{"return": [{"thread-id": 7, "a": 1}, {"thread-id": 8}]}\'; '
    assert subprocess.check_output(["bash", "-c", f"{answer}{line}; echo $thread_3"], text=True) == "8\n"


def test_a_mirror_is_the_reader_s_own(tmp_path):
    steps = (
        step(Where.FILE, "host.sources", stdin="URIs: <mirror>\nURIs: <mirror-2>/x\n", cwd=FOLDER),
        step(Where.HOST, "echo <mirror>/y > line", cwd=FOLDER, status=0),
    )
    record = replace(lab(""), steps=steps)
    path = written(tmp_path, record, mirrors={"mirror": "http://one.example"})
    done = run(path, tmp_path / "home")
    assert done.returncode == 1
    assert "MIRROR_2: set it to the address that the page shows as <mirror-2>" in done.stderr
    path = written(tmp_path, record, mirrors={"mirror": "http://one.example", "mirror-2": "http://two.example"})
    assert run(path, tmp_path / "home").returncode == 0
    made = tmp_path / "home/kvm-lab/any"
    assert (made / "host.sources").read_text() == "URIs: http://one.example\nURIs: http://two.example/x\n"
    assert (made / "line").read_text() == "http://one.example/y\n"


def test_what_a_guest_says_when_it_is_ready_is_what_the_lab_waits_for(qemu):
    assert READY in script([lab(qemu)], {})


def shellcheck(*paths):
    program = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([program, *paths], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_shellcheck_finds_nothing(exported, tmp_path, qemu):
    _, path = exported("built")
    shellcheck(path, written(tmp_path, lab(qemu)))


def test_shellcheck_would_find_something(tmp_path):
    path = written(tmp_path, replace(lab(""), steps=(step(Where.HOST, "read x; cp -r a* `pwd`", cwd=FOLDER, status=0),)))
    with pytest.raises(AssertionError, match="SC2162"):
        shellcheck(path)


@pytest.mark.parametrize("character", ["\u202e", "\u2067", "\x1b"])
def test_a_script_has_nothing_that_is_not_seen(character):
    record = replace(
        lab("qemu"), steps=(step(Where.HOST, f"echo a{character}b"), step(Where.FILE, "file", stdin=f"x{character}\n"))
    )
    for text in (script([record], {}), section_script(record, None)):
        assert character not in text
        assert "printf %s $'x" in text
