"""Fresh machines: `scripts/fresh_machine.py` and its modules."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import ROOT

SCRIPTS = ROOT / "scripts"
sys.path.append(str(SCRIPTS))

import fresh_machine  # noqa: E402  # scripts are no package
import host_access  # noqa: E402
import machine  # noqa: E402
from host_access import Access, masked, renamed  # noqa: E402
from machine_report import Done, read_recipes, read_tests  # noqa: E402

from recipes.get.apt_sources import Entry, parse_blocks  # noqa: E402

# -- results of the commands

BUILT = """\
environment: .venv is ready (12 s)
▶ page_size                    usually 0.3 s
  page_size                      1  getconf PAGE_SIZE
- qemu_git                     skipped: gitlab.invalid cannot be reached
- linux_git                    skipped: gitlab.invalid cannot be reached
✓ page_size                    0.3 s
"""


def test_a_builds_summary_is_read() -> None:
    text = f"{BUILT}recipes: 8 ran, 48 unchanged, 3 skipped, 0 failed\n"
    text += "  skipped qemu_git: no\n  skipped linux_git: no\n  skipped k: of\n"
    counts = read_recipes(text)
    assert counts is not None
    assert counts.numbers == {"passed": 56, "failed": 0, "skipped": 3, "of which unchanged": 48}
    assert counts.reasons == {"no": 2, "of": 1}
    assert counts.bad == ()


def test_recipes_of_a_build_without_a_summary_are_counted() -> None:
    counts = read_recipes(
        f"{BUILT}✗ tiny                         failed: `as` ended with status 2\nkvmdocs: 1 recipes failed\n"
    )
    assert counts is not None
    assert counts.numbers == {"passed": 1, "failed": 1, "skipped": 2}
    assert counts.reasons == {"gitlab.invalid cannot be reached": 2}
    assert counts.bad == ("tiny: `as` ended with status 2",)


def test_a_build_that_came_to_no_recipe_has_none() -> None:
    assert read_recipes("environment: this host cannot create a virtual environment\n") is None
    assert read_tests("ruff: found 1 error\n") is None


TESTED = """\
....F.s [100%]
=================================== FAILURES ===================================
    E  SKIPPED [7] tests/inner.py:1: a run within
    ========== 1 failed, 9 passed in 0.10s ==========
=========================== short test summary info ============================
SKIPPED [13] tests/content/test_wrong_window.py:171: this host lets nobody have namespaces
SKIPPED [1] tests/content/test_wrong_window.py:193: this host lets nobody have namespaces
SKIPPED [2] tests/script/test_apt_mirrors.py:110: not on this host: gawk
FAILED tests/test_a.py::test_one - assert 1 == 2
ERROR tests/test_b.py::test_two
====== 1 failed, 4426 passed, 16 skipped, 1 error in 725.01s (0:12:05) ======
"""


def test_the_end_of_a_test_run_is_read() -> None:
    counts = read_tests(TESTED)
    assert counts is not None
    assert counts.numbers == {"failed": 1, "passed": 4426, "skipped": 16, "error": 1}
    assert counts.reasons == {"this host lets nobody have namespaces": 14, "not on this host: gawk": 2}
    assert counts.bad == ("FAILED tests/test_a.py::test_one - assert 1 == 2", "ERROR tests/test_b.py::test_two")
    quiet = read_tests(TESTED.replace("====== 1 failed, 4426", "1 failed, 4426").replace("(0:12:05) ======", "(0:12:05)"))
    assert quiet == counts
    lines = Done("make test", 2, 90, TESTED).lines()
    assert lines[0] == "make test: exit status 2, 1.5 min"
    assert "    14 skipped: this host lets nobody have namespaces" in lines


# -- the host's settings in the machine

SOURCES = """\
Types: deb
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main
Signed-By: /keys.gpg

Types: deb
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main non-free-firmware
Signed-By: /keys.gpg

Types: deb
URIs: https://other.invalid/apt
Suites: cloud-sdk-bookworm nodistro
Components: main
"""


@pytest.mark.parametrize(
    ("codename", "suite", "suites"),
    [
        ("bookworm", "trixie", [("trixie", "trixie-updates"), ("trixie-security",)]),
        ("bookworm", "bookworm", [("bookworm", "bookworm-updates"), ("bookworm-security",)]),
        ("bookworm", "sid", [("sid",)]),
        ("trixie", "bookworm", []),
        ("", "trixie", []),
    ],
)
def test_suites_are_renamed_and_other_archives_left_out(codename: str, suite: str, suites: list[tuple[str, ...]]) -> None:
    found = renamed(parse_blocks(SOURCES), codename, suite)
    assert [entry.suites for entry in found] == suites
    assert all(entry.options == (("Signed-By", "/keys.gpg"),) for entry in found)


def test_a_host_that_names_no_release_has_its_suites_renamed_too() -> None:
    entries = [
        Entry(("http://m.invalid/debian",), ("stable", "stable-updates", "stable-backports")),
        Entry(("u:",), ("stablehand",)),
    ]
    assert [entry.suites for entry in renamed(entries, "trixie", "forky")] == [("forky", "forky-updates", "forky-backports")]


def test_an_archive_that_is_named_is_taken() -> None:
    (entry,) = host_access.entries_of("http://m.invalid/ubuntu/", "noble", "/keys.gpg")
    assert entry.suites == ("noble", "noble-updates")
    assert entry.components == ("main", "universe")
    assert host_access.entries_of("http://m.invalid/debian", "sid")[0].suites == ("sid",)


def test_addresses_of_the_host_are_masked() -> None:
    access = Access(
        tuple(renamed(parse_blocks(SOURCES), "bookworm", "trixie")),
        apt=('Acquire::http::Proxy "http://user:word@gate.invalid:3128/";',),
        pip={"index-url": "https://wheels.invalid/simple/", "find-links": "/wheels"},
        proxies={"no_proxy": "localhost", "https_proxy": "http://gate.invalid:3128"},
    )
    text = (
        "Get:1 http://mirror.invalid/debian trixie, http://mirror.invalid/debian-security; mirror.invalid cannot be reached; "
        "http://user:word@gate.invalid:3128 https://wheels.invalid/simple/pip wheels.invalid /wheels localhost"
    )
    assert masked(text, access.masks()) == (
        "Get:1 <mirror> trixie, <mirror-2>; <mirror> cannot be reached; <proxy> <index>/pip <index> /wheels localhost"
    )


PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----"


def test_a_machine_is_told_how_to_reach_the_mirrors(tmp_path: Path) -> None:
    own, keys, hosts = tmp_path / "resolv.conf", tmp_path / "keys.gpg", tmp_path / "kept"
    for path in (own, keys, hosts):
        path.write_text(f"the host's {path.name}")
    made = tmp_path / "machine"
    there = made / str(tmp_path).lstrip("/")
    for path, text in {
        made / "etc/apt/sources.list": "deb http://old.invalid/debian trixie main",
        made / "etc/ssl/certs/ca-certificates.crt": PEM.format("known"),
        there / "keys.gpg": "the machine's",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (there / "resolv.conf").symlink_to(hosts)
    access = Access(
        tuple(renamed(parse_blocks(SOURCES), "bookworm", "trixie")),
        ('Acquire::Check-Date "false";',),
        {"find-links": "/wheels"},
        files=(str(own),),
        keyrings=(str(keys),),
        certificates=(PEM.format("known"), PEM.format("the host's")),
    )
    access.install(made)
    assert (
        (made / "etc/apt/sources.list.d/host.sources")
        .read_text()
        .startswith("Types: deb\nURIs: http://mirror.invalid/debian\nSuites: trixie ")
    )
    assert not (made / "etc/apt/sources.list").exists()
    assert (made / "etc/apt/apt.conf.d/90host").read_text() == 'Acquire::Check-Date "false";\n'
    assert (made / "etc/pip.conf").read_text() == "[global]\nfind-links = /wheels\n"
    assert (there / "resolv.conf").read_text() == "the host's resolv.conf"
    assert hosts.read_text() == "the host's kept"
    assert (there / "keys.gpg").read_text() == "the machine's"
    (certificate,) = (made / "usr/local/share/ca-certificates").iterdir()
    assert certificate.read_text() == PEM.format("the host's") + "\n"


def test_only_what_leads_to_the_mirrors_is_read_of_apt_and_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump = (
        'APT::Install-Recommends "1";\nAcquire::http::Proxy "http://gate.invalid";\nAcquire::https::CaInfo "CA";\n'
        'Acquire::Check-Date "false";\nAcquire::Languages "none";\nAcquire::httpd "no";\nDPkg::Post-Invoke:: "harm";\n'
    )
    (tmp_path / "ca.pem").write_text("")
    (tmp_path / "index" / "simple").mkdir(parents=True)
    program = tmp_path / "apt-config"
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{dump.replace('CA', str(tmp_path / 'ca.pem'), 1)}E\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("HTTPS_PROXY", "http://gate.invalid")
    told = {"extra-index-url": f"\\nfile://{tmp_path}/index/simple\\nhttps://w.invalid/", "user": "1", "find-links": "/no/such"}
    monkeypatch.setattr(host_access, "pip_settings", lambda _: told)
    access = host_access.read_access((), tmp_path / "etc")
    assert [line.split()[0] for line in access.apt] == ["Acquire::http::Proxy", "Acquire::https::CaInfo", "Acquire::Check-Date"]
    assert dict(access.pip) == {
        "extra-index-url": f"file://{tmp_path}/index/simple https://w.invalid/",
        "find-links": "/no/such",
    }
    assert str(tmp_path / "ca.pem") in access.files
    assert access.folders == (f"{tmp_path}/index", f"{tmp_path}/index/simple")
    assert access.proxies["HTTPS_PROXY"] == "http://gate.invalid"


# -- folders that are refused


def refused(folder: Path, again: bool) -> str:
    with pytest.raises(fresh_machine.Refused) as caught:
        fresh_machine.check_folder(folder, again)
    return str(caught.value)


def a_machine(folder: Path) -> Path:
    for name in ("etc", "usr", "root"):
        (folder / name).mkdir(parents=True)
    return folder


def test_a_folder_that_is_not_empty_is_used_only_again(tmp_path: Path) -> None:
    made = a_machine(tmp_path / "machine")
    assert "is not empty" in refused(made, again=False)
    fresh_machine.check_folder(made, again=True)
    (made / "debootstrap").mkdir()
    assert "is incomplete" in refused(made, again=True)
    assert "there is no machine" in refused(tmp_path, again=True)
    assert "there is no machine" in refused(tmp_path / "nothing", again=True)
    fresh_machine.check_folder(tmp_path / "nothing", again=False)
    (tmp_path / "file").write_text("")
    assert "is not a folder" in refused(tmp_path / "file", again=False)


@pytest.mark.parametrize("folder", [Path("/"), SCRIPTS.parent, SCRIPTS.parent.parent, SCRIPTS / "machine"])
def test_a_folder_with_the_project_in_it_or_around_it_is_refused(folder: Path) -> None:
    assert "contains the other" in refused(folder, again=True)


def test_a_folder_in_which_something_is_mounted_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_machine, "mounted_below", lambda folder, _: [f"{folder}/proc", f"{folder}/a b"])
    assert f"umount '{tmp_path}/machine/a b' {tmp_path}/machine/proc" in refused(a_machine(tmp_path / "machine"), again=True)


def test_what_is_mounted_below_a_folder_is_found() -> None:
    info = "".join(
        f"36 35 98:0 / {point} rw - ext4 /dev/x rw\n"
        for point in ("/", "/srv/m", "/srv/m/proc", r"/srv/m/a\040b", "/srv/more/proc")
    )
    assert machine.mounted_below(Path("/srv/m"), info) == ["/srv/m/proc", "/srv/m/a b"]


def test_a_folder_in_which_a_process_has_its_root_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_machine, "inside", lambda _: [17, 18])
    assert "by the processes 17, 18" in refused(a_machine(tmp_path / "machine"), again=True)


def test_processes_are_found_by_their_root(tmp_path: Path) -> None:
    assert os.getpid() in machine.inside(Path("/"))
    assert machine.inside(tmp_path) == []


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    fresh_machine.reserve(tmp_path)
    with pytest.raises(fresh_machine.Refused, match="another run"):
        fresh_machine.reserve(tmp_path)


def script(*words: object, **options: object) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, SCRIPTS / "fresh_machine.py", *map(str, words)], capture_output=True, text=True, check=False, **options
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a --suite"),
        (["--suite", "trixie", "--again"], "name a --suite"),
        (["--suite", "trixie", "--empty-home"], "--empty-home needs --again"),
        (["--suite", "noble", "--keyring", "k.gpg"], "--keyring needs --mirror"),
        (["--suite", "noble", "--mirror", "http://m.invalid/ubuntu", "--keyring", "/no/k.gpg"], "there is no file /no/k.gpg"),
    ],
)
def test_wrong_use_is_told(tmp_path: Path, words: list[str], said: str) -> None:
    status, text = script(tmp_path / "machine", *words)
    assert status == 2
    assert said in text
    assert not (tmp_path / "machine").exists()


def test_without_root_the_command_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert fresh_machine.main([str(tmp_path / "machine"), "--suite", "trixie"]) == 3
    assert "this needs root" in (said := capsys.readouterr().err)
    assert "\n  sudo " in said
    assert not (tmp_path / "machine").exists()


def test_a_machine_that_was_not_finished_is_told(tmp_path: Path) -> None:
    assert fresh_machine.incomplete_advice(a_machine(tmp_path / "a machine")) == ""
    (tmp_path / "a machine/debootstrap").mkdir()
    assert fresh_machine.incomplete_advice(tmp_path / "a machine").endswith(f"rm -r --one-file-system '{tmp_path}/a machine'")


def test_a_machine_names_its_system(tmp_path: Path) -> None:
    made = machine.Machine(a_machine(tmp_path), tmp_path, Access(()))
    (tmp_path / "etc/os-release").write_text('NAME="x"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n')
    (tmp_path / "etc/debian_version").write_text("13.8\n")
    assert made.system() == "Debian GNU/Linux 13 (trixie), 13.8"
    (tmp_path / "etc/debian_version").write_text("trixie/sid\n")
    assert made.system() == "Debian GNU/Linux 13 (trixie)"


def test_programs_that_are_missing_and_another_family_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(fresh_machine.shutil, "which", lambda name: None if name in ("debootstrap", "pivot_root") else name)
    with pytest.raises(fresh_machine.Refused, match="apt-get install debootstrap util-linux"):
        fresh_machine.check_host("trixie", "")
    with pytest.raises(fresh_machine.Refused, match="apt-get install util-linux"):
        fresh_machine.check_host("", "")
    monkeypatch.setattr(fresh_machine.shutil, "which", lambda name: name)
    monkeypatch.setattr(fresh_machine.platform, "freedesktop_os_release", lambda: {"ID": "debian"})
    with pytest.raises(fresh_machine.Refused, match="no mirror for noble"):
        fresh_machine.check_host("noble", "")
    fresh_machine.check_host("noble", "http://m.invalid/ubuntu")
    fresh_machine.check_host("trixie", "")


# -- cleanup


@pytest.fixture
def alone() -> None:
    """Skip the test if this process may not create namespaces."""
    done = subprocess.run([*machine.ALONE, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no namespaces of its own: {done.stderr.strip()}")


SLEEP = f"sleep 4321.{os.getpid()}"
"""A command that no other run of the tests on this host has."""

LEAVES = (
    "mount -t tmpfs tmpfs $1; touch $1/mounted; setsid " + SLEEP + " >/dev/null 2>&1 & echo at http://mirror.invalid/debian; {}"
)


def sleepers() -> list[str]:
    done = subprocess.run(["ps", "-A", "-o", "pid=,args="], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.endswith(SLEEP)]


@pytest.mark.root
@pytest.mark.usefixtures("alone")
def test_what_a_command_leaves_is_ended_and_unmounted(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    command = ["bash", "-c", LEAVES.format("exit 7"), "bash", str(tmp_path / "folder")]
    assert machine.run(command, tmp_path / "log", {"http://mirror.invalid/debian": "<mirror>"}) == 7
    assert (tmp_path / "log").read_text() == "at <mirror>\n"
    assert sleepers() == []
    assert list((tmp_path / "folder").iterdir()) == []


RUNS = "import sys; sys.path[:0] = [sys.argv[1]]; from pathlib import Path; import fresh_machine, machine; import signal\n"
RUNS += "signal.signal(signal.SIGTERM, fresh_machine.stop); machine.run(sys.argv[3:], Path(sys.argv[2]), {})\n"


@pytest.mark.root
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_runs_ends_with_the_script(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "folder").mkdir()
    command = ["bash", "-c", LEAVES.format("sleep 1000"), "bash", str(tmp_path / "folder")]
    process = subprocess.Popen([sys.executable, "-c", RUNS, SCRIPTS, tmp_path / "log", *command], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    try:
        while not sleepers() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert sleepers()
    finally:
        process.send_signal(number)
        process.wait()
    # After SIGKILL the kernel kills the children a moment later.
    while (left := sleepers()) and number is signal.SIGKILL and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert list((tmp_path / "folder").iterdir()) == []
