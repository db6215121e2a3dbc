from __future__ import annotations

import ast
import socket
import subprocess
from types import SimpleNamespace

import pytest

from kvmdocs.core.model import Where
from recipes.kvm.easier_virtme import REQUIREMENTS
from recipes.kvm.easier_ways import DRGN, MODULES, SVM, TASKS, check_version, exits
from recipes.kvm.errors.gdb import address
from recipes.kvm.errors.refusals import printed, refused
from recipes.kvm.errors.start import free_port, started


class Step:
    """A step, with the attributes that `printed` uses."""

    def __init__(self, text):
        self.capture = self
        self._text = text

    def text(self):
        return self._text


class Bash:
    """A recipe's shell, as far as `refused` uses it: it runs the line for real and records its output on both streams."""

    where = Where.HOST

    def __init__(self):
        self.steps = []

    def line(self, text, _ok_code):
        done = subprocess.run(
            ["bash", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=30
        )
        self.steps.append(Step(done.stdout))
        if done.returncode not in _ok_code:
            raise ValueError(done.returncode)

    def current(self):
        return (len(self.steps), self.steps[-1]) if self.steps else None


def test_an_error_is_found_on_either_stream():
    assert "no such thing" in refused(Bash(), "echo no such thing >&2; exit 3", "never said", "no such thing")
    assert refused(Bash(), "echo it; false", "it") == "it\n"


def test_a_line_that_succeeds_is_no_exhibit():
    with pytest.raises(ValueError, match="0"):
        refused(Bash(), "echo no such thing", "no such thing")


def test_a_line_that_fails_for_another_reason_is_no_exhibit():
    with pytest.raises(AssertionError, match="other words"):
        refused(Bash(), "echo other words; exit 1", "no such thing")


def test_nothing_was_printed_before_the_first_step():
    assert printed(Bash()) == ""


@pytest.mark.parametrize("line", ["ffffffff81000000 T _text\n", "ffffffff81000000 A _text"])
def test_the_address_of_a_symbol(line):
    assert address(line) == 0xFFFFFFFF81000000


def test_a_free_port_can_be_listened_on():
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))


def test_each_machine_that_is_started_has_a_file_of_its_own():
    assert started("one").count("one.pid") == 2
    assert "one.pid" not in started("two")


def test_counts_of_exits():
    told = "VM of process 37\n  vCPU 0 exits: 17877\n  vCPU 0 io_exits: 2923\n  vCPU 0 halt_exits: 3\n  vCPU 1 exits: 5\n"
    assert exits(told) == {"exits": 17877, "io_exits": 2923, "halt_exits": 3}
    assert exits("drgn: error") == {}


@pytest.mark.parametrize("vendor", ["", SVM])
def test_the_script_for_drgn_is_python(vendor):
    ast.parse(DRGN.replace("{vendor}", vendor))


def test_each_package_is_pinned_to_a_digest():
    for line in REQUIREMENTS.splitlines():
        name, _, digest = line.partition(" --hash=sha256:")
        assert "==" in name
        assert len(bytes.fromhex(digest)) == 32


@pytest.mark.parametrize(
    ("tool", "version", "changes", "skipped"),
    [
        ("crash", "8.0.2", (), ""),
        ("crash", "8.0.2", (MODULES,), "crash 8.0.2 does not know Linux 6.4 and newer; 8.0.4 is the first that does"),
        ("crash", "8.0.2++", (TASKS,), "crash 8.0.2 does not know Linux 6.5 and newer, and updates of 6.1; 8.0.4 is"),
        ("crash", "8.0.4", (MODULES, TASKS), ""),
        ("crash", "9.0.0++", (MODULES, TASKS), ""),
        ("drgn", "0.0.22", (TASKS,), ""),
        ("drgn", "0.0.22", (MODULES, TASKS), "drgn 0.0.22 does not know Linux 6.4"),
    ],
)
def test_a_tool_that_is_older_than_the_kernel_is_told_apart(tmp_path, tool, version, changes, skipped):
    for file, text, _ in (MODULES, TASKS):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if any(file == changed for changed, *_ in changes) else "", "utf-8")
    skips: list[str] = []
    shell = SimpleNamespace(line=lambda _: f"{tool} {version} (using Python 3)", skip=skips.append)
    check_version(shell, tool, tmp_path)
    assert [why[: len(skipped)] for why in skips] == ([skipped] if skipped else [])
