"""The script that a recipe is exported as: it runs in an empty directory and gives the same, or stops."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from kvmdocs import cli
from kvmdocs.export import script, section_script
from kvmdocs.model import Host, Output, Record, Status, Step, Where

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
    """Gives the script of a recipe."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = trial().recipes(RECIPES)

    def export(name):
        for call in (["run", name], ["export", name, "--output", str(tmp_path / "script.sh")]):
            for module in [module for module in sys.modules if module.partition(".")[0] == made.package]:
                del sys.modules[module]
            done = CliRunner().invoke(cli.main, ["-C", str(made.root), *call])
            assert done.exit_code == 0, done.output
        return made, tmp_path / "script.sh"

    return export


def run(path, home):
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [path],
        cwd=home,
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def tree(folder):
    """Name, permissions and content of every file below a folder."""
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


def step(where, command, **more):
    return Step(where, command, cwd="~/kvm-lab/any", **more)


LAB = Record(
    "any",
    "",
    Status.PASSED,
    HOST,
    "2026-11-24T21:00:00+00:00",
    steps=(
        step(Where.HOST, "sleep 60", background=True, status=-15, machine="vm"),
        step(Where.GUEST, "uname -r\nls", machine="vm", status=0),
        step(Where.HOST, "gdb -q -nx -p 4711", section="attach"),
        Step(Where.GDB, "info threads", Output("* 1\n"), section="threads"),
        Step(Where.GDB, "detach"),
        Step(Where.QMP, '{"execute": "quit"}'),
        step(Where.HOST, "sh -c 'kill -9 $$'", status=-9),
    ),
)


def test_a_debugger_gets_a_file_of_commands_and_the_rest_is_a_comment():
    text = script([LAB], {"TZ": "UTC"}, {"other": "skipped"})
    assert "# other was not run: skipped" in text
    assert "# in the guest vm: uname -r\n#   ls\n" in text
    assert "cat > any-1.gdb <<'EOF'\n# threads\ninfo threads\ndetach\nEOF\n" in text
    assert 'gdb -q -nx -p "${pids[-1]}" -batch -x any-1.gdb' in text
    assert '# over QMP: {"execute": "quit"}' in text
    assert "check 137 $?" in text


def test_a_section_has_the_lines_it_has_in_the_script():
    assert "info threads" in section_script(LAB, "threads")
    assert "kill -9" not in section_script(LAB, "threads")
    assert section_script(LAB, "absent") == ""


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not there")
def test_shellcheck_finds_nothing(exported, tmp_path):
    _, path = exported("built")
    lab = tmp_path / "lab.sh"
    lab.write_text(script([LAB], {"TZ": "UTC"}))
    done = subprocess.run(["shellcheck", path, lab], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0
