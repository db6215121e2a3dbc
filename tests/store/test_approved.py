"""Approved records: what is in their files, what must not be, and how they are made and compared."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.core.errors import CatalogError
from kvmdocs.core.model import Host, Output, Record, SourceLocation, Status, Step, Where
from kvmdocs.core.settings import Settings
from kvmdocs.store.approved import HEAD, TAIL, Approved, host_secrets, read, redact, to_json, truncate
from kvmdocs.store.store import Store

HOST = Host("box", "Debian GNU/Linux 12 (bookworm)", "6.1.0", "x86_64", 2, 4 << 30)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
STEPS = st.builds(
    Step,
    where=st.sampled_from(Where),
    command=TEXTS,
    output=st.builds(Output, head=TEXTS, tail=TEXTS, omitted_lines=st.integers(0, 9), omitted_bytes=st.integers(0, 9)),
    cwd=st.none() | st.just("~/kvm-lab/x"),
    section=st.none() | st.just("part"),
    machine=st.sampled_from(["", "guest 1"]),
    stdin=st.none() | TEXTS,
    mode=st.sampled_from(["", "755"]),
    background=st.booleans(),
    status=st.none() | st.integers(-9, 255),
    seconds=st.sampled_from([0.0, 7.0]),
    until=st.sampled_from([0, 2]),
)


def record(*steps: Step, **more) -> Record:
    return Record(
        recipe="any", key="", status=Status.PASSED, host=HOST, started="2026-11-24T21:00:00+00:00", steps=steps, **more
    )


def step(text: str, command: str = "true", **more) -> Step:
    return Step(Where.HOST, command, Output(text), **more)


@given(st.lists(STEPS, max_size=4))
def test_a_record_comes_back_as_it_went(steps):
    places = (
        SourceLocation("../virtio.c", 12, "qemu", "7.2", "hw/virtio.c", "flush", ("one", "two"), 11),
        SourceLocation("a", 0, "b", "", ""),
    )
    one = record(
        *steps, value={"a": [1, False]}, settings={"x.y": "z"}, tools={"gcc": "gcc 12\nmore"}, emulated=True, places=places
    )
    assert read(json.loads(json.dumps(to_json(one)))) == one


def test_a_line_of_output_is_a_line_of_the_file(tmp_path):
    approved = Approved(Settings.load(tmp_path))
    text = approved.put(record(step("one\ntwo\n", "echo one; echo two"))).read_text()
    assert '"one",\n' in text
    assert '"two",\n' in text
    assert approved.names() == ["any"]
    assert approved.get("any").steps[0].output.text == "one\ntwo\n"
    assert approved.get("other") is None


def test_no_times_are_kept_but_when_what_went_on_in_the_background_ended():
    machine = step("", "qemu", background=True, started=0.5, seconds=2.0)
    kept = redact(record(machine, step("", started=1.0), step("", started=2.4), step("", started=2.6)), {})
    assert [one.until for one in kept.steps] == [3, 0, 0, 0]
    assert [one.started for one in kept.steps] == [0.0] * 4
    assert redact(kept, {}) == kept
    unknown = redact(record(replace(machine, started=0.0, seconds=7.0), step("")), {})
    assert unknown.steps[0].until == 0


def test_what_means_something_on_one_host_only_is_left_out():
    one = record(
        step("text", started=3.0, seconds=0.123), value={"$path": "any-0123456789abcdef/build"}, inputs={"a": "b"}, result="c"
    )
    kept = redact(one, {})
    assert (kept.key, kept.inputs, kept.result) == ("", {"a": ""}, "")
    assert (kept.steps[0].started, kept.steps[0].seconds) == (0.0, 0.0)
    assert kept.value == {"$path": "any/build"}


def test_paths_mirrors_and_secrets_of_a_host_are_hidden(tmp_path):
    settings = Settings.load(tmp_path, {})
    (tmp_path / "kvmdocs.toml").write_text('[qemu]\nmirror = "https://download.qemu.org"\n')
    environ = {
        "KVMDOCS_QEMU_MIRROR": "https://user:pass-word@mirror.corp.example:8443/qemu",
        "https_proxy": "http://proxy.corp.example:3128",
        "SOME_TOKEN": "t0ps3cr3t-value",
        "HOME": "/home/somebody",
        "LANG": "C.UTF-8",
    }
    settings = Settings.load(tmp_path, environ)
    hidden = host_secrets(settings, [tmp_path / "store"], environ)
    text = (
        f"{tmp_path}/recipes {tmp_path}/store/v1 /home/somebody/x t0ps3cr3t-value C.UTF-8\n"
        "https://user:pass-word@mirror.corp.example:8443/qemu/a http://proxy.corp.example:3128 pass-word\n"
    )
    kept = redact(record(step(text), settings={"qemu.mirror": environ["KVMDOCS_QEMU_MIRROR"]}), hidden)
    shown = json.dumps(to_json(kept))
    for secret in ("corp.example", "pass-word", "t0ps3cr3t", str(tmp_path), "/home/somebody"):
        assert secret not in shown
    assert kept.settings == {"qemu.mirror": "<qemu.mirror>"}
    assert "C.UTF-8" in shown
    # What the file says is everybody's.
    assert "https://download.qemu.org" not in host_secrets(Settings.load(tmp_path, {}), [], {})


def test_long_outputs_keep_their_beginning_and_end():
    text = "".join(f"line {number}\n" for number in range(1000))
    kept = truncate(record(step(text))).steps[0].output
    assert (kept.head.count("\n"), kept.tail.count("\n")) == (HEAD, TAIL)
    assert kept.omitted_lines == 1000 - HEAD - TAIL
    assert len(kept.head + kept.tail) + kept.omitted_bytes == len(text)
    assert kept.tail.endswith("line 999\n")
    again = truncate(record(Step(Where.HOST, "x", Output(text, text, 5, 50)))).steps[0].output
    assert (again.head.count("\n"), again.tail.count("\n")) == (HEAD, TAIL)
    assert again.omitted_lines == 5 + 2000 - HEAD - TAIL
    short = record(step("one\n"))
    assert truncate(short) == short


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"form": 99}', '{"form": 1, "recipe": "any"}'])
def test_a_file_that_is_no_record_is_named(tmp_path, text):
    approved = Approved(Settings.load(tmp_path))
    approved.folder.mkdir(parents=True)
    approved.path("any").write_text(text)
    with pytest.raises(CatalogError, match=r"approved/any\.json"):
        approved.get("any")


RECIPES = """
@recipe(stable=("end",))
def hello(sh: Shell, word: str = setting("trial.word")) -> str:
    "Say hello."
    sh.line("echo $$ > pid; echo process $(cat pid); date; seq 600")
    with sh.section("end"):
        sh.line("echo good bye; echo process $(cat pid)")
    return word
"""


@pytest.fixture
def project(trial, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = trial().recipes(RECIPES)
    path = made.root / "kvmdocs.toml"
    path.write_text(path.read_text() + '[trial]\nword = "yes"\n')
    made.block("page.md", f"from {made.module} import hello\nhello.show()")
    return made


@pytest.fixture
def kvmdocs(project):
    return project.kvmdocs


@pytest.mark.process
def test_a_record_is_approved_once_and_another_run_of_the_same_does_not_drift(kvmdocs, project):
    assert kvmdocs("approve", "hello").exit_code == 1
    assert kvmdocs("approve").exit_code == 2
    kvmdocs("run", "hello")
    done = kvmdocs("diff", "hello")
    assert (done.exit_code, "no approved record" in done.stderr) == (0, True)
    done = kvmdocs("approve", "--all")
    assert (done.exit_code, done.stdout) == (0, f"hello: {project.package}/approved/hello.json\n")
    path = project.root / project.package / "approved" / "hello.json"
    assert len(path.read_text()) < 8000
    kvmdocs("run", "--fresh", "hello")
    assert kvmdocs("diff").exit_code == 0
    assert kvmdocs("diff", "--json").stdout.count("hello") == 1
    assert kvmdocs("approve", "hello").stdout == "hello: as approved before\n"


@pytest.mark.process
def test_drift_is_4_and_says_what_may_explain_it(kvmdocs, project, monkeypatch):
    kvmdocs("run", "hello")
    kvmdocs("approve", "hello")
    project.recipes(RECIPES.replace("good bye", "farewell"))
    kvmdocs("run", "hello")
    done = kvmdocs("diff")
    assert done.exit_code == 4
    assert "hello: drift (behaviour)" in done.stdout
    assert "-good bye" in done.stdout
    assert "+farewell" in done.stdout
    assert "1 compared, 1 drifted" in done.stderr
    assert "-process" not in done.stdout
    data = json.loads(kvmdocs("diff", "--json").stdout)
    assert (data["schema"], data["drifts"][0]["kind"], data["drifts"][0]["sections"]) == (1, "behaviour", ["end"])
    monkeypatch.setenv("KVMDOCS_TRIAL_WORD", "no")
    kvmdocs("run", "hello")
    done = kvmdocs("diff")
    assert "hello: drift (tool version)" in done.stdout
    assert "  setting trial.word yes → no" in done.stdout


@pytest.mark.process
def test_a_stale_record_is_not_approved(kvmdocs, project):
    kvmdocs("run", "hello")
    project.recipes(RECIPES.replace("good bye", "farewell"))
    done = kvmdocs("approve", "hello")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "first `kvmdocs run hello`" in done.stderr
    assert not (project.root / project.package / "approved").exists()


@pytest.mark.process
def test_only_what_is_called_stable_is_compared_if_that_is_wanted(kvmdocs, project):
    kvmdocs("run", "hello")
    kvmdocs("approve", "hello")
    project.recipes(RECIPES.replace("seq 600", "seq 601 700"))
    kvmdocs("run", "hello")
    assert kvmdocs("diff").exit_code == 4
    assert kvmdocs("diff", "--stable").exit_code == 0


@pytest.mark.process
def test_a_note_on_a_line_in_the_middle_keeps_the_whole_output(kvmdocs, project):
    project.block("page.md", f"from {project.module} import hello\nhello.show(notes={{'^300$': 'the middle'}})")
    kvmdocs("run", "hello")
    kvmdocs("approve", "hello")
    data = json.loads((project.root / project.package / "approved" / "hello.json").read_text())
    assert "300" in data["steps"][0]["output"]


@pytest.mark.process
def test_a_test_fails_on_drift_in_what_is_called_stable(project):
    def tested():
        done = project.command("pytest", "-p", "no:cacheprovider", "--rootdir=.", project.package)
        return done.returncode, done.stdout

    assert tested()[0] == 0
    project.command("kvmdocs.cli", "approve", "hello")
    project.recipes(RECIPES.replace("seq 600", "seq 700"))
    assert tested()[0] == 0
    project.recipes(RECIPES.replace("good bye", "farewell"))
    status, told = tested()
    assert status == 1
    assert "hello: drift (behaviour)" in told
    assert "+farewell" in told
    assert "kvmdocs approve hello" in told
    assert "Traceback" not in told


@pytest.mark.process
def test_what_is_approved_is_the_record_of_this_checkouts_recipe_not_the_newest_in_the_store(kvmdocs, project):
    """Two checkouts may share a store, and the other one may have run its own version since."""
    kvmdocs("run", "hello")
    project.recipes(RECIPES.replace("good bye", "farewell"))
    kvmdocs("run", "hello")
    project.recipes(RECIPES)
    assert kvmdocs("approve", "hello").exit_code == 0
    text = (project.root / project.package / "approved" / "hello.json").read_text()
    assert "good bye" in text
    assert "farewell" not in text


@pytest.mark.process
def test_after_an_edit_that_was_undone_everything_goes_by_the_record_of_the_code_that_is_there(kvmdocs, project):
    kvmdocs("run", "hello")
    kvmdocs("approve", "hello")
    project.recipes(RECIPES.replace("good bye", "farewell"))
    kvmdocs("run", "hello")
    project.recipes(RECIPES)
    assert kvmdocs("diff", "hello").exit_code == 0
    assert "drift" not in kvmdocs("status", "hello").stdout
    assert "good bye" in kvmdocs("export", "hello").stdout
    # What shows the newest record without asking for its key, such as a build that runs nothing, follows with the next run.
    assert "0 ran, 1 unchanged" in kvmdocs("run", "hello").stderr
    latest = Store(project.root / "store").latest("hello")
    assert latest
    assert "good bye" in latest.steps[-1].output.text


@pytest.mark.process
def test_a_comparison_says_that_a_record_is_stale(kvmdocs, project):
    kvmdocs("run", "hello")
    kvmdocs("approve", "hello")
    project.recipes(RECIPES.replace("good bye", "farewell"))
    done = kvmdocs("diff", "hello")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "hello: its record is stale; `kvmdocs run hello` makes a new one" in done.stderr


@pytest.mark.process
def test_a_section_that_is_called_stable_and_is_not_there_is_named(kvmdocs, project):
    project.recipes(RECIPES.replace('stable=("end",)', 'stable=("ned",)'))
    kvmdocs("run", "hello")
    for command in (("approve", "hello"), ("diff", "--stable", "hello")):
        done = kvmdocs(*command)
        assert done.exit_code == 2
        assert "recipe hello calls sections stable that it does not have: ned; it has: end" in done.stderr
        assert re.search(r"\(\S+\.py:\d+\)", done.stderr)
    done = project.command("pytest", "-p", "no:cacheprovider", "--rootdir=.", project.package)
    assert done.returncode == 1
    assert "it has: end" in done.stdout
