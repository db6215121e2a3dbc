"""A script finds its mirrors in the apt configuration of the host it runs on."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.resources import files

import pytest

from kvmdocs.core.model import Host, Record, Status, Step, Where
from kvmdocs.script.apt_mirrors import fill_lines
from kvmdocs.script.assemble import script

pytestmark = pytest.mark.process

KEY = "/usr/share/keyrings/debian-archive-keyring.gpg"
STANZAS = f"""\
Types: deb-src
URIs: <mirror>
Suites: bookworm bookworm-updates
Components: main
Signed-By: {KEY}

Types: deb-src
URIs: <mirror-2>
Suites: bookworm-security
Components: main
Signed-By: {KEY}
"""
LINES = {
    "sources.list": """\
# deb http://comment.example/debian bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/other.gpg] https://elsewhere.example/debian bookworm main
deb http://other-components.example bookworm stable
deb [ signed-by=/usr/share/keyrings/debian-archive-keyring.pgp ] http://one.example/debian/ bookworm\tcontrib  main # ours
deb-src http://later.example/debian bookworm main
""",
    "sources.list.d/security.list": "deb http://two.example/security bookworm-security main\n",
}
BLOCKS = {
    "sources.list": "",
    "sources.list.d/a.sources": """\
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb
# an address of old
URIs: https://vendor.example/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----
""",
    "sources.list.d/debian.sources": f"""\
types: deb deb-src
URIs: http://one.example/debian/ http://second.example/debian
suites: trixie
 bookworm bookworm-updates
Components: contrib main
Signed-By: {KEY}
\t
Types: deb
URIs: http://two.example/security
Suites: bookworm-security
Components: main
""",
    "sources.list.d/new.sources.disabled": "Types: deb\nURIs: http://x.example\nSuites: bookworm\nComponents: main\n",
}
FOUND = "URIs: http://one.example/debian\nURIs: http://two.example/security\n"


@pytest.fixture(params=["mawk", "busybox awk", "gawk"])
def path(request, tmp_path):
    """PATH on which one of several awks is found."""
    program, *_ = words = request.param.split()
    if not (real := shutil.which(program)):
        pytest.skip(f"not on this host: {program}")
    awk = tmp_path / "bin" / "awk"
    awk.parent.mkdir()
    awk.write_text(f'#!/bin/sh\nexec {" ".join([real, *words[1:]])} "$@"\n')
    awk.chmod(0o755)
    return f"{awk.parent}:{os.environ['PATH']}"


def run(tmp_path, entries, path=os.environ["PATH"], stanzas=STANZAS, **environ):
    """Run the script of a recipe that writes entries for apt, on a host with these; return it and the addresses it wrote."""
    etc, home = tmp_path / "etc apt", tmp_path / "home"
    for name, text in entries.items():
        (etc / name).parent.mkdir(parents=True, exist_ok=True)
        (etc / name).write_text(text)
    home.mkdir()
    steps = (Step(Where.FILE, "host.sources", stdin=stanzas, cwd="~/kvm-lab/sources"),)
    host = Host("box", "Debian GNU/Linux 12 (bookworm)", "6.1.0", "x86_64", 2, 4 << 30)
    text = script([Record("sources", "", Status.PASSED, host, "2026-11-26T12:00:00+00:00", steps=steps)], {})
    (home / "script.sh").write_text(text)
    given = {"HOME": str(home), "PATH": path, "APT_ETC": str(etc), **environ}
    done = subprocess.run(["bash", "script.sh"], cwd=home, env=given, capture_output=True, text=True, check=False, timeout=60)
    made = home / "kvm-lab/sources/host.sources"
    written = made.read_text() if made.is_file() else ""
    return done, "".join(line for line in written.splitlines(keepends=True) if line.startswith("URIs"))


@pytest.mark.parametrize("entries", [LINES, BLOCKS], ids=["lines", "blocks"])
def test_both_forms_are_read_by_any_awk(tmp_path, path, entries):
    done, told = run(tmp_path, entries, path)
    assert (done.returncode, done.stderr) == (0, "")
    assert told == FOUND


def test_a_host_of_a_later_release_has_the_same_archive(tmp_path):
    """The page's host has both releases; an entry of either shows where the archive is."""
    stanzas = STANZAS + "\n" + STANZAS.replace("bookworm", "trixie")
    done, told = run(tmp_path, {name: text.replace("bookworm", "trixie") for name, text in LINES.items()}, stanzas=stanzas)
    assert (done.returncode, done.stderr) == (0, "")
    assert told == FOUND * 2


def test_what_a_reader_says_wins(tmp_path):
    done, told = run(tmp_path, LINES, MIRROR="http://mine.example")
    assert done.returncode == 0
    assert told == FOUND.replace("http://one.example/debian", "http://mine.example")


@pytest.mark.parametrize(
    "entries", [{}, {"sources.list": LINES["sources.list"].replace("bookworm", "trixie")}], ids=["none", "trixie"]
)
def test_without_such_an_entry_it_says_what_to_give(tmp_path, entries):
    done, told = run(tmp_path, entries)
    assert done.returncode != 0
    assert told == ""
    assert "MIRROR: set it to the address that the page shows as <mirror>; apt on this host" in done.stderr
    assert "has no entry for bookworm bookworm-updates" in done.stderr


def test_an_address_that_stands_elsewhere_has_to_be_given():
    steps = [Step(Where.HOST, "echo <mirror-2>/y")]
    assert fill_lines(steps) == [
        ': "${MIRROR_2:?set it to the address that the page shows as <mirror-2>}"',
        'fill() { sed -i -e "s|<mirror-2>|$MIRROR_2|g" "$1"; }',
    ]
    assert fill_lines([Step(Where.HOST, "true")]) == []


def test_the_function_does_not_stand_in_a_script_that_needs_it_not():
    host = Host("box", "Debian", "6.1.0", "x86_64", 2, 4 << 30)
    steps = (Step(Where.FILE, "host.sources", stdin=STANZAS, cwd="~/kvm-lab/sources"),)
    record = Record("sources", "", Status.PASSED, host, "2026-11-26T12:00:00+00:00", steps=steps)
    function = files("kvmdocs.script").joinpath("bash", "mirror.bash").read_text("utf-8")
    assert function in script([record], {})
    both = {"mirror": "http://one.example", "mirror-2": "http://two.example"}
    assert function not in script([record], {}, mirrors=both)
