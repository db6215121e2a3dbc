"""The pytest plugin: an item for every recipe and every block."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.process

RECIPES = """
@recipe()
def fine(sh: Shell) -> str:
    sh.line("echo ran >> ../../../../count")
    with sh.section("part"):
        sh.echo("fine words")
    return "fine"

@recipe()
def failing(sh: Shell, fine: str) -> None:
    sh.line("seq 100; echo the last words; exit 7")

@recipe(tools=("no-such-tool",))
def wanting(sh: Shell) -> None: ...

@recipe(expects="5m", needs=("reach:trial.mirror", "root"))
def far(sh: Shell) -> None: ...
"""


def fenced(*blocks: str) -> str:
    """Blocks of a guide, with an empty line between them."""
    return "\n".join(f'```python exec="on"\n{code}\n```\n' for code in blocks)


@pytest.fixture
def project(trial):
    made = trial().recipes(RECIPES)
    path = made.root / "kvmdocs.toml"
    path.write_text(path.read_text() + '[trial]\nmirror = "http://127.0.0.1:9/"\n')
    shown = ('fine.show("part")', "failing.show()", "wanting.show()")
    blocks = fenced(*(f"from {made.module} import {show.partition('.')[0]}\n{show}" for show in shown))
    made.guide("page.md", f'# Page\n\n{blocks}\n````markdown\n```python exec="on"\nnever()\n```\n````\n')
    return made


def pytest_in(made, *arguments: str, **environ: str):
    """Run pytest in the project; return its exit status and its output."""
    done = made.command("pytest", "-p", "no:cacheprovider", "-W", "error", "-rs", "--rootdir=.", *arguments, **environ)
    return done.returncode, done.stdout + done.stderr


def test_recipes_and_blocks_are_items_and_collecting_runs_nothing(project):
    status, told = pytest_in(project, "--collect-only", "-q", "docs", project.package)
    assert status == 0
    items = [line for line in told.splitlines() if "::" in line]
    assert items == [
        "docs/page.md::line 3",
        "docs/page.md::line 8",
        "docs/page.md::line 13",
        *(f"{project.package}/all.py::{name}" for name in ("fine", "failing", "wanting", "far")),
    ]
    assert not (project.root / "store").exists()


def test_an_item_says_what_became_of_its_recipe(project):
    status, told = pytest_in(project, "-v", "docs", project.package)
    assert status == 1
    items = dict(re.findall(r"^(\S+::(?:line \d+|\w+)) (\w+)", told, re.MULTILINE))
    module = f"{project.package}/all.py"
    assert items == {
        "docs/page.md::line 3": "PASSED",
        "docs/page.md::line 8": "FAILED",
        "docs/page.md::line 13": "SKIPPED",
        f"{module}::fine": "PASSED",
        f"{module}::failing": "FAILED",
        f"{module}::wanting": "SKIPPED",
        f"{module}::far": "SKIPPED",
    }
    assert (project.root / "count").read_text() == "ran\n"
    # Why something was skipped, by name.
    assert re.search(r"SKIPPED.*no-such-tool", told)
    assert re.search(r"SKIPPED.*needs reach:trial\.mirror.*: .*127\.0\.0\.1 cannot be reached", told)
    # A failure with its evidence, and without a traceback of the engine.
    lines = [re.sub(" +", " ", line.strip()) for line in told.splitlines()]
    for line in (
        "guide docs/page.md:8",
        f"recipe failing ({module}:14)",
        "step 1 seq 100; echo the last words; exit 7",
        "status exit 7",
        "the last words",
    ):
        assert line in lines
    assert "kvmdocs/pytest_plugin/plugin.py" not in told
    assert "Traceback" not in told


def test_junit_xml_has_file_and_line(project):
    status, told = pytest_in(project, "--junit-xml=report.xml", "docs", project.package)
    assert status == 1, told
    cases = {}
    for case in ET.parse(project.root / "report.xml").iter("testcase"):
        properties = {entry.get("name"): entry.get("value") for entry in case.iter("property")}
        cases[case.get("classname"), case.get("name")] = (properties["file"], int(properties["line"]), case)
    file, line, case = cases["docs.page.md", "line 8"]
    assert (file, line) == ("docs/page.md", 8)
    assert "the last words" in case.find("failure").text
    assert [(file, line) for (_, name), (file, line, _) in cases.items() if name == "failing"] == [
        (f"{project.package}/all.py", 12)
    ]


def test_only_what_the_selected_items_need_is_run(project):
    status, told = pytest_in(project, "docs/page.md::line 3")
    assert status == 0
    assert "1 passed" in told
    assert len(list((project.root / "store/v1/records").iterdir())) == 1
    assert not (project.root / "store/v1/failures").exists()


def test_items_can_be_left_out_by_their_marks(project):
    status, told = pytest_in(project, "--collect-only", "-q", "-m", "not slow", project.package)
    assert status == 0
    assert "::far" not in told
    marks = "slow and network and root"
    _, told = pytest_in(project, "--collect-only", "-q", "--strict-markers", "-m", marks, project.package)
    assert [line.rpartition("::")[2] for line in told.splitlines() if "::" in line] == ["far"]


def test_a_block_fails_by_what_it_asks_of_a_record(project):
    project.block("page.md", f"from {project.module} import fine\nfine.show('other')")
    project.block("note.md", f"from {project.module} import fine\nfine.show(notes={{'^nowhere$': 'x'}})")
    status, told = pytest_in(project, "docs")
    assert status == 1
    assert "2 failed" in told
    assert "no section 'other'" in told
    assert "its sections are: part" in told
    assert "hangs nowhere" in told
    assert "docs/note.md:3" in told
    assert "docs/page.md:3" in told


def test_a_block_that_does_not_run_fails_and_the_others_do_not(project):
    project.block("wrong.md", "nothing.show()")
    status, told = pytest_in(project, "-v", "docs")
    assert status == 1
    assert "docs/wrong.md::line 3 FAILED" in told
    assert "docs/wrong.md:4" in told
    assert "NameError" in told
    assert "docs/page.md::line 3 PASSED" in told


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("@recipe()\ndef fine(sh): ...\n", "two recipes are called fine"),
        ("import no_such_module_at_all\n", "no_such_module_at_all"),
        ("@recipe()\ndef lost(sh, fien): ...\n", "builds on 'fien', which is not there"),
        ("@recipe()\ndef one(sh, two): ...\n@recipe()\ndef two(sh, one): ...\n", "circle"),
    ],
)
def test_recipes_that_cannot_be_are_an_error_with_file_and_line(project, more, said):
    (project.root / project.package / "more.py").write_text(f"from kvmdocs import recipe\n{more}")
    status, told = pytest_in(project, "docs", project.package)
    assert status in (1, 2)
    assert said in told
    assert f"{project.package}/more.py:" in told
    assert "INTERNALERROR" not in told
    assert "Traceback" not in told
    assert "site-packages" not in told


def test_a_session_is_executed_from_its_beginning(project):
    project.guide(
        "page.md",
        f"""\
        ```python exec="on" session="s"
        from {project.module} import fine
        ```

        ```python exec="on" session="s"
        fine.show()
        ```
        """,
    )
    status, told = pytest_in(project, "docs")
    assert status == 0, told
    assert "2 passed" in told


def test_every_block_is_set_up_captured_and_torn_down(project):
    made = project
    passing = f'from {made.module} import fine\nfine.show("part")'
    renders = """\
def failing(value):
    nothing = 0
    return 1 / nothing

fine.show(render=failing)"""
    made.guide("page.md", fenced(passing, passing, f"from {made.module} import fine\n\n{renders}", passing, passing))
    (made.root / "docs/test_beside.py").write_text("def test_one(tmp_path): print('in a test')\n")
    (made.root / "docs/conftest.py").write_text(
        "def note(name, line):\n"
        "    with open(name, 'a') as file: print(line, file=file)\n"
        "def pytest_runtest_setup(item): print('begun', item.name)\n"
        "def pytest_runtest_teardown(item): note('ends', item.name)\n"
        "def pytest_runtest_logreport(report): note('reports', f'{report.nodeid} {report.when} {report.outcome}')\n"
    )
    status, output = pytest_in(made, "-rA", "docs/page.md", "docs/test_beside.py")
    assert status == 1, output
    names = ["line 1", "line 6", "line 11", "line 21", "line 26", "test_one"]
    assert (made.root / "ends").read_text().splitlines() == names
    reports = [line.rpartition("::")[2] for line in (made.root / "reports").read_text().splitlines()]
    assert reports == [
        f"{name} {when} {'failed' if (name, when) == ('line 11', 'call') else 'passed'}"
        for name in names
        for when in ("setup", "call", "teardown")
    ]
    assert "what `render` does with the result of fine fails: ZeroDivisionError: division by zero" in output
    assert "mend it, at docs/page.md:16" in output
    assert "begun line 1\n" in output


CONFTEST = """\
import pytest

def pytest_addoption(parser):
    parser.addoption("--runslow", action="store_true")

def pytest_collection_modifyitems(config, items):
    marks = {
        "line 1": None if config.getoption("--runslow") else pytest.mark.skip(reason="slow"),
        "line 6": pytest.mark.xfail(strict=True),
        "line 11": pytest.mark.skipif(True, reason="not today"),
        "line 21": pytest.mark.xfail,
    }
    for item in items:
        if mark := marks.get(item.name):
            item.add_marker(mark)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    if item.name == "line 16":
        raise TimeoutError("too slow")
    return (yield)
"""


def test_marks_and_hooks_count_for_blocks_whose_recipes_passed(project):
    project.guide("page.md", fenced(*[f"from {project.module} import fine\nfine.show('part')"] * 6))
    (project.root / "docs/conftest.py").write_text(CONFTEST)
    for options, first in (((), "SKIPPED"), ((), "SKIPPED"), (("--runslow",), "PASSED")):
        status, output = pytest_in(project, "-v", "docs", *options)
        assert status == 1
        assert dict(re.findall(r"^docs/page.md::(line \d+) (\w+)", output, re.MULTILINE)) == {
            "line 1": first,
            "line 6": "FAILED",
            "line 11": "SKIPPED",
            "line 16": "FAILED",
            "line 21": "XPASS",
            "line 26": "PASSED",
        }
        assert "[XPASS(strict)]" in output
        assert "TimeoutError: too slow" in output


def test_recipes_that_only_skipped_blocks_show_are_not_run(project):
    project.guide("page.md", fenced(*[f"from {project.module} import fine\nfine.show('part')"] * 3))
    marks = {"line 1": "skip(reason='slow')", "line 6": "skipif(True, reason='slow')", "line 11": "skipif('1', reason='slow')"}
    conftest = project.root / "docs/conftest.py"
    for names, runs in ((("line 1", "line 6"), False), (("line 1", "line 6", "line 11"), True)):
        chosen = ", ".join(f"{name!r}: pytest.mark.{marks[name]}" for name in names)
        conftest.write_text(
            f"import pytest\nMARKS = {{{chosen}}}\n"
            "def pytest_collection_modifyitems(items):\n"
            "    items[:] = [item for item in items if item.name in MARKS]\n"
            "    for item in items:\n        item.add_marker(MARKS[item.name])\n"
        )
        status, output = pytest_in(project, "docs")
        assert status == 0, output
        assert f"{len(names)} skipped" in output
        # A condition that is text is evaluated by pytest alone, and later.
        assert (project.root / "count").exists() is runs
    # Nothing heeds the mark here.
    conftest.write_text(conftest.read_text().replace("skipif('1', reason='slow')", "skip"))
    (project.root / "count").unlink()
    status, output = pytest_in(project, "-p", "no:skipping", "docs", KVMDOCS_STORE_PATH=str(project.root / "other"))
    assert status == 0, output
    assert "3 passed" in output


def test_output_may_be_left_uncaptured(project):
    status, output = pytest_in(project, "-p", "no:capture", "docs/page.md::line 3")
    assert "INTERNALERROR" not in output
    assert status == 0, output
    assert "1 passed" in output


def test_what_was_shown_before_is_not_shown_again(trial):
    made = trial().recipes(RECIPES)
    show = f"from {made.module} import fine\nfine.show({{}})"
    (made.root / "docs/conftest.py").write_text(
        "import sys\ndef pytest_sessionfinish(): print('renderer', 'kvmdocs.render' in sys.modules)\n"
    )

    def told_of(*options: str, what: str = "docs"):
        made.guide("page.md", fenced(*(show.format(option) for option in options)))
        status, told = pytest_in(made, "-s", what)
        return status, "renderer True" in told

    first, second = 'notes={"fine words": "so it is"}', "'part'"
    assert told_of(first, second, what="docs/page.md::line 1") == (0, True)
    # What was left out then is shown now, and with it the whole.
    assert told_of(first, second) == (0, True)
    assert told_of(first, second) == (0, False)
    assert told_of(second, first) == (0, True)
    assert told_of('notes={"other words": "they are not there"}', second) == (1, True)
    assert told_of('notes={"other words": "they are not there"}', second) == (1, True)
    assert told_of(first, second) == (0, False)
    settings = made.root / "kvmdocs.toml"
    for address, expected in (("{path}", (0, True)), ("{path}", (0, False)), ("{tree}", (0, True))):
        settings.write_text(f'{settings.read_text().partition("[links]")[0]}[links]\ntree = "https://example.org/{address}"\n')
        assert told_of(first, second) == expected


def test_an_inline_recipe_is_tested_with_its_block(project):
    project.block(
        "page.md", "from kvmdocs import recipe\n@recipe()\ndef inline(sh):\n    assert sh.echo(6) == '7', 'six'\ninline.show()"
    )
    status, told = pytest_in(project, "docs")
    assert status == 1
    assert "assertion failed: six" in told
    assert "docs/page.md:7" in told
    project.recipes("@recipe()\ndef unsaid(sh: Shell) -> None:\n    assert sh.echo(6) == '7'\n")
    status, told = pytest_in(project, project.package)
    assert status == 1
    assert "assertion failed: `assert sh.echo(6) == '7'` does not hold" in told


def test_other_files_are_left_to_pytest(project):
    (project.root / "README.md").write_text('```python exec="on"\nnothing.show()\n```\n')
    (project.root / "test_plain.py").write_text("def test_plain():\n    assert True\n")
    _, told = pytest_in(project, ".", "--collect-only", "-q")
    assert "test_plain.py::test_plain" in told
    assert "README.md::" not in told


def test_a_folder_of_no_project_is_left_alone(pytester):
    pytester.makefile(".md", guide='```python exec="on"\nnothing.show()\n```\n')
    pytester.makepyfile("def test_plain():\n    assert True\n")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_want_of_a_package_can_be_an_error(project):
    done = project.command("pytest", "-p", "no:cacheprovider", f"{project.package}/all.py::wanting", REQUIRE="all")
    told = done.stdout + done.stderr
    assert done.returncode == 1
    assert "no-such-tool" in told
    assert "INTERNALERROR" not in told


SHARING = """
@recipe(resources=("machine",))
def one(sh: Shell) -> None:
    sh.line("echo begin >> ../../../../log; sleep 1; echo end >> ../../../../log")

@recipe(resources=("machine",))
def two(sh: Shell) -> None:
    sh.line("echo begin >> ../../../../log; sleep 1; echo end >> ../../../../log")

@recipe()
def failing(sh: Shell) -> None:
    sh.line("echo failing >> ../../../../failed; exit 7")

@recipe(tools=("no-such-tool",))
def wanting(sh: Shell) -> None: ...
"""


def test_workers_of_xdist_run_nothing_twice_and_keep_what_shares_a_machine_apart(trial):
    made = trial().recipes(SHARING)
    made.block("one.md", f"from {made.module} import one\none.show()")
    made.block("two.md", f"from {made.module} import two, failing\ntwo.show()\nfailing.show()")
    status, told = pytest_in(made, "-n", "2", "-v", "--junit-xml=report.xml", "docs", made.package)
    assert status == 1, told
    items = dict(reversed(item.split(" ", 1)) for item in re.findall(r"(?:PASSED|FAILED|SKIPPED) \S+::(?:line \d+|\w+)", told))
    module = f"{made.package}/all.py"
    assert items == {
        "docs/one.md::line 3": "PASSED",
        "docs/two.md::line 3": "FAILED",
        f"{module}::one": "PASSED",
        f"{module}::two": "PASSED",
        f"{module}::failing": "FAILED",
        f"{module}::wanting": "SKIPPED",
    }
    assert (made.root / "log").read_text() == "begin\nend\n" * 2
    # A failed recipe leaves no record in the store by which a second run would be spared.
    assert (made.root / "failed").read_text() == "failing\n"
    cases = {case.get("name"): case for case in ET.parse(made.root / "report.xml").iter("testcase")}
    properties = {entry.get("name"): entry.get("value") for entry in cases["failing"].iter("property")}
    assert properties == {"file": module, "line": "13"}
    assert "exit 7" in cases["failing"].find("failure").text


def test_what_keeps_everything_from_running_is_told_by_every_worker(trial):
    made = trial().recipes(SHARING)
    done = made.command("pytest", "-p", "no:cacheprovider", "-n", "2", made.package, REQUIRE="all")
    told = done.stdout + done.stderr
    assert done.returncode == 1
    assert "no-such-tool" in told
    assert "INTERNALERROR" not in told
    assert not re.search(r"node down|Traceback", told)


def test_a_failure_shows_how_it_differs_from_the_approved_record(trial):
    text = """
        @recipe()
        def counting(sh: Shell) -> None:
            sh.line("echo one")
            assert "two" in sh.line("echo two")
            sh.line("echo three")
        """
    made = trial().recipes(text)
    made.block("page.md", f"from {made.module} import counting\ncounting.show()")
    assert made.command("kvmdocs.cli", "run", "counting").returncode == 0
    assert made.command("kvmdocs.cli", "approve", "counting").returncode == 0
    made.recipes(text.replace("echo two", "echo 2"))
    status, told = pytest_in(made, f"{made.package}/all.py")
    assert status == 1
    assert "assertion failed" in told
    assert "Up to the failing step it differs from the approved record:" in told
    lines = told.splitlines()
    assert "-two" in lines
    assert "+2" in lines
    assert "three" not in told
