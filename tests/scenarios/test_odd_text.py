"""Text that is not UTF-8, exceptions without a usable text, and control sequences in output.

The record keeps its steps and names the cause, and no control sequence reaches a terminal.
"""

from __future__ import annotations

import json
import re

import pytest

from kvmdocs.core.control_characters import UNSAFE
from kvmdocs.core.model import Status
from kvmdocs.store.store import dump

COLOUR = re.compile(r"\x1b\[[0-9;:]*m")

ODD = "class Odd(Exception):\n    def __str__(self): "
NO_TEXT = "(its text cannot be had: "

RAISES = {
    "surrogate": ('raise ValueError("cannot read bad\\udcff")', r"ValueError: cannot read bad\udcff"),
    "str_raises": (f"{ODD}raise KeyError('no text')\nraise Odd", f"Odd: {NO_TEXT}KeyError)"),
    "str_no_text": (f"{ODD}return 3\nraise Odd", f"Odd: {NO_TEXT}TypeError)"),
    "str_recurses": (f"{ODD}return str(self)\nraise Odd", f"Odd: {NO_TEXT}RecursionError)"),
    "str_exits": (f"{ODD}sys.exit(4)\nraise Odd", f"Odd: {NO_TEXT}SystemExit)"),
    "assert_raises": (f"{ODD}raise KeyError\nassert False, Odd()", f"assertion failed: {NO_TEXT}KeyError)"),
    "base": ("class Odd(BaseException): pass\nraise Odd('base')", "Odd: base"),
    "generator_exit": ("raise GeneratorExit('gone')", "GeneratorExit: gone"),
    "system_exit": ("sys.exit('leaving')", "SystemExit: leaving"),
    "group": ("raise BaseExceptionGroup('two', [ValueError('a\\udcff'), KeyboardInterrupt()])", "BaseExceptionGroup: two (2 "),
    "odd_name": ("raise type('\\x1b[2J\\u202eOdd', (Exception,), {})('x')", "\x1b[2J\u202eOdd: x"),
    "nul": ("raise ValueError('a\\0b')", "ValueError: a\0b"),
    "no_text_error": ("raise RecipeFailed(None)", "None"),
    "odd_error": ("raise RecipeFailed(3, evidence=4)", "RecipeFailed: no details available"),
    "odd_evidence": ("raise RecipeFailed('said', evidence=object())", "RecipeFailed: no details available"),
    "odd_line": ("raise RecipeFailed('said', evidence=Evidence(place=Place('x', 'y')))", "RecipeFailed: no details available"),
    "bytes": ("raise ValueError(b'\\xff\\xfe')", r"ValueError: b'\xff\xfe'"),
    "huge": ("raise ValueError('x' * 100_000_000)", "ValueError: xxxx"),
    "value": ("return 'bad\\udcff'", "cannot be kept as a recipe's result"),
    "no_stdout": ("sys.stdout = sys.stderr = None\nraise ValueError('quiet')", "ValueError: quiet"),
    "closed": ("os.close(1)\nos.close(2)\nsys.stdout.close()\nraise ValueError('closed')", "ValueError: closed"),
    "typed": ("sh.ls('bad\\udcff')", "could not be started: UnicodeEncodeError"),
    "fed": ("sh.cat(_in='bad\\ud800')", "UnicodeEncodeError"),
    "written": ("sh.write('f', 'bad\\ud800')", "UnicodeEncodeError"),
    "program": ("sh.run('bad\\udcff')", "there is no program"),
    "nul_typed": ("sh.echo('a\\0b')", "null byte"),
}  # fmt: skip
"""For each recipe: its code after the first step, and a part of its failure's message."""


def recipes() -> str:
    parts = ["import os, sys\nfrom kvmdocs.core.errors import Evidence, Place, RecipeFailed\n"]
    for name, (code, _) in RAISES.items():
        indented = "\n".join(f"    {line}" for line in code.split("\n"))
        parts.append(f'@recipe(expects="1s", memory="2G")\ndef {name}(sh: Shell):\n    sh.echo("first")\n{indented}\n')
    return "\n".join(parts)


def test_the_record_names_the_cause_of_an_odd_failure(trial):
    made = trial().recipes(recipes())
    outcome = made.run(*RAISES)
    for name, (_, message) in RAISES.items():
        record = outcome.records[name]
        assert record.status is Status.FAILED, name
        assert record.failure, name
        assert record.failure.error not in {"WorkerLost", "StoreError"}, (name, record.failure.message)
        assert message in record.failure.message, name
        assert record.steps[0].output.head == "first\n", name
        assert len(record.failure.message) < 20_000, name
        assert len(dump(record)) < 300_000, name
    lines = (made.root / made.package / "all.py").read_text().split("\n")
    for name in RAISES.keys() - {"value", "odd_line", "odd_error", "odd_evidence"}:
        failure = outcome.records[name].failure
        assert failure
        assert failure.path == f"{made.package}/all.py", name
        assert lines[failure.line - 1].strip(), name
    listed = made.command("kvmdocs.cli", "run", *RAISES)
    shown = listed.stdout + listed.stderr
    assert "Traceback (most recent call last)" not in listed.stderr.partition("recipes:")[0]
    assert not UNSAFE.search(COLOUR.sub("", shown))
    assert "^[[2J<U+202E>Odd: x" in shown


def test_text_that_is_not_utf8_is_recorded_with_escapes(trial):
    made = trial().recipes(r"""
        import os

        @recipe(expects="1s")
        def names(sh: Shell) -> str:
            sh.line("printf 'a\\xffb\\0c\\n'")
            with sh.section("odd\udcff"):
                with sh.step("guest", "typed\udcff", machine="m\udcfe", stdin="fed\udcfd") as step:
                    step.write("printed\udcfc\n")
            sh.line("touch $'bad\\xff'")
            assert sh.line("od -An -tx1", _in="a\udcff") == " 61 ff\n"
            assert sh.write("f", "a\udcff").read_bytes() == b"a\xff"
            sh.rm("f")
            return "|".join(name.encode("utf-8", "backslashreplace").decode() for name in os.listdir(sh.workspace))

        @recipe(expects="1s")
        def skipped(sh: Shell) -> None:
            sh.skip("no\udcff")
        """)
    outcome = made.run("names", "skipped")
    record = outcome.records["names"]
    assert record.failure is None
    assert record.steps[0].output.head == "a\ufffdb\0c\n"
    step = record.steps[1]
    assert (step.section, step.command, step.machine, step.stdin) == ("odd\\udcff", "typed\\udcff", "m\\udcfe", "fed\\udcfd")
    assert record.steps[3].stdin == "a\\udcff"
    assert (record.steps[4].where, record.steps[4].stdin) == ("file", "a\\udcff")
    assert record.value == "bad\\udcff"
    assert outcome.records["skipped"].reason == "no\\udcff"
    assert made.project().store.latest("names") == record


OBEYED = r"\x1b]52;c;cm0gLXJmIH4=\x07\x1b]0;title\x07\x1bcgone\0 \x1b[31mred \x9b2J \u202eevil \x1b[2Aup\rover\x08 \x7f"


@pytest.fixture
def obeyed(trial):
    made = trial().recipes(f'''
        OBEYED = "{OBEYED}"

        @recipe(expects="1s", stable=True)
        def prints(sh: Shell) -> None:
            sh.printf("%s\\n", OBEYED.replace("\\0", ""))
            sh.line(
                r"printf '::set-output name=a::b\\n  ::add-mask::x\\n##[error]c\\n"
                r"##vso[task.x]d\\nsection_start:1:a\\r\\033[0Ke\\n'"
            )
            sh.line(r"printf '\\033]52;c;cm0gLXJmIH4=\\007\\033[31mred\\033[0m\\n'")
            sh.printf("%s\\n", "[red]markup[/red] [link=https://x.example]y[/link]")

        @recipe(expects="1s")
        def fails(sh: Shell) -> None:
            sh.line("printf '\\\\033]0;t\\\\007\\\\n::error::x\\\\n'; exit 3")

        @recipe(expects="1s")
        def raises(sh: Shell) -> None:
            raise ValueError(OBEYED)

        @recipe(expects="1s")
        def skips(sh: Shell) -> None:
            sh.skip(OBEYED)
        ''')  # fmt: skip
    made.block("index.md", f"from {made.module} import prints, skips\nprints.show()\nskips.show()")
    return made


def safe(text: str) -> str:
    left = UNSAFE.search(COLOUR.sub("", text))
    assert not left, text[max(0, left.start() - 80) : left.end() + 40]
    assert not re.search(r"^\s*::(?:set-output|add-mask|error)|##\w*\[", text, re.MULTILINE), text
    return text


def test_no_command_lets_output_reach_a_terminal(obeyed, monkeypatch):
    for command in (
        ["run", "prints"],
        ["run", "fails", "raises", "skips"],
        ["run", "--fresh", "prints", "raises"],
        ["build"],
        ["approve", "--all"],
        ["status"],
        ["why", "--all"],
        ["list"],
        ["run", "prints", "--json"],
    ):
        done = obeyed.command("kvmdocs.cli", *command)
        safe(done.stdout + done.stderr)
    output = obeyed.command("kvmdocs.cli", "run", "prints").stdout
    assert "^[]52;c;cm0gLXJmIH4=^G" in output
    assert "\x1b[31mred" in output
    assert "[red]markup[/red] [link=https://x.example]y[/link]" in output
    path = obeyed.root / obeyed.package / "approved" / "prints.json"
    data = json.loads(path.read_text())
    data["steps"][0]["output"] = ["other \x1b]0;from git\x07\udcff", ""]
    path.write_text(json.dumps(data))
    shown = safe(obeyed.command("kvmdocs.cli", "diff").stdout)
    assert "-other ^[]0;from git^G" in shown
    safe(obeyed.command("kvmdocs.cli", "status", "--json").stdout)
    safe(obeyed.command("kvmdocs.cli", "diff", "--json").stdout)
    done = obeyed.command("pytest", "docs", f"{obeyed.package}/all.py", "-p", "no:cacheprovider", "--junit-xml=junit.xml")
    assert "^[]0;from git^G" in safe(done.stdout)
    safe(done.stderr)
    safe((obeyed.root / "junit.xml").read_text())
    (obeyed.root / "store").rename(obeyed.root / "elsewhere")
    build = obeyed.command("kvmdocs.cli", "build", "--mode", "recorded")
    assert build.returncode == 0, build.stderr
    safe(build.stdout + build.stderr)


def test_a_script_has_the_same_text_in_a_file_and_in_a_pipe(obeyed):
    obeyed.command("kvmdocs.cli", "run", "prints")
    obeyed.command("kvmdocs.cli", "export", "prints", "-o", "script")
    assert obeyed.command("kvmdocs.cli", "export", "prints").stdout == (obeyed.root / "script").read_text()


@pytest.mark.parametrize(
    "environ",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "iso8859-9"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_a_terminal_without_a_character_gets_its_escape(trial, environ):
    made = trial().recipes('''
        @recipe(expects="1s")
        def below(sh: Shell) -> str:
            """内核 boots."""
            return sh.line(r"printf '\\345\\256\\275 \\342\\234\\223\\n'")

        @recipe(expects="1s")
        def use(sh: Shell, below: str) -> None:
            sh.echo("again")
        ''')  # fmt: skip
    for command in (["list"], ["run", "use"], ["--help"], ["status"]):
        done = made.command("kvmdocs.cli", *command, **environ)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert r"\u5185\u6838 boots" in made.command("kvmdocs.cli", "list", **environ).stdout
