"""Executor: order, caching, failures, skips, limits."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace

import pytest

from kvmdocs.core.errors import CatalogError
from kvmdocs.core.model import Freshness, Status
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.run_result import ProgressListener

pytestmark = pytest.mark.process

CHAIN = """
@recipe()
def first(sh: Shell) -> Path:
    "Make a file."
    sh.line("echo one > made.txt; date +%N > time.txt")
    return sh.workspace / "made.txt"

@recipe()
def second(sh: Shell, first: Path, word: str = setting("trial.word")) -> str:
    return sh.cat(first).strip() + word

@recipe()
def other(sh: Shell) -> None:
    sh.echo("other")
"""


def settings(trial, text):
    path = trial.root / "kvmdocs.toml"
    path.write_text(path.read_text() + text)


@pytest.fixture
def chain(trial):
    made = trial()
    settings(made, '[trial]\nword = " two"\n')
    return made.recipes(CHAIN)


def test_a_recipe_gets_the_results_of_its_inputs(chain):
    outcome = chain.run("second")
    assert list(outcome.records) == ["first", "second"]
    assert outcome.records["second"].value == "one two"
    assert outcome.records["second"].inputs == {"first": outcome.records["first"].result}
    step = outcome.records["second"].steps[0]
    assert step.command == "cat ~/kvm-lab/first/made.txt"
    assert step.output.text == "one\n"


def test_nothing_runs_twice(chain):
    chain.run("second", "other")
    again = chain.run("second", "other")
    assert set(again.freshness.values()) == {Freshness.CACHED}


@pytest.mark.parametrize(
    ("old", "new", "stale"),
    [
        ('"Make a file."', '"Make it."', set()),
        ("@recipe()\ndef other", "# a comment\n@recipe()\ndef other", set()),
        ('sh.echo("other")', 'sh.echo("others")', {"other"}),
        ("echo one >", "echo won >", {"first", "second"}),
        # The result is unchanged, so recipes that build on it need not run.
        ("date +%N", "date +%s", {"first"}),
    ],
)
def test_an_edit_runs_exactly_what_it_can_change(chain, old, new, stale):
    chain.run("second", "other")
    assert old in CHAIN
    again = chain.recipes(CHAIN.replace(old, new)).run("second", "other")
    assert set(again.names(freshness=Freshness.RAN)) == stale


def test_a_setting_is_part_of_the_key_of_recipes_that_take_it(chain, monkeypatch):
    chain.run("second", "other")
    monkeypatch.setenv("KVMDOCS_TRIAL_WORD", " three")
    again = chain.run("second", "other")
    assert again.names(freshness=Freshness.RAN) == ["second"]
    assert again.records["second"].value == "one three"


def test_a_deleted_artefact_is_made_again(chain):
    chain.run("second")
    (made,) = (chain.root / "store").glob("v1/work/first-*/made.txt")
    made.unlink()
    again = chain.run("second")
    assert again.names(freshness=Freshness.RAN) == ["first"]


def test_a_failure_stops_only_recipes_that_build_on_it(trial):
    made = trial().recipes("""
        @recipe()
        def broken(sh: Shell) -> str:
            sh.line("echo so far; exit 7")

        @recipe()
        def later(sh: Shell, broken: str) -> None: ...

        @recipe()
        def fine(sh: Shell) -> None: ...
        """)
    outcome = made.run("later", "fine")
    broken = outcome.records["broken"]
    assert broken.status is Status.FAILED
    assert broken.failure.error == "CommandFailed"
    assert (broken.steps[0].status, broken.steps[0].output.text) == (7, "so far\n")
    assert broken.failure.path.endswith("all.py")
    assert outcome.records["later"].status is Status.SKIPPED
    assert "broken" in outcome.records["later"].reason
    assert outcome.records["fine"].status is Status.PASSED
    assert made.run("broken").freshness["broken"] is Freshness.RAN


def test_an_optional_input_may_be_skipped(trial):
    made = trial().recipes("""
        @recipe()
        def absent(sh: Shell) -> str:
            sh.skip("not on this host")

        @recipe()
        def modest(sh: Shell, absent: str | None) -> bool:
            return absent is None

        @recipe()
        def proud(sh: Shell, absent: str) -> None: ...
        """)
    outcome = made.run("modest", "proud")
    assert outcome.records["absent"].reason == "not on this host"
    assert outcome.records["modest"].value is True
    assert outcome.records["proud"].status is Status.SKIPPED


def test_missing_tools_and_missing_disk_space_are_named(trial):
    made = trial().recipes("""
        @recipe(tools=("no-such-tool",))
        def wanting(sh: Shell) -> None: ...

        @recipe(needs=("setting:trial.word=yes",), disk="9999T")
        def huge(sh: Shell) -> None: ...
        """)
    settings(made, '[trial]\nword = "yes"\n')
    outcome = made.run("wanting", "huge")
    assert "no-such-tool" in outcome.records["wanting"].reason
    huge = outcome.records["huge"]
    assert huge.status is Status.FAILED
    assert "GiB" in huge.failure.message
    assert "KVMDOCS_STORE_PATH" in huge.failure.advice


def test_a_cycle_of_recipes_is_named(trial):
    made = trial().recipes("""
        @recipe()
        def one(sh: Shell, two: str) -> str: ...

        @recipe()
        def two(sh: Shell, one: str) -> str: ...
        """)
    with pytest.raises(CatalogError, match=r"one → two → one|two → one → two"):
        made.run("one")


def test_a_recipe_that_takes_too_long_is_ended_and_keeps_its_steps(trial):
    made = trial().recipes("""
        @recipe(timeout="1s")
        def endless(sh: Shell) -> None:
            sh.echo("before")
            sh.sleep(1000)
        """)
    record = made.run("endless").records["endless"]
    assert record.failure.error == "TimedOut"
    assert [step.command for step in record.steps] == ["echo before", "sleep 1000"]
    assert record.seconds < 20


def test_recipes_run_at_once_within_the_processors(trial):
    made = trial().recipes("""
        @recipe()
        def left(sh: Shell) -> None:
            sh.line("touch ../left; for i in $(seq 500); do test -e ../right && exit; sleep 0.02; done; exit 1")

        @recipe()
        def right(sh: Shell) -> None:
            sh.line("touch ../right; for i in $(seq 500); do test -e ../left && exit; sleep 0.02; done; exit 1")
        """)
    outcome = made.run("left", "right")
    assert {record.status for record in outcome.records.values()} == {Status.PASSED}


def test_a_named_resource_is_used_by_one_recipe_at_a_time(trial):
    body = """
        @recipe(resources=("serial",))
        def {name}(sh: Shell) -> None:
            sh.line("mkdir ../taken && sleep 0.3 && rmdir ../taken")
        """
    made = trial().recipes(body.format(name="left") + body.format(name="right"))
    outcome = made.run("left", "right")
    assert {record.status for record in outcome.records.values()} == {Status.PASSED}


def test_two_builds_run_a_recipe_once(trial):
    made = trial().recipes("""
        @recipe()
        def slow(sh: Shell) -> None:
            sh.line("echo ran >> ../../../../count; sleep 1")
        """)
    outcomes = []
    first = threading.Thread(target=lambda: outcomes.append(made.command("kvmdocs.cli", "run", "slow")))
    first.start()
    second = made.command("kvmdocs.cli", "run", "slow")
    first.join()
    assert [done.returncode for done in [*outcomes, second]] == [0, 0]
    assert (made.root / "count").read_text() == "ran\n"


def test_an_unwritable_store_is_reported(trial):
    made = trial().recipes("""
        @recipe()
        def any(sh: Shell) -> None: ...
        """)
    (made.root / "store").write_text("in the way")
    done = made.command("kvmdocs.cli", "run", "any")
    assert done.returncode == 3
    assert "KVMDOCS_STORE_PATH" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_worker_is_a_failure_with_its_last_output(trial):
    made = trial().recipes("""
        @recipe()
        def suicide(sh: Shell) -> None:
            import os, signal, sys
            print("last words", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """)
    began = time.monotonic()
    failure = made.run("suicide").records["suicide"].failure
    assert failure.error == "WorkerLost"
    assert "SIGKILL" in failure.message
    assert "last words" in failure.tail
    assert time.monotonic() - began < 20


def test_a_new_module_is_noticed(trial):
    """Digests of code are cached between builds; an import may mean a new file from then on."""
    made = trial().recipes("""
        try:
            from .extra import WORD
        except ImportError:
            WORD = "alone"

        @recipe()
        def says(sh: Shell) -> str:
            return WORD
        """)
    assert made.run("says").records["says"].value == "alone"
    (made.root / made.package / "extra.py").write_text('WORD = "together"\n')
    assert made.run("says").records["says"].value == "together"


def test_two_checkouts_that_share_a_store_are_not_confused(trial, tmp_path, monkeypatch):
    """Checkouts have the same recipes in the same modules; the cached digests of one must not be used for the other."""
    monkeypatch.setenv("KVMDOCS_STORE_PATH", str(tmp_path / "shared"))
    made = trial().recipes("""
        @recipe()
        def says(sh: Shell) -> str:
            return "here"
        """)
    copy = replace(made, root=tmp_path / "copy")
    shutil.copytree(made.root, copy.root)
    (copy.root / made.package / "all.py").write_text((made.root / made.package / "all.py").read_text().replace("here", "there"))
    assert made.run("says").records["says"].value == "here"
    assert copy.run("says").records["says"].value == "there"
    assert made.run("says").records["says"].value == "here"


def test_a_record_holds_no_variable_that_was_not_declared_and_no_password_of_a_proxy(trial, monkeypatch):
    monkeypatch.setenv("TRIAL_SECRET", "hush-hush")
    monkeypatch.setenv("TRIAL_WORD", "given")
    monkeypatch.setenv("https_proxy", "http://somebody:swordfish@proxy.invalid:3128")
    made = trial().recipes("""
        import os

        @recipe(environ=("TRIAL_WORD",))
        def tells(sh: Shell) -> None:
            sh.env()
            sh.echo(*sorted(os.environ.values()))
            sh.line("echo $https_proxy; seq 20000; echo $https_proxy")
        """)
    record = made.run("tells").records["tells"]
    assert record.status is Status.PASSED, record.failure
    files = [path.read_bytes() for path in (made.root / "store").rglob("*") if path.is_file()]
    assert files
    for secret in (b"hush-hush", b"swordfish"):
        assert not any(secret in data for data in files)
    assert "TRIAL_WORD=given" in record.steps[0].output.text
    assert "https_proxy=<https_proxy>" in record.steps[0].output.text
    assert record.steps[2].output.tail.endswith("<https_proxy>\n")


# -- artefacts that are damaged, or that another build uses -----------------------------------------------------


def run_fresh(trial, name):
    return Executor(trial.project(), ProgressListener(), fresh=frozenset({name})).run([name])


def test_a_damaged_input_is_made_again_before_it_is_used(chain):
    made = chain.run("second").records["first"]
    (chain.root / "store/v1/work" / made.value["$path"]).write_text("bad\n")
    settings(chain, "# another word\n")
    path = chain.root / "kvmdocs.toml"
    path.write_text(path.read_text().replace('" two"', '" three"'))
    again = chain.run("second")
    assert again.names(freshness=Freshness.RAN) == ["first", "second"]
    assert again.records["second"].value == "one three"


def test_a_damaged_input_that_nothing_uses_is_left(chain):
    made = chain.run("second").records["first"]
    (chain.root / "store/v1/work" / made.value["$path"]).write_text("bad\n")
    assert chain.run("second").names(freshness=Freshness.RAN) == []


def test_a_fresh_run_leaves_what_another_build_uses(chain):
    from kvmdocs.execution.run_dirs import StoreLease

    made = chain.run("first").records["first"]
    store = chain.project().store
    lease = StoreLease(store)
    lease.hold([made])
    other = store.runs / f"1-{lease._folder.name}"  # as if of another process
    lease._folder.rename(other)
    again = run_fresh(chain, "first").records["first"]
    shutil.rmtree(other)
    assert again.workspace
    assert (store.work / again.workspace / "made.txt").exists()
    assert (store.work / made.value["$path"]).exists()
    assert again.result == made.result


def test_what_another_build_has_just_made_is_fresh_enough(chain, monkeypatch):
    made = chain.run("first").records["first"]
    store = chain.project().store
    store.put(replace(made, started="2999-01-01T00:00:00+00:00"))
    again = run_fresh(chain, "first")
    assert again.names(freshness=Freshness.RAN) == []


def test_the_locale_of_who_builds_does_not_reach_a_command(trial):
    import os
    import subprocess
    import sys

    made = trial()
    made.recipes('@recipe()\ndef wide(sh: Shell) -> str:\n    return sh.echo("宽")\n')
    main = "import sys; from kvmdocs.cli.main import main; sys.exit(main())"
    environ = {**os.environ, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for command in (["run", "wide"], ["list"]):
        subprocess.run(
            [sys.executable, "-c", main, *command], cwd=made.root, env=environ, check=True, stdout=subprocess.DEVNULL
        )
    step = made.project().store.latest("wide").steps[0]
    assert (step.command, step.output.text) == ("echo '宽'", "宽\n")


def test_what_a_recipe_leaves_in_its_home_is_gone_with_it(trial):
    made = trial()
    made.recipes(
        '@recipe()\ndef one(sh: Shell) -> str:\n    return sh.line("ls -A ~ | wc -l; echo x > ~/left; echo ~").split()[0]\n'
        '@recipe()\ndef two(sh: Shell, one: str) -> str:\n    return sh.line("ls -A ~ | wc -l").strip()\n'
    )
    records = made.run("two").records
    assert (records["one"].value, records["two"].value) == ("0", "0")
    assert records["one"].steps[0].output.text.split()[-1] == "~"
    assert not list(made.project().store.runs.iterdir())
