"""Tools and the packages that bring them: `kvmdocs.host.tools`, `kvmdocs.host.packages`, `recipes/packages.toml`."""

from __future__ import annotations

import io
import lzma
import os
import platform
import runpy
import shutil
import subprocess
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest

from kvmdocs.core.errors import HostLacks, SettingError
from kvmdocs.host import packages, tools
from kvmdocs.host.packages import by_family, confirm, detect_manager, install, install_command, obstacle, typed
from kvmdocs.host.tools import Missing, Tool, Tools
from recipes.get.apt_sources import compare_versions
from tests.support import ROOT

TABLE = ROOT / "recipes" / "packages.toml"


def program(folder: Path, name: str, script: str = "exit 0") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bin_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH; empty at first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "packages.toml"
    path.write_text(
        """
[foo]
command = "foo"
apt = ["foo-tools"]
dnf = ["foo"]
pacman = ["foo"]
use = "does foo"

[pkg-config]
command = "pkg-config"
apt = ["pkg-config"]

[bar]
module = "bar-1.0"
apt = ["libbar-dev"]

[rom]
files = ["ROM"]
apt = ["roms"]

[works]
run = ["foo", "--works"]
apt = ["foo-tools"]

[still]
command = "still"
static = true
apt = ["still-static"]
""".replace("ROM", str(tmp_path / "rom.bin"))
    )
    return path


# -- the table


def test_the_projects_own_table_is_right_and_covers_apt() -> None:
    table = list(Tools.load(TABLE))
    assert len(table) > 30
    assert all(tool.use for tool in table)
    # What every Debian has needs no package there.
    assert {tool.name for tool in table if not tool.apt} == {"apt-cache", "apt-get", "gzip", "ldd", "setpriv", "tar"}


def test_tools_that_recipes_declare_are_in_the_projects_table() -> None:
    from kvmdocs.execution.project import Project

    known = {tool.name for tool in Tools.load(TABLE)}
    assert set(Project(ROOT).all_tools()) <= known


@pytest.mark.process
@pytest.mark.network
@pytest.mark.skipif(shutil.which("apt-cache") is None, reason="this host has no apt")
def test_apt_knows_every_package_of_the_projects_table() -> None:
    names = sorted({name for tool in Tools.load(TABLE) for name in tool.apt})
    done = subprocess.run(["apt-cache", "policy", *names], capture_output=True, text=True, check=True)
    listed = {line.rstrip(":") for line in done.stdout.splitlines() if not line.startswith(" ")}
    if not listed:
        pytest.skip("apt on this host has no index")
    absent = set(ABSENT) if platform.freedesktop_os_release().get("ID") == "ubuntu" else set()
    assert set(names) - listed <= absent


# -- what the distributions publish

LISTS = [line.split("\t") for line in (ROOT / "tests" / "package_lists.tsv").read_text("utf-8").splitlines()]
"""Output of `scripts/package_lists.py`: a head that names suites, then a line for each package with its version in each."""
SUITES = LISTS[0][1:]
PUBLISHED = {suite: {line[0]: line[place] for line in LISTS[1:] if line[place] != "-"} for place, suite in enumerate(SUITES, 1)}
NAMED = {name for tool in Tools.load(TABLE) for name in tool.apt}

ABSENT = {
    "chromium": ({"noble", "resolute"}, "Ubuntu has it as a snap, which needs systemd; tests that need a browser skip"),
    "chromium-driver": ({"noble", "resolute"}, "the same"),
}
"""Packages that suites lack, and why the table names them nevertheless."""

QEMU, LINUX = "QEMU 10.0: meson.build", "Linux 6.12: Documentation/process/changes.rst"
OLDEST = {
    "python3": (
        tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"].lstrip(">="),
        "pyproject.toml",
    ),
    "libglib2.0-dev": ("2.66.0", QEMU),
    "libpixman-1-dev": ("0.21.8", QEMU),
    "gcc": ("7.4", QEMU),
    "make": ("4.0", LINUX),
    "binutils": ("2.25", LINUX),
    "flex": ("2.5.35", LINUX),
    "bison": ("2.0", LINUX),
    "pahole": ("1.16", LINUX),
    "kmod": ("13", LINUX),
    "bc": ("1.06.95", LINUX),
    "openssl": ("1.0.0", LINUX),
    "libssl-dev": ("1.0.0", LINUX),
}
"""The oldest version that will do, and who says so. QEMU's own meson is taken where the distribution's is too old."""


def test_the_lists_name_what_the_table_names() -> None:
    assert [line[0] for line in LISTS[1:]] == sorted(NAMED), "`.venv/bin/python scripts/package_lists.py` reads the lists again"
    assert {"bookworm", "trixie", "noble", "resolute"} <= set(SUITES)


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_has_every_package_of_the_projects_table(suite: str) -> None:
    assert NAMED - PUBLISHED[suite].keys() == {name for name, (suites, _) in ABSENT.items() if suite in suites}


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_has_versions_that_are_new_enough(suite: str) -> None:
    have = {name: PUBLISHED[suite][name].rpartition(":")[2] for name in OLDEST}
    assert [(name, have[name], *told) for name, told in OLDEST.items() if compare_versions(have[name], told[0]) < 0] == []


def test_an_index_is_read_by_package(monkeypatch: pytest.MonkeyPatch) -> None:
    index = "Package: a\nVersion: 1:2-1\nDescription: x\n Version: 9\n\nPackage: b\nVersion: 3\nDepends: a (>= 1)\n\n"
    later = "Package: b\nVersion: 10\n"
    script = runpy.run_path(str(ROOT / "scripts" / "package_lists.py"))
    assert script["read_index"](index) == [("a", "1:2-1"), ("b", "3")]
    pages = {
        f"http://m.invalid/ubuntu/dists/noble/{part}/binary-amd64/Packages.xz": text
        for part, text in (("main", index), ("universe", later))
    }
    monkeypatch.setattr(urllib.request, "urlopen", lambda address, timeout: io.BytesIO(lzma.compress(pages[address].encode())))
    assert script["read_suite"]("http://m.invalid/ubuntu/", "noble", ("main", "universe")) == {"a": "1:2-1", "b": "10"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[foo", "cannot be read"),
        ("foo = 1", "it is not a table"),
        ('[foo]\nkommand = "foo"', "unknown key 'kommand'"),
        ('[foo]\ncommand = "foo"\napt = "foo"', "has the wrong type"),
        ('[foo]\ncommand = "foo"\napt = [1]', "has the wrong type"),
        ('[foo]\ncommand = "foo"\nmodule = "foo"', "one of command"),
        ('[foo]\napt = ["foo"]', "one of command"),
    ],
)
def test_a_wrong_table_is_told_with_its_name(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "packages.toml"
    path.write_text(text)
    with pytest.raises(SettingError, match=said) as caught:
        Tools.load(path)
    assert caught.value.evidence.place is not None
    assert caught.value.evidence.place.path == str(path)


def test_a_table_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        Tools.load(tmp_path / "none.toml")


# -- trying


def test_a_program_is_missing_until_it_is_on_path(table: Path, bin_only: Path) -> None:
    known = Tools.load(table)
    (missing,) = known.missing(["foo", "foo"])
    assert missing.tool == "foo"
    assert missing.reason == "no program foo on PATH"
    assert missing.use == "does foo"
    assert missing.packages == {"apt": ("foo-tools",), "dnf": ("foo",), "pacman": ("foo",)}
    program(bin_only, "foo")
    assert known.missing(["foo"]) == []


@pytest.mark.process
def test_a_tool_the_table_does_not_know_is_a_program_of_its_name(bin_only: Path) -> None:
    known = Tools.load(None)
    assert [missing.tool for missing in known.missing(["baz"])] == ["baz"]
    program(bin_only, "baz", "echo baz 3")
    assert known.missing(["baz"]) == []
    assert known.version("baz") == "baz 3"


@pytest.mark.process
def test_a_library_is_asked_of_pkg_config(table: Path, bin_only: Path) -> None:
    known = Tools.load(table)
    (missing,) = known.missing(["bar"])
    assert "is not installed" in missing.reason
    assert missing.packages["apt"] == ("libbar-dev", "pkg-config")
    program(bin_only, "pkg-config", '[ "$*" = "--modversion bar-1.0" ] && echo 1.2.3')
    assert known.missing(["bar"]) == []
    assert known.version("bar") == "1.2.3"
    program(bin_only, "pkg-config", "exit 1")
    (missing,) = known.missing(["bar"])
    assert missing.reason == "pkg-config does not find bar-1.0"
    assert missing.packages["apt"] == ("libbar-dev",)


def test_a_file_and_its_digest(table: Path, tmp_path: Path) -> None:
    known = Tools.load(table)
    assert [missing.tool for missing in known.missing(["rom"])] == ["rom"]
    assert known.version("rom") is None
    assert known.identity("rom") == ""
    (tmp_path / "rom.bin").write_bytes(b"rom")
    assert known.missing(["rom"]) == []
    before = known.version("rom")
    (tmp_path / "rom.bin").write_bytes(b"ROM")
    assert known.version("rom") != before


@pytest.mark.process
def test_a_command_that_must_work(table: Path, bin_only: Path) -> None:
    known = Tools.load(table)
    program(bin_only, "foo", '[ "$1" = --works ] && exit 1; echo foo 1')
    (missing,) = known.missing(["works"])
    assert missing.reason == "`foo --works` fails"
    program(bin_only, "foo", "echo foo 1")
    assert known.missing(["works"]) == []


@pytest.mark.process
@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not there")
def test_a_static_program_is_told_from_one_that_needs_libraries(tmp_path: Path) -> None:
    source = tmp_path / "still.c"
    source.write_text("void _start(void) { for (;;); }\n")
    subprocess.run(["gcc", "-nostdlib", "-static", "-o", tmp_path / "static", source], check=True)
    assert tools.is_static(tmp_path / "static")
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", "-o", tmp_path / "dynamic", source], check=True)
    assert not tools.is_static(tmp_path / "dynamic")


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF\x02", b"\x7fELF\x02\x01" + b"\xff" * 60, b"#!/bin/sh\n", b"\x7fELF\x01" + bytes(99)]
)
def test_what_is_no_whole_elf_file_is_not_static(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    assert not tools.is_static(tmp_path / "x")


def test_a_dynamic_program_does_not_do_where_a_static_one_is_asked_for(table: Path, bin_only: Path) -> None:
    program(bin_only, "still")
    (missing,) = Tools.load(table).missing(["still"])
    assert "must be statically linked" in missing.reason


# -- versions


@pytest.mark.process
@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo 'foo 1.2'; echo more", "foo 1.2"),
        ("echo; echo 'This is foo 5'", "This is foo 5"),
        ("echo 'foo by somebody'; echo 'version 7'", "version 7"),
        ("echo 'foo 3' >&2", "foo 3"),
        ("echo nothing", None),
        ("echo foo 1; exit 1", None),
        ("printf '\\377 9\\n'", "\ufffd 9"),
    ],
)
def test_the_version_is_the_first_line_that_has_one(bin_only: Path, script: str, version: str | None) -> None:
    program(bin_only, "foo", script)
    assert Tools.load(None).version("foo") == version


@pytest.mark.process
def test_a_tool_that_never_answers_is_given_up_with_all_it_started(bin_only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "VERSION_TIMEOUT", 0.3)
    sleep = shutil.which("sleep", path=os.defpath)
    program(bin_only, "foo", f"{sleep} 60 & echo foo 1; wait")
    began = time.monotonic()
    assert Tools.load(None).version("foo") is None
    assert time.monotonic() - began < 10


def test_the_identity_changes_with_any_program_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    program(first, "foo", f"exec {second}/foo")
    program(second, "foo", "echo foo 1")
    monkeypatch.setenv("PATH", f"{first}:{second}")
    known = Tools.load(None)
    before = known.identity("foo")
    assert known.identity("foo") == before
    program(second, "foo", "echo foo 1.1")
    assert known.identity("foo") != before
    assert Tools.load(None).identity("nowhere") == ""


# -- commands


def lacking(*names: str) -> list[Missing]:
    """Missing tools, each brought by the packages its name with ``-a`` (apt), ``-d`` (dnf) and ``-p`` (pacman)."""
    return [
        Missing(
            name, "", Tools.load(None).get(name), "", {"apt": (f"{name}-a",), "dnf": (f"{name}-d",), "pacman": (f"{name}-p",)}
        )
        for name in names
    ]


def as_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.parametrize(
    ("manager", "root", "sudo", "su"),
    [
        (
            "apt",
            "apt-get update && apt-get install --no-install-recommends x-a y-a",
            "sudo apt-get update && sudo apt-get install --no-install-recommends x-a y-a",
            "su -c 'apt-get update && apt-get install --no-install-recommends x-a y-a'",
        ),
        (
            "dnf",
            "dnf install --setopt=install_weak_deps=False x-d y-d",
            "sudo dnf install --setopt=install_weak_deps=False x-d y-d",
            "su -c 'dnf install --setopt=install_weak_deps=False x-d y-d'",
        ),
        ("pacman", "pacman -S --needed x-p y-p", "sudo pacman -S --needed x-p y-p", "su -c 'pacman -S --needed x-p y-p'"),
    ],
)
def test_the_exact_command(
    bin_only: Path, monkeypatch: pytest.MonkeyPatch, manager: str, root: str, sudo: str, su: str
) -> None:
    missing = lacking("y", "x")
    as_root(monkeypatch)
    assert typed(missing, manager) == root
    as_user(monkeypatch)
    assert typed(missing, manager) == su
    program(bin_only, "sudo")
    assert typed(missing, manager) == sudo
    assert install_command(missing, manager)[0] == "sudo"


def test_readers_are_told_for_each_family_what_root_types(bin_only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch)
    program(bin_only, "sudo")
    there = Tool("there", command="sudo", apt=("b", "a"), dnf=("c",))
    assert by_family([there, Tool("x", command="x", apt=("a",)), Tool("own", command="own")]) == {
        "Debian, Ubuntu": "apt-get update && apt-get install --no-install-recommends a b",
        "Fedora": "dnf install --setopt=install_weak_deps=False c",
    }
    assert by_family([Tool("own", command="own")]) == {}


def test_no_command_for_what_no_package_brings() -> None:
    assert install_command([Missing("x", "", Tools.load(None).get("x"))], "apt") == []
    assert typed([], "apt") == ""


@pytest.mark.parametrize(
    ("release", "programs", "manager"),
    [
        ({"ID": "debian"}, ["apt-get", "pacman"], "apt"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, ["apt-get"], "apt"),
        ({"ID": "fedora"}, ["apt-get", "dnf"], "dnf"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, ["dnf"], "dnf"),
        ({"ID": "manjaro", "ID_LIKE": "arch"}, ["pacman"], "pacman"),
        ({"ID": "fedora"}, ["pacman"], "pacman"),
        ({"ID": "gentoo"}, [], None),
        (None, ["apt-get"], "apt"),
    ],
)
def test_the_distributions_own_package_manager_is_found(
    bin_only: Path, monkeypatch: pytest.MonkeyPatch, release: dict[str, str] | None, programs: list[str], manager: str | None
) -> None:
    def read() -> dict[str, str]:
        if release is None:
            raise OSError
        return release

    monkeypatch.setattr(platform, "freedesktop_os_release", read)
    for name in programs:
        program(bin_only, name)
    assert detect_manager() == manager


# -- asking


@pytest.mark.parametrize(
    ("answer", "agreed"), [("", True), ("y", True), ("Yes", True), ("n", False), ("what", False), (None, False)]
)
def test_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch, answer: str | None, agreed: bool) -> None:
    def reply(_: str) -> str:
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.delenv("YES", raising=False)
    monkeypatch.setattr(packages, "_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", reply)
    assert confirm("install them?") is agreed


def test_yes_and_no_terminal_go_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _: pytest.fail("asked"))
    monkeypatch.setattr(packages, "_terminal", lambda: False)
    monkeypatch.delenv("YES", raising=False)
    assert confirm("install them?")
    monkeypatch.setattr(packages, "_terminal", lambda: True)
    monkeypatch.setenv("YES", "1")
    assert confirm("install them?")


# -- installing


APT = """
echo "$*" >> LOG
case "$*" in
  *install*broken*) echo "E: Unable to locate package broken-a" >&2; exit 100;;
  *install*) for package; do case "$package" in *-a) printf '#!/bin/sh\\n' > "BIN/${package%-a}"; CHMOD 755 "BIN/${package%-a}";; esac; done;;
  *update*) exit 100;;
esac
"""  # noqa: E501  # a script or output as it is
"""An apt-get whose archive has every package but ``broken-a``, and whose indexes cannot all be fetched."""


@pytest.fixture
def apt(bin_only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with an apt-get, as root; the file says how it was called."""
    log = tmp_path / "apt.log"
    chmod = shutil.which("chmod", path=os.defpath)
    program(bin_only, "apt-get", APT.replace("LOG", str(log)).replace("BIN", str(bin_only)).replace("CHMOD", str(chmod)))
    program(bin_only, "env", 'while case "$1" in *=*) true;; *) false;; esac; do export "$1"; shift; done; exec "$@"')
    as_root(monkeypatch)
    return log


@pytest.mark.process
def test_missing_tools_are_installed_together(apt: Path) -> None:
    install(lacking("x", "y"), "apt")
    update, installed = apt.read_text().splitlines()
    assert "update" in update
    assert installed.endswith("install -q -y --no-install-recommends x-a y-a")
    assert Tools.load(None).missing(["x", "y"]) == []


@pytest.mark.process
def test_one_package_that_cannot_be_had_does_not_keep_the_others_away(apt: Path) -> None:
    with pytest.raises(HostLacks, match="still missing: broken") as caught:
        install(lacking("x", "broken", "y"), "apt")
    assert [missing.tool for missing in Tools.load(None).missing(["x", "broken", "y"])] == ["broken"]
    assert "Unable to locate package broken-a" in caught.value.evidence.tail
    assert caught.value.evidence.advice == "apt-get update && apt-get install --no-install-recommends broken-a"
    assert "x-a" in apt.read_text()


@pytest.mark.process
def test_an_installation_that_does_not_bring_the_tool_is_an_error(apt: Path, bin_only: Path) -> None:
    program(bin_only, "apt-get", "exit 0")
    with pytest.raises(HostLacks, match="still missing: x"):
        install(lacking("x"), "apt")
    assert not apt.exists()


@pytest.mark.process
def test_without_rights_nothing_is_run_and_the_command_is_told(
    apt: Path, monkeypatch: pytest.MonkeyPatch, bin_only: Path
) -> None:
    as_user(monkeypatch)
    with pytest.raises(HostLacks, match="needs root") as caught:
        install(lacking("x"), "apt")
    assert caught.value.evidence.advice.startswith("su -c 'apt-get update")
    program(bin_only, "sudo", "exit 1")
    monkeypatch.setattr(packages, "_terminal", lambda: False)
    assert "password" in obstacle("apt")
    monkeypatch.setattr(packages, "_terminal", lambda: True)
    assert obstacle("apt") == ""
    assert not apt.exists()


@pytest.mark.process
def test_sudo_is_used_when_it_asks_nothing(apt: Path, monkeypatch: pytest.MonkeyPatch, bin_only: Path) -> None:
    as_user(monkeypatch)
    monkeypatch.setattr(packages, "_terminal", lambda: False)
    program(bin_only, "true")
    program(bin_only, "sudo", f'echo "sudo $*" >> {apt}; [ "$1" = -n ] && shift; exec "$@"')
    install(lacking("x"), "apt")
    called = apt.read_text().splitlines()
    assert called[0] == "sudo -n true"
    assert all(line.startswith("sudo env DEBIAN_FRONTEND=noninteractive") for line in called[1::2])


@pytest.mark.parametrize(("manager", "said"), [("dnf", "with apt only"), ("pacman", "with apt only"), (None, "none of")])
def test_other_distributions_are_told_what_to_type(monkeypatch: pytest.MonkeyPatch, manager: str | None, said: str) -> None:
    as_root(monkeypatch)
    with pytest.raises(HostLacks, match=said) as caught:
        install(lacking("x"), manager)
    assert "x" in caught.value.evidence.advice


@pytest.mark.process
def test_the_real_python_is_found_with_its_version() -> None:
    known = Tools.load(TABLE)
    if shutil.which("python3") is None:
        pytest.skip("python3 is not on PATH")
    assert known.missing(["python3"]) == []
    version = known.version("python3")
    assert version is not None
    assert version.startswith("Python 3.")


def test_nobody_is_told_to_install_what_every_debian_has():
    table = tomllib.loads((ROOT / "recipes/packages.toml").read_text("utf-8"))
    told = {package for tool in table.values() for package in tool.get("apt", ())}
    essential = {
        "apt", "base-files", "bash", "coreutils", "dash", "debianutils", "diffutils", "dpkg", "findutils", "grep", "gzip",
        "hostname", "init-system-helpers", "libc-bin", "login", "ncurses-base", "ncurses-bin", "perl-base", "sed",
        "sysvinit-utils", "tar", "util-linux",
    }  # fmt: skip
    assert told & essential == set()
