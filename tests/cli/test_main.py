"""The command line: its output and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from click.testing import CliRunner

from kvmdocs.cli import main
from kvmdocs.core import exit_codes
from kvmdocs.core.errors import (
    CatalogError,
    CommandFailed,
    GuideError,
    HostLacks,
    Interrupted,
    KvmdocsError,
    SettingError,
    Skipped,
    SourceRefused,
    StoreError,
    TimedOut,
    ValueNotStorable,
    WorkerLost,
)

RECIPES = """
@recipe()
def fine(sh: Shell) -> str:
    "Say something fine."
    return sh.line("echo fine words")

@recipe()
def failing(sh: Shell, fine: str) -> None:
    sh.line("echo the last words; exit 7")

@recipe(tools=("no-such-tool",), needs=("setting:trial.word=yes",))
def wanting(sh: Shell) -> None: ...
"""


@pytest.fixture
def project(trial, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("REQUIRE", raising=False)
    made = trial().recipes(RECIPES)
    path = made.root / "kvmdocs.toml"
    path.write_text(path.read_text() + '[trial]\nword = "yes"\n')
    return made


@pytest.fixture
def kvmdocs(project):
    return project.kvmdocs


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CommandFailed, 1),
        (SourceRefused, 1),
        (TimedOut, 1),
        (WorkerLost, 1),
        (GuideError, 2),
        (CatalogError, 2),
        (SettingError, 2),
        (ValueNotStorable, 1),
        (Skipped, 0),
        (HostLacks, 3),
        (StoreError, 3),
        (Interrupted, 130),
    ],
)
def test_the_exit_code_says_who_must_act(error, code):
    assert exit_codes.exit_code(error("x")) == code


def test_every_error_has_an_exit_code():
    def below(error):
        return [error, *(deeper for kind in error.__subclasses__() for deeper in below(kind))]

    mine = [error for error in below(KvmdocsError) if error.__module__ == KvmdocsError.__module__]
    assert {exit_codes.exit_code(error("x")) for error in mine} == {0, 1, 2, 3, 130}


def test_help_and_version():
    for arguments in (["--help"], ["-h"], *([name, "--help"] for name in main.main.commands)):
        done = CliRunner().invoke(main.main, arguments)
        assert done.exit_code == 0
        assert "Usage:" in done.output
    assert version("kvmdocs") in CliRunner().invoke(main.main, ["--version"]).output


@pytest.mark.process
def test_a_recipe_is_run_and_what_it_did_is_printed(kvmdocs):
    done = kvmdocs("run", "fine")
    assert done.exit_code == 0
    assert done.stdout in ("# echo fine words\nfine words\n", "$ echo fine words\nfine words\n")
    assert "recipes: 1 ran, 0 unchanged, 0 skipped, 0 failed" in done.stderr
    again = kvmdocs("run", "fine")
    assert again.stdout == done.stdout
    assert "0 ran, 1 unchanged" in again.stderr
    assert "1 ran, 0 unchanged" in kvmdocs("run", "--fresh", "fine").stderr


@pytest.mark.process
def test_a_failed_recipe_is_told_with_its_evidence(kvmdocs, project):
    project.block("page.md", f"from {project.module} import failing\nfailing.show()")
    done = kvmdocs("run", "failing")
    assert done.exit_code == 1
    told = [" ".join(line.split()) for line in done.stderr.splitlines()]
    for line in (
        "guide docs/page.md:3",
        f"recipe failing ({project.package}/all.py:12)",
        "step 1 echo the last words; exit 7",
        "status exit 7",
        "output the last words",
    ):
        assert line in told
    assert any(line.startswith("next ") for line in told)
    assert "Traceback" not in done.stderr


def test_a_skip_is_no_failure_unless_everything_is_required(kvmdocs, monkeypatch):
    done = kvmdocs("run", "wanting")
    assert done.exit_code == 0
    assert "skipped wanting: this host lacks no-such-tool" in done.stderr
    monkeypatch.setenv("REQUIRE", "all")
    done = kvmdocs("run", "wanting")
    assert done.exit_code == 3
    assert "no-such-tool" in done.stderr


@pytest.mark.process
def test_everything_can_be_run(kvmdocs):
    done = kvmdocs("run", "--all")
    assert done.exit_code == 1
    assert "1 ran, 0 unchanged, 1 skipped, 1 failed" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "kvmdocs list"),
        (["run", "fien"], "did you mean 'fine'?"),
        (["run", "--no-such-option"], "No such option"),
        (["no-such-command"], "No such command"),
        (["-C", "/no/such/folder", "list"], "does not exist"),
    ],
)
def test_wrong_use_is_2_and_says_what_to_type(kvmdocs, arguments, said):
    done = kvmdocs(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_configuration_is_2(kvmdocs, project, monkeypatch):
    monkeypatch.setenv("KVMDOCS_LIMITS_CPUS", "many")
    done = kvmdocs("list")
    assert (done.exit_code, "KVMDOCS_LIMITS_CPUS" in done.stderr) == (2, True)
    monkeypatch.delenv("KVMDOCS_LIMITS_CPUS")
    (project.root / "kvmdocs.toml").write_text("[")
    assert kvmdocs("list").exit_code == 2


def test_recipes_that_cannot_be_imported_are_2(kvmdocs, project):
    project.recipes("raise ValueError('at import')")
    for arguments in (["list"], ["run", "fine"], ["doctor"], ["build"]):
        done = kvmdocs(*arguments)
        assert done.exit_code == 2
        assert f"{project.package}/all.py:4" in done.stderr


@pytest.mark.parametrize("command", ["list", "status", "diff", "doctor", "run", "why", "approve", "export"])
def test_a_folder_without_a_project_is_wrong_use(tmp_path, monkeypatch, command):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MKDOCS_CONFIG_DIR", raising=False)  # markdown-exec sets it and leaves it
    names = ["any"] if command in ("run", "why", "approve", "export") else []
    for where in ([], ["-C", str(tmp_path / "sub")]):
        done = CliRunner().invoke(main.main, [*where, command, *names], catch_exceptions=False)
        folder = tmp_path / "sub" if where else tmp_path
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"kvmdocs: no project in {folder}" in done.stderr
        assert "kvmdocs -C FOLDER" in done.stderr


def test_a_project_needs_no_settings(trial):
    made = trial().recipes(RECIPES)
    (made.root / "kvmdocs.toml").unlink()
    assert made.kvmdocs("list").exit_code == 0


def test_the_list_names_every_recipe(kvmdocs):
    done = kvmdocs("list")
    assert done.exit_code == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines == ["failing failing ← fine", "fine Say something fine.", "wanting wanting"]


def test_the_list_as_json(kvmdocs, project):
    project.block("page.md", f"from {project.module} import fine\nfine.show()")
    data = json.loads(kvmdocs("list", "--json").stdout)
    assert data["schema"] == 1
    assert data["recipes"][1] == {
        "name": "fine",
        "title": "Say something fine.",
        "place": f"{project.package}/all.py:5",
        "builds_on": [],
        "needs": [],
        "tools": [],
        "guides": ["docs/page.md:3"],
    }


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"]], ids=str)
def test_the_list_says_what_is_wrong_with_guides(kvmdocs, project, arguments):
    project.block("page.md", "nothing.show()")
    done = kvmdocs(*arguments)
    assert done.exit_code == 2
    assert "fine" in done.stdout
    assert "docs/page.md:4" in done.stderr


def test_the_doctor_tries_all_that_recipes_declare(kvmdocs, monkeypatch):
    done = kvmdocs("doctor")
    assert done.exit_code == 0
    assert "NO  tool no-such-tool" in done.stdout
    assert "ok  setting:trial.word=yes" in done.stdout
    data = json.loads(kvmdocs("doctor", "--json").stdout)
    (tool,) = [check for check in data["checks"] if check["name"] == "tool no-such-tool"]
    assert (tool["good"], bool(tool["advice"])) == (False, True)
    monkeypatch.setenv("REQUIRE", "all")
    assert kvmdocs("doctor").exit_code == 3


def test_ctrl_c_is_130(kvmdocs, monkeypatch):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("kvmdocs.execution.project.Project", pressed)
    done = kvmdocs("list")
    assert (done.exit_code, done.stderr) == (130, "kvmdocs: interrupted\n")


PRESSED = """
from kvmdocs.cli.common import reporting

@reporting
def command():
    exec("import os, signal; os.kill(os.getpid(), signal.SIGINT); [None for _ in range(1000)]")

command()
"""


@pytest.mark.process
def test_ctrl_c_is_130_in_code_that_runs_from_a_string(tmp_path):
    # Such as a dataclass that is being made: Python itself would end the process by the signal, whoever caught the exception.
    (tmp_path / "pressed.py").write_text(PRESSED)
    done = subprocess.run([sys.executable, "-m", "pressed"], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "kvmdocs: interrupted\n")


@pytest.mark.process
def test_a_site_is_built_and_told(kvmdocs, project, monkeypatch):
    monkeypatch.setenv("MKDOCS_CONFIG_DIR", str(project.root))
    project.block("page.md", f"from {project.module} import fine\nfine.show()")
    done = kvmdocs("build")
    assert done.exit_code == 0, done.output
    assert "1 recipe to run" in done.stdout
    assert "1 ran, 0 unchanged" in done.stdout
    assert f"open {project.root}/site/index.html" in done.stdout
    assert "fine words" in (project.root / "site/page/index.html").read_text()
    again = kvmdocs("build")
    assert "to run" not in again.stdout
    assert "0 ran, 1 unchanged" in again.stdout
    project.block("wrong.md", "nothing.show()")
    done = kvmdocs("build")
    assert done.exit_code == 2
    assert "docs/wrong.md:4" in done.stderr


@pytest.mark.process
def test_a_site_is_as_it_was_when_a_recipe_fails(kvmdocs, project, monkeypatch):
    monkeypatch.setenv("MKDOCS_CONFIG_DIR", str(project.root))
    project.block("page.md", f"from {project.module} import failing\nfailing.show()")
    (project.root / "site").mkdir()
    (project.root / "site/index.html").write_text("as it was")
    done = kvmdocs("build")
    assert done.exit_code == 1
    for said in ("docs/page.md:3", "exit 7", "the last words", "the site is as it was"):
        assert said in done.stderr
    assert (project.root / "site/index.html").read_text() == "as it was"


@pytest.mark.process
@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        (
            "import kvmdocs",
            {"sh", "mkdocs", "rich", "psutil", "filelock", "click", "kvmdocs.execution.executor", "markdown"},
        ),
        ("import kvmdocs.pytest_plugin.plugin", {"sh", "mkdocs", "rich", "psutil", "kvmdocs.execution.executor"}),
        (
            "from kvmdocs.cli.main import main; main(['--help'], standalone_mode=False)",
            {"sh", "mkdocs", "psutil", "rich"},
        ),
    ],
)
def test_imports_stay_light(code, heavy):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('MODULES', *sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert heavy & set(done.stdout.partition("MODULES")[2].split()) == set()


@pytest.mark.process
def test_why_says_what_made_a_recipe_stale(kvmdocs, project, monkeypatch):
    assert "never ran here" in kvmdocs("why", "failing").stdout
    kvmdocs("run", "fine")
    assert kvmdocs("why", "fine").stdout.startswith("fine: current")
    project.recipes(RECIPES.replace("echo fine words", "echo finer words"))
    told = kvmdocs("why", "fine").stdout
    assert "fine: stale" in told
    assert "  its own code changed" in told
    data = json.loads(kvmdocs("why", "fine", "--json").stdout)
    assert data["schema"] == 1
    assert data["recipes"][0]["reasons"] == ["its own code changed"]
    assert kvmdocs("why").exit_code == 2
    assert "lacks no-such-tool" in kvmdocs("why", "wanting").stdout


@pytest.mark.process
def test_the_status_of_all_that_guides_show(kvmdocs, project):
    project.block("page.md", f"from {project.module} import failing, wanting\nfailing.show()\nwanting.show()")
    kvmdocs("run", "failing", "fine")
    kvmdocs("approve", "fine")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in kvmdocs("status").stdout.splitlines()}
    assert set(lines) == {"fine", "failing", "wanting"}
    assert lines["fine"].startswith("current 20")
    assert "approved 20" in lines["fine"]
    assert lines["failing"].startswith("failed")
    assert lines["wanting"].startswith("stale - this host lacks no-such-tool")
    data = json.loads(kvmdocs("status", "fine", "--json").stdout)
    assert data["schema"] == 1
    assert (data["recipes"][0]["state"], data["recipes"][0]["drift"]) == ("current", "")


def complete(kvmdocs, project, *words: str) -> list[str]:
    """Return bash's completions of the last of these words."""
    for name in [name for name in sys.modules if name.partition(".")[0] == project.package]:
        del sys.modules[name]
    typed = ["kvmdocs", "-C", str(project.root), *words]
    environ = {"_KVMDOCS_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(typed), "COMP_CWORD": str(len(typed) - 1)}
    done = CliRunner(env=environ).invoke(main.main, [], prog_name="kvmdocs")
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_a_shell_completes_commands_options_and_recipes(kvmdocs, project):
    assert complete(kvmdocs, project, "st") == ["status"]
    assert complete(kvmdocs, project, "run", "--sh") == ["--shell"]
    assert complete(kvmdocs, project, "run", "f") == ["failing", "fine"]
    assert complete(kvmdocs, project, "export", "w") == ["wanting"]
    assert complete(kvmdocs, project, "schema", "d") == ["diff", "doctor"]
    # A project that cannot be read completes nothing, and says nothing into the line that is being typed.
    (project.root / "kvmdocs.toml").write_text("[")
    assert complete(kvmdocs, project, "run", "f") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_help_says_how_completion_is_switched_on(monkeypatch, shell):
    assert f"_KVMDOCS_COMPLETE={shell}_source kvmdocs" in CliRunner().invoke(main.main, ["--help"]).output
    monkeypatch.setattr("click.shell_completion.BashComplete._check_version", lambda *_: None)
    done = CliRunner(env={"_KVMDOCS_COMPLETE": f"{shell}_source"}).invoke(main.main, [], prog_name="kvmdocs")
    assert "_KVMDOCS_COMPLETE" in done.output


@pytest.mark.process
def test_so_many_recipes_run_at_once_as_jobs_says(kvmdocs, project):
    line = "echo begin >> ../../../../log; sleep 0.5; echo end >> ../../../../log"
    names = ("one", "two", "three")
    project.recipes("".join(f"@recipe()\ndef {name}(sh):\n    sh.line({line!r})\n" for name in names))
    assert kvmdocs("run", "--jobs", "1", *names).exit_code == 0
    assert (project.root / "log").read_text() == "begin\nend\n" * 3
    (project.root / "log").unlink()
    assert kvmdocs("run", "--fresh", "--jobs", "2", *names).exit_code == 0
    assert (project.root / "log").read_text().startswith("begin\nbegin\nend\n")
    assert kvmdocs("run", "--jobs", "0", *names).exit_code == 2
    assert "KVMDOCS_LIMITS_JOBS" not in os.environ


@pytest.mark.process
def test_a_build_takes_jobs_too(kvmdocs, project, monkeypatch):
    monkeypatch.setenv("MKDOCS_CONFIG_DIR", str(project.root))
    project.block("page.md", f"from {project.module} import fine\nfine.show()")
    done = kvmdocs("build", "-j", "1")
    assert done.exit_code == 0, done.output
