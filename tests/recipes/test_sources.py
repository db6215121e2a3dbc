"""Sources from signed releases and from git, downloaded from servers on the loopback interface."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sh as sh_package

from kvmdocs.core.errors import HostLacks, RecipeFailed, SettingError, Skipped, SourceRefused, TimedOut
from kvmdocs.core.model import Freshness, Host, Record, Status
from kvmdocs.execution.project import Project
from kvmdocs.recording.recipe import Recipe
from kvmdocs.recording.shell import Shell
from kvmdocs.render import Language, transcript
from recipes.get.linux import kvm_git, linux_git, linux_release, linux_source
from recipes.get.qemu import qemu_git, qemu_release, qemu_source
from tests.support import ROOT
from tests.support.servers import SigningKey, Web, run, signing_key, silent_server, tagged_repository, tarball, web_server

pytestmark = [
    pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")
    for tool in ("curl", "git", "gpg", "gpg-agent", "xz")
]

VERSION = "1.2.3"
STALL = 1.0


@pytest.fixture(scope="module")
def key() -> Iterator[SigningKey]:
    """Yield the key that the settings pin."""
    with signing_key("pinned") as made:
        yield made


@pytest.fixture(scope="module")
def stranger() -> Iterator[SigningKey]:
    """Yield a key that the settings do not pin."""
    with signing_key("stranger") as made:
        yield made


@pytest.fixture
def web(tmp_path: Path, key: SigningKey) -> Iterator[Web]:
    """Yield a server with a signed QEMU and Linux release, a repository of each, and the key."""
    root = tmp_path / "web"
    archive = tarball(root, f"qemu-{VERSION}", {"VERSION": f"{VERSION}\n", "configure": "#!/bin/sh\n"})
    key.sign(archive, root / f"{archive.name}.sig")
    linux = tarball(root / "v1.x", f"linux-{VERSION}", {"Makefile": "VERSION = 1\nPATCHLEVEL = 2\nSUBLEVEL = 3\n"})
    # As on kernel.org, it signs the tar, not the downloaded file.
    key.sign(linux.with_suffix(""), root / "v1.x" / f"linux-{VERSION}.tar.sign")
    tagged_repository(root / "git/qemu", key, f"v{VERSION}", {"VERSION": f"{VERSION}\n"})
    tagged_repository(root / "git/linux", key, f"v{VERSION}", {"Makefile": "VERSION = 1\n"})
    key.public(root / "keys" / f"{key.fingerprint}.asc")
    key.public(root / "keys" / f"{key.fingerprint[-16:]}.asc")
    with web_server(root) as served:
        yield served


def arguments(web: Web, key: SigningKey, keys: str = "fingerprint") -> dict[str, object]:
    """Return the arguments of every provider that checks signatures."""
    key_url = f"{web.url}/keys/{{{keys}}}.asc"
    return {"version": VERSION, "signers": [key.fingerprint], "key_url": key_url, "connect": STALL, "stall": STALL}


def text_of(shell: Shell) -> str:
    """Return all text that a reader sees."""
    return "\n".join(f"{step.command}\n{step.output.text}" for step in shell.steps())


def test_release_is_verified_and_unpacked(shell: Shell, web: Web, key: SigningKey) -> None:
    tree = qemu_release(shell, mirror=web.url, **arguments(web, key))
    assert tree == shell.workspace / f"qemu-{VERSION}"
    assert (tree / "VERSION").read_text() == f"{VERSION}\n"
    assert 'Good signature from "pinned' in text_of(shell)
    assert str(shell.workspace) not in text_of(shell)
    commands = [step.command.split()[0] for step in shell.steps()]
    assert commands.index("tar") == len(commands) - 1
    assert not list((shell.workspace / "gnupg").glob("S.*")), "an agent was started"


def test_linux_signature_is_over_the_tar_inside(shell: Shell, web: Web, key: SigningKey) -> None:
    tree = linux_release(shell, mirror=web.url, **arguments(web, key, "keyid"))
    assert (tree / "Makefile").is_file()
    assert "xz --decompress --stdout" in text_of(shell)


def test_signature_of_a_stranger_is_refused(shell: Shell, web: Web, key: SigningKey, stranger: SigningKey) -> None:
    stranger.sign(web.root / f"qemu-{VERSION}.tar.xz", web.root / f"qemu-{VERSION}.tar.xz.sig")
    with pytest.raises(SourceRefused, match="no pinned key signed it"):
        qemu_release(shell, mirror=web.url, **arguments(web, key))
    assert not list(shell.workspace.glob("qemu-*"))


def test_revoked_key_is_refused(shell: Shell, web: Web) -> None:
    with signing_key("revoked") as lost:
        archive = web.root / f"qemu-{VERSION}.tar.xz"
        lost.sign(archive, archive.with_name(f"{archive.name}.sig"))
        # gpg writes a colon before the certificate so that nobody revokes a key by mistake.
        certificate = lost.home / "openpgp-revocs.d" / f"{lost.fingerprint}.rev"
        certificate.write_text(certificate.read_text().replace(":-----BEGIN", "-----BEGIN"))
        lost.gpg("--import", certificate)
        lost.public(web.root / "keys" / f"{lost.fingerprint}.asc")
        with pytest.raises(SourceRefused, match="revoked or expired"):
            qemu_release(shell, mirror=web.url, **arguments(web, lost))
    assert not list(shell.workspace.glob("qemu-*"))


@pytest.mark.parametrize("recipe", [qemu_release, linux_release])
def test_changed_archive_is_refused(shell: Shell, web: Web, key: SigningKey, recipe: Recipe) -> None:
    name, folder = ("qemu", web.root) if recipe is qemu_release else ("linux", web.root / "v1.x")
    path = folder / f"{name}-{VERSION}.tar.xz"
    path.unlink()
    # A well-formed archive with one byte of one file changed: only the signature can reveal it.
    other = tarball(folder / "other", f"{name}-{VERSION}", {"VERSION": "1.2.4\n", "Makefile": "VERSION = 9\n"})
    other.rename(path)
    with pytest.raises(SourceRefused):
        recipe(shell, mirror=web.url, **arguments(web, key))
    assert not list(shell.workspace.glob(f"{name}-*"))


def test_older_release_under_a_newer_name_is_refused(shell: Shell, web: Web, key: SigningKey) -> None:
    old = tarball(web.root, "qemu-1.0", {"VERSION": "1.0\n"})
    old.replace(web.root / f"qemu-{VERSION}.tar.xz")
    key.sign(web.root / f"qemu-{VERSION}.tar.xz", web.root / f"qemu-{VERSION}.tar.xz.sig")
    with pytest.raises(SourceRefused, match="holds no folder"):
        qemu_release(shell, mirror=web.url, **arguments(web, key))


def test_truncated_download_leaves_nothing(shell: Shell, web: Web, key: SigningKey) -> None:
    web.cut.add(f"/qemu-{VERSION}.tar.xz")
    with pytest.raises(RecipeFailed, match="ended before its end"):
        qemu_release(shell, mirror=web.url, **arguments(web, key))
    assert not list(shell.workspace.glob("qemu-*.tar.xz"))


def test_key_with_another_fingerprint_is_refused(shell: Shell, web: Web, key: SigningKey, stranger: SigningKey) -> None:
    stranger.public(web.root / "keys" / f"{key.fingerprint}.asc")
    with pytest.raises(SourceRefused, match=f"sent {stranger.fingerprint} instead of the pinned key {key.fingerprint}"):
        qemu_release(shell, mirror=web.url, **arguments(web, key))
    assert not any(step.command.startswith("tar") or "--dearmor" in step.command for step in shell.steps())


def test_file_with_two_keys_is_refused(shell: Shell, web: Web, key: SigningKey, stranger: SigningKey) -> None:
    both = web.root / "keys" / f"{key.fingerprint}.asc"
    both.write_bytes(both.read_bytes() + stranger.public(web.root / "other.asc").read_bytes())
    with pytest.raises(SourceRefused, match=" and "):
        qemu_release(shell, mirror=web.url, **arguments(web, key))


def test_answer_that_is_no_key_is_refused(shell: Shell, web: Web, key: SigningKey) -> None:
    (web.root / "keys" / f"{key.fingerprint}.asc").write_text("<html>log in first</html>")
    with pytest.raises(SourceRefused, match="no key"):
        qemu_release(shell, mirror=web.url, **arguments(web, key))


def test_missing_version_says_what_to_check(shell: Shell, web: Web, key: SigningKey) -> None:
    with pytest.raises(RecipeFailed, match="does not have what was asked for") as caught:
        qemu_release(shell, mirror=web.url, **{**arguments(web, key), "version": "9.9.9"})
    assert "version" in caught.value.evidence.advice


def test_a_server_in_trouble_does_not_lack_the_version(shell: Shell, web: Web, key: SigningKey) -> None:
    web.broken["/"] = 503
    with pytest.raises(RecipeFailed, match="answers with an error"):
        qemu_release(shell, mirror=web.url, **arguments(web, key))
    assert "error: 503" in text_of(shell)


def test_silent_server_is_given_up(shell: Shell, web: Web, key: SigningKey) -> None:
    with silent_server() as url:
        begun = time.monotonic()
        with pytest.raises(TimedOut, match="sends nothing"):
            qemu_release(shell, mirror=url, **arguments(web, key))
    assert time.monotonic() - begun < 10 + STALL


def test_refused_connection_is_the_hosts_affair(shell: Shell, web: Web, key: SigningKey) -> None:
    with silent_server() as url:
        pass
    with pytest.raises(HostLacks, match="cannot be reached"):
        qemu_release(shell, mirror=url, **arguments(web, key))


def test_short_fingerprint_is_no_pin(shell: Shell, web: Web, key: SigningKey) -> None:
    with pytest.raises(SettingError, match="full fingerprint"):
        qemu_release(shell, mirror=web.url, **{**arguments(web, key), "signers": [key.fingerprint[-16:]]})
    with pytest.raises(SettingError, match="no signing key"):
        qemu_release(shell, mirror=web.url, **{**arguments(web, key), "signers": []})


def test_git_tag_is_verified(shell: Shell, web: Web, key: SigningKey) -> None:
    tree = qemu_git(shell, repository=f"{web.url}/git/qemu", **arguments(web, key))
    assert (tree / "VERSION").read_text() == f"{VERSION}\n"
    assert 'Good signature from "pinned' in text_of(shell)
    assert len(run("git", "log", "--oneline", cwd=tree).splitlines()) == 1
    assert "GNUPGHOME=$HOME/kvm-lab/recipe/gnupg" in text_of(shell)


def test_linux_git(shell: Shell, web: Web, key: SigningKey) -> None:
    tree = linux_git(shell, repository=f"{web.url}/git/linux", **arguments(web, key))
    assert (tree / "Makefile").is_file()


def test_kvm_git(shell: Shell, web: Web, key: SigningKey) -> None:
    tagged_repository(web.root / "git/kvm", key, "for-linus", {"MAINTAINERS": "KVM\n"})
    given = {**arguments(web, key, "keyid"), "repository": f"{web.url}/git/kvm", "tag": "for-linus"}
    del given["version"]
    assert (kvm_git(shell, **given) / "MAINTAINERS").is_file()
    assert 'Good signature from "pinned' in text_of(shell)


def test_kvm_tag_of_a_stranger_is_refused(shell: Shell, web: Web, key: SigningKey, stranger: SigningKey) -> None:
    tagged_repository(web.root / "git/kvm", stranger, "for-linus", {"MAINTAINERS": "KVM\n"})
    given = {**arguments(web, key, "keyid"), "repository": f"{web.url}/git/kvm", "tag": "for-linus"}
    del given["version"]
    with pytest.raises(SourceRefused, match="no pinned key signed the tag for-linus"):
        kvm_git(shell, **given)
    assert not (shell.workspace / "kvm").exists()


def test_tag_of_a_stranger_never_becomes_files(shell: Shell, web: Web, key: SigningKey, stranger: SigningKey) -> None:
    tagged_repository(web.root / "git/forged", stranger, f"v{VERSION}", {"VERSION": "1\n"})
    with pytest.raises(SourceRefused, match="no pinned key signed the tag"):
        qemu_git(shell, repository=f"{web.url}/git/forged", **arguments(web, key))
    assert not (shell.workspace / "qemu").exists()


def test_older_tag_under_a_newer_name_is_refused(shell: Shell, web: Web, key: SigningKey) -> None:
    repository = tagged_repository(web.root / "git/old", key, "v1.0", {"VERSION": "1.0\n"})
    run("git", "update-ref", f"refs/tags/v{VERSION}", "refs/tags/v1.0", cwd=repository)
    with pytest.raises(SourceRefused, match="another name"):
        qemu_git(shell, repository=f"{web.url}/git/old", **arguments(web, key))
    assert not (shell.workspace / "qemu").exists()


def test_unsigned_tag_is_refused(shell: Shell, web: Web, key: SigningKey) -> None:
    run("git", "tag", "--no-sign", f"v{VERSION}-rc1", cwd=web.root / "git/qemu")
    with pytest.raises(SourceRefused):
        qemu_git(shell, repository=f"{web.url}/git/qemu", **{**arguments(web, key), "version": f"{VERSION}-rc1"})


def test_missing_tag(shell: Shell, web: Web, key: SigningKey) -> None:
    with pytest.raises(RecipeFailed, match="does not have what was asked for"):
        qemu_git(shell, repository=f"{web.url}/git/qemu", **{**arguments(web, key), "version": "9.9.9"})


def test_missing_repository(shell: Shell, web: Web, key: SigningKey) -> None:
    with pytest.raises(RecipeFailed, match="does not have what was asked for"):
        qemu_git(shell, repository=f"{web.url}/git/nothing", **arguments(web, key))


def test_a_repository_nobody_serves(shell: Shell, web: Web, key: SigningKey) -> None:
    with silent_server() as url:
        pass
    with pytest.raises(HostLacks, match="cannot be reached"):
        qemu_git(shell, repository=f"{url}/qemu", **arguments(web, key))


def test_what_nobody_foresaw_of_git_stays_as_it_is(shell: Shell, web: Web, key: SigningKey) -> None:
    (shell.workspace / "qemu").mkdir()
    (shell.workspace / "qemu/in_the_way").touch()
    with pytest.raises(sh_package.ErrorReturnCode):
        qemu_git(shell, repository=f"{web.url}/git/qemu", **arguments(web, key))
    assert "already exists and is not an empty directory" in text_of(shell)


def test_silent_git_server_is_given_up(shell: Shell, web: Web, key: SigningKey) -> None:
    with silent_server() as url:
        begun = time.monotonic()
        with pytest.raises(TimedOut, match="sends nothing"):
            qemu_git(shell, repository=f"{url}/qemu", **arguments(web, key))
    assert time.monotonic() - begun < 10 + 2 * STALL


@pytest.mark.parametrize(("source", "marker"), [(qemu_source, "VERSION"), (linux_source, "Makefile")])
def test_choice_of_provider(shell: Shell, tmp_path: Path, source: Recipe, marker: str) -> None:
    release, git = tmp_path / "release", tmp_path / "git"
    for tree in (release, git):
        tree.mkdir()
        (tree / marker).write_text(f"{tree.name}\n")

    def choose(*trees: Path | None, provider: str) -> object:
        return source(shell, *trees, provider=provider)

    assert choose(release, git, None, provider="auto") == release
    assert choose(None, git, None, provider="auto") == git
    assert choose(release, git, None, provider="git") == git
    with pytest.raises(Skipped, match="no provider"):
        choose(None, None, None, provider="auto")
    with pytest.raises(Skipped, match="distribution"):
        choose(release, git, None, provider="distribution")
    with pytest.raises(SettingError, match="floppy"):
        choose(release, git, None, provider="floppy")
    assert "release" in text_of(shell)


@pytest.mark.parametrize(
    ("recipe", "location"),
    [(qemu_release, ""), (linux_release, ""), (qemu_git, "/git/qemu"), (linux_git, "/git/linux")],
    ids=lambda value: value.name if isinstance(value, Recipe) else "",
)
def test_the_pages_notes_hang_on_what_a_host_with_network_would_show(
    recipe: Recipe, location: str, shell: Shell, web: Web, key: SigningKey
) -> None:
    """On a host that reaches upstream these recipes run, and a note that matches nothing would fail the build there."""
    given = arguments(web, key, "fingerprint" if recipe.name.startswith("qemu") else "keyid")
    if location:
        given["repository"] = f"{web.url}{location}"
    else:
        given["mirror"] = web.url
    recipe(shell, **given)
    host = Host("here", "system", "kernel", "x86_64", 1, 1)
    record = Record(recipe.name, "k", Status.PASSED, host, "2026-01-01T00:00:00+00:00", steps=shell.steps())
    asked = [request for request in Project(ROOT).catalog.requests if request.name == recipe.name]
    assert {request.block.guide.relative_to(ROOT).parts[1] for request in asked} == {"en", "zh"}
    for request in asked:
        language = Language.of(request.block.guide.relative_to(ROOT).parts[1])
        shown = transcript(record, request.options, language, freshness=Freshness.RAN)
        assert shown.count("tr-mark") >= len(request.options.notes)
