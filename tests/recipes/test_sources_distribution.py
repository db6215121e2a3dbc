"""The distribution's source packages, from a Debian archive on the loopback interface with our own apt configuration."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmdocs.core.errors import RecipeFailed, Skipped, SourceRefused, TimedOut
from kvmdocs.recording.shell import Shell
from recipes.get import distribution
from recipes.get.apt_sources import (
    Entry,
    compare_versions,
    mirror_names,
    newest_first,
    parse_blocks,
    parse_lines,
    read_entries,
    with_suites,
)
from recipes.get.distribution import Apt
from recipes.get.qemu import qemu_distribution
from tests.support.servers import Archive, SigningKey, Web, signing_key, silent_server, web_server

needs_apt = [
    pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")
    for tool in ("apt-get", "dpkg-source", "dpkg-scansources", "gpg", "gpg-agent")
]
STALL = 2.0
VERSIONS = st.from_regex(r"([0-9]:)?[0-9][0-9a-zA-Z.+~]{0,5}(-[0-9a-z+.~]{1,3})?", fullmatch=True)


@pytest.fixture(scope="module")
def key() -> Iterator[SigningKey]:
    """Yield the key that signs the archive's index."""
    with signing_key("archive") as made:
        yield made


def tree_of(version: str, glib: str = "2.0") -> dict[str, str]:
    """Return those files of a QEMU that a recipe reads."""
    return {"VERSION": f"{version}\n", "configure": "", "meson.build": f"glib_req_ver = '>={glib}'\n"}


@pytest.fixture
def archive(tmp_path: Path, key: SigningKey) -> Archive:
    """Return an archive with two versions of a package called qemu."""
    made = Archive(tmp_path / "web", key)
    made.add("qemu", "7.2-1", tree_of("7.2"))
    made.add("qemu", "7.10-1", tree_of("7.10"))
    made.publish()
    return made


@pytest.fixture
def web(archive: Archive) -> Iterator[Web]:
    """Yield a server for the archive."""
    with web_server(archive.root) as served:
        yield served


def host(folder: Path, url: str, key: SigningKey) -> str:
    """Return the apt configuration of a host that has entries for binary packages only, as most do."""
    trusted = key.public(folder / "etc/keyrings/archive.asc")
    parts = folder / "etc/sources.list.d"
    parts.mkdir()
    (parts / "host.sources").write_text(f"Types: deb\nURIs: {url}\nSuites: stable\nComponents: main\nSigned-By: {trusted}\n")
    return str(folder / "etc")


def text_of(shell: Shell) -> str:
    """Return all text that a reader sees, including data fed to commands and written to files."""
    return "\n".join(f"{step.command}\n{step.stdin or ''}\n{step.output.text}" for step in shell.steps())


class TestGetting:
    pytestmark = needs_apt

    def test_newest_version_is_unpacked(self, shell: Shell, web: Web, key: SigningKey, tmp_path: Path) -> None:
        tree = qemu_distribution(shell, etc=host(tmp_path, web.url, key), suites=(), stall=STALL)
        assert tree == shell.workspace / "qemu-7.10"
        assert (tree / "VERSION").read_text() == "7.10\n"
        assert (tree / "debian/changelog").is_file()

    def test_no_mirror_is_shown(self, shell: Shell, web: Web, key: SigningKey, tmp_path: Path) -> None:
        qemu_distribution(shell, etc=host(tmp_path, web.url, key), suites=(), stall=STALL)
        shown = text_of(shell)
        assert "URIs: <mirror>\n" in shown
        assert web.url not in shown
        assert "127.0.0.1" not in shown

    def test_the_hosts_apt_is_left_alone(self, shell: Shell, web: Web, key: SigningKey, tmp_path: Path) -> None:
        etc = host(tmp_path, web.url, key)
        seen = [Path("/var/lib/apt/lists"), Path("/var/cache/apt"), Path("/var/cache/apt/archives"), Path(etc)]
        before = {path: path.stat().st_mtime_ns for folder in seen if folder.is_dir() for path in (folder, *folder.iterdir())}
        qemu_distribution(shell, etc=etc, suites=(), stall=STALL)
        assert before == {path: path.stat().st_mtime_ns for path in before}

    def test_version_that_is_gone_gives_way_to_the_next(
        self, shell: Shell, web: Web, archive: Archive, key: SigningKey, tmp_path: Path
    ) -> None:
        (archive.root / "pool/qemu_7.10.orig.tar.xz").unlink()
        tree = qemu_distribution(shell, etc=host(tmp_path, web.url, key), suites=(), stall=STALL)
        assert tree.name == "qemu-7.2"
        assert "404" in text_of(shell)
        assert "IP: 127" not in text_of(shell)

    def test_all_versions_gone(self, shell: Shell, web: Web, archive: Archive, key: SigningKey, tmp_path: Path) -> None:
        shutil.rmtree(archive.root / "pool")
        with pytest.raises(RecipeFailed, match="none of its versions"):
            qemu_distribution(shell, etc=host(tmp_path, web.url, key), suites=(), stall=STALL)

    def test_wrong_checksum_is_refused(self, shell: Shell, web: Web, archive: Archive, key: SigningKey, tmp_path: Path) -> None:
        tarball = archive.root / "pool/qemu_7.10.orig.tar.xz"
        data = bytearray(tarball.read_bytes())
        data[len(data) // 2] ^= 1
        tarball.write_bytes(data)
        with pytest.raises(SourceRefused, match="differs from the checksum"):
            qemu_distribution(shell, etc=host(tmp_path, web.url, key), suites=(), stall=STALL)
        assert not list(shell.workspace.glob("qemu-*"))

    def test_truncated_download_is_not_used(self, shell: Shell, web: Web, key: SigningKey, tmp_path: Path) -> None:
        web.cut.add("/pool/qemu_7.10.orig.tar.xz")
        with pytest.raises(RecipeFailed, match=r"could not be downloaded whole|differs from the checksum"):
            qemu_distribution(shell, etc=host(tmp_path, web.url, key), suites=(), stall=STALL)
        assert not list(shell.workspace.glob("qemu-*"))

    def test_index_signed_by_a_stranger_is_refused(self, shell: Shell, web: Web, archive: Archive, tmp_path: Path) -> None:
        with signing_key("stranger") as stranger, pytest.raises(SourceRefused, match="index"):
            qemu_distribution(shell, etc=host(tmp_path, web.url, stranger), suites=(), stall=STALL)
        assert not list(shell.workspace.glob("qemu*"))

    def test_index_changed_after_signing_is_refused(
        self, shell: Shell, web: Web, archive: Archive, key: SigningKey, tmp_path: Path
    ) -> None:
        index = archive.root / "dists/stable/main/source/Sources"
        index.write_text(index.read_text().replace("7.10-1", "7.11-1"))
        with pytest.raises(SourceRefused, match="index"):
            qemu_distribution(shell, etc=host(tmp_path, web.url, key), suites=(), stall=STALL)

    def test_description_with_a_bad_signature_is_refused(
        self, shell: Shell, web: Web, archive: Archive, key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        description = archive.root / "pool/qemu_7.10-1.dsc"
        signed = archive.root / "pool/signed"
        key.gpg("--output", signed, "--clear-sign", description)
        description.write_text(signed.read_text().replace("Maintainer: Tester", "Maintainer: Somebody"))
        signed.unlink()
        archive.publish()
        keyring = tmp_path / "developers.gpg"
        keyring.write_bytes(key.gpg("--export", key.fingerprint))
        monkeypatch.setattr(distribution, "DEVELOPERS", (keyring,))
        with pytest.raises(SourceRefused, match="does not match what it signs"):
            qemu_distribution(shell, etc=host(tmp_path, web.url, key), suites=(), stall=STALL)
        assert not list(shell.workspace.glob("qemu-*"))

    def test_silent_mirror_is_given_up(self, shell: Shell, key: SigningKey, tmp_path: Path) -> None:
        with silent_server() as url:
            begun = time.monotonic()
            with pytest.raises(TimedOut, match="send nothing"):
                qemu_distribution(shell, etc=host(tmp_path, url, key), suites=(), stall=STALL)
        assert time.monotonic() - begun < 20 + STALL

    def test_mirror_that_falls_silent_is_given_up(self, shell: Shell, web: Web, key: SigningKey, tmp_path: Path) -> None:
        web.hung.add("/pool/qemu_7.10.orig.tar.xz")
        begun = time.monotonic()
        with pytest.raises(TimedOut, match="stopped sending"):
            qemu_distribution(shell, etc=host(tmp_path, web.url, key), suites=(), stall=STALL)
        assert time.monotonic() - begun < 20 + STALL

    def test_no_proxy_is_shown(
        self, shell: Shell, web: Web, key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.2:9")
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(TimedOut, match="send nothing"):
            qemu_distribution(shell, etc=host(tmp_path, web.url, key), suites=(), stall=STALL)
        assert "127.0.0." not in text_of(shell)

    def test_unknown_package(self, shell: Shell, web: Web, key: SigningKey, tmp_path: Path) -> None:
        with pytest.raises(RecipeFailed, match="no source package nothing-of-that-name"):
            distribution.source_package(shell, "nothing-of-that-name", Apt(host(tmp_path, web.url, key), (), STALL))

    def test_other_repositories_may_fail(self, shell: Shell, web: Web, key: SigningKey, tmp_path: Path) -> None:
        etc = host(tmp_path, web.url, key)
        Path(etc, "sources.list").write_text(f"deb {web.url}/elsewhere stable main\n")
        assert qemu_distribution(shell, etc=etc, suites=(), stall=STALL).name == "qemu-7.10"

    def test_newer_suite_is_asked(self, shell: Shell, web: Web, archive: Archive, key: SigningKey, tmp_path: Path) -> None:
        archive.add("qemu", "10.0-1", tree_of("10.0"))
        archive.publish("trixie")
        etc = host(tmp_path, web.url, key)
        assert qemu_distribution(shell, etc=etc, suites=("trixie", "forky"), stall=STALL).name == "qemu-10.0"

    def test_only_the_hosts_suites_are_asked(
        self, shell: Shell, web: Web, archive: Archive, key: SigningKey, tmp_path: Path
    ) -> None:
        archive.add("qemu", "10.0-1", tree_of("10.0"))
        archive.publish("trixie")
        assert qemu_distribution(shell, etc=host(tmp_path, web.url, key), suites=(), stall=STALL).name == "qemu-7.10"

    def test_suite_signed_by_a_stranger_gives_way(
        self, shell: Shell, web: Web, archive: Archive, key: SigningKey, tmp_path: Path
    ) -> None:
        etc = host(tmp_path, web.url, key)
        archive.add("qemu", "10.0-1", tree_of("10.0"))
        with signing_key("stranger") as stranger:
            Archive(archive.root, stranger).publish("trixie")
        assert qemu_distribution(shell, etc=etc, suites=("trixie",), stall=STALL).name == "qemu-7.10"

    def test_version_that_this_host_cannot_build_gives_way(
        self, shell: Shell, web: Web, archive: Archive, key: SigningKey, tmp_path: Path
    ) -> None:
        archive.add("qemu", "10.0-1", tree_of("10.0", glib="99.0"))
        archive.publish("trixie")
        etc = host(tmp_path, web.url, key)
        assert qemu_distribution(shell, etc=etc, suites=("trixie",), stall=STALL).name == "qemu-7.10"
        assert not (shell.workspace / "qemu-10.0").exists()

    def test_no_version_can_be_built_here(
        self, shell: Shell, web: Web, archive: Archive, key: SigningKey, tmp_path: Path
    ) -> None:
        for file in (archive.root / "pool").iterdir():
            file.unlink()
        archive.add("qemu", "10.0-1", tree_of("10.0", glib="99.0"))
        archive.publish()
        with pytest.raises(RecipeFailed, match=r"10\.0-1 asks for GLib 99\.0"):
            qemu_distribution(shell, etc=host(tmp_path, web.url, key), suites=(), stall=STALL)

    @given(VERSIONS, VERSIONS)
    @settings(max_examples=60, deadline=None)
    def test_versions_compare_as_dpkg_compares_them(self, one: str, other: str) -> None:
        said = [
            subprocess.run(["dpkg", "--compare-versions", one, operator, other], check=False).returncode == 0
            for operator in ("lt", "eq", "gt")
        ]
        sign = compare_versions(one, other)
        assert said == [sign < 0, sign == 0, sign > 0]


def test_host_without_entries_is_skipped(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    with pytest.raises(Skipped, match="names no place"):
        qemu_distribution(shell, etc=str(tmp_path / "etc"), suites=(), stall=STALL)


def test_entries_of_one_line() -> None:
    text = """
    # deb http://off/debian stable main
    deb [arch=amd64,arm64 signed-by=/a.gpg,/b.gpg] http://one/debian stable main contrib # why
    deb-src http://two/debian stable/
    rpm http://three stable main
    """
    assert list(parse_lines(text)) == [
        Entry(("http://one/debian",), ("stable",), ("main", "contrib"), (("Signed-By", "/a.gpg /b.gpg"),)),
        Entry(("http://two/debian",), ("stable/",)),
    ]


def test_entries_of_fields() -> None:
    text = """\
# a comment
Types: deb deb-src
URIs: http://one/debian
 http://two/debian
Suites: stable
# in between
 stable-updates
Components: main
Architectures: amd64
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 text

Enabled: no
Types: deb
URIs: http://off/debian
Suites: stable

Types: rpm
URIs: http://three
Suites: stable
"""
    (entry,) = parse_blocks(text)
    assert entry.uris == ("http://one/debian", "http://two/debian")
    assert entry.suites == ("stable", "stable-updates")
    assert entry.stanza() == (
        "Types: deb-src\nURIs: http://one/debian http://two/debian\nSuites: stable stable-updates\nComponents: main\n"
        "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n text\n"
    )


def test_entries_for_other_suites() -> None:
    debian = Entry(("http://one/debian",), ("bookworm", "bookworm-updates", "bookworm-backports"), ("main",))
    security = Entry(("http://two/security",), ("bookworm-security",), ("main",))
    stranger = Entry(("http://three",), ("nodistro", "noble", "exact/"), ("main",))
    host = [debian, security, stranger]
    assert with_suites(host, ()) == host
    assert with_suites(host, ("bookworm",)) == host
    assert [(entry.uris, entry.suites) for entry in with_suites(host, ("trixie", "sid"))[3:]] == [
        (debian.uris, ("trixie", "trixie-updates")),
        (debian.uris, ("sid",)),
        (security.uris, ("trixie-security",)),
    ]


def test_files_apt_ignores_are_ignored(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    line = "deb http://{}/debian stable main\n"
    (tmp_path / "sources.list").write_text(line.format("one") + "deb cdrom:[disc]/ stable main\n")
    (parts / "two.list").write_text(line.format("two") + line.format("one"))
    for name in ("three.list.save", ".four.list", "five list.list", "six.sources.disabled"):
        (parts / name).write_text(line.format("off"))
    assert [entry.uris for entry in read_entries(tmp_path)] == [("http://one/debian",), ("http://two/debian",)]
    assert read_entries(tmp_path / "nowhere") == []


def test_every_mirror_has_a_name(tmp_path: Path) -> None:
    mirrors = tmp_path / "mirrors.list"
    mirrors.write_text("# ours\nhttps://c.example.org/debian\tpriority:1\n")
    entries = [
        Entry(("http://user@a.example.org/debian/", "http://b/ubuntu"), ("stable",)),
        Entry((f"mirror+file:{mirrors}", "file:/srv/debian"), ("stable",)),
    ]
    assert mirror_names(entries) == {
        "http://user@a.example.org/debian": "<mirror>",
        "http://b/ubuntu": "<mirror-2>",
        "https://c.example.org/debian": "<mirror-3>",
        "a.example.org": "<mirror>",
        "//b": "<mirror>",
        "c.example.org": "<mirror>",
    }


def test_newest_version_comes_first() -> None:
    versions = ["6.1.4-1", "6.1.192-2", "1:1.0-1", "6.1.192-2~bpo1", "6.1.192-10", "6.1.4-1"]
    assert newest_first(versions) == ["1:1.0-1", "6.1.192-10", "6.1.192-2", "6.1.192-2~bpo1", "6.1.4-1"]
