"""Publishing a site as one version beside others, as commits on a branch that a host of static pages serves.

mike keeps the versions: it commits a folder and the list of versions, and never touches the working tree. One build gives all languages; each
has its versions in its own folder (see `kvmdocs.site.versions`), and what stands above all languages lies at the branch's top.

That takes several commits. They are made in a repository of their own, which borrows the project's objects, and the project's branch moves to the last of
them in one step: whatever ends this before leaves the branch where it was.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from mike import commands, git_utils

from kvmdocs.core.errors import Evidence, HostLacks, KvmdocsError, Place, RecipeFailed
from kvmdocs.core.settings import override_setting
from kvmdocs.execution.project import Project
from kvmdocs.site.build import SiteBuild
from kvmdocs.site.staging import scratch, sweep
from kvmdocs.site.status.built import failures
from kvmdocs.site.versions import LATEST, check

BRANCH = "pages"
SCRATCH = "publish"
"""The name of the folder in which a site is built and its commits are made."""


def publish(root: Path | None, version: str, *, newest: bool = True, branch: str = BRANCH) -> list[str]:
    """Build the site as `version` and commit it to `branch`; what the branch has under that version before is replaced.

    Args:
        root: The project's folder.
        version: The version's name, such as ``10.2``.
        newest: Whether ``latest`` shall lead to it.
        branch: The branch. It is made if it is not there, and is not pushed.

    Returns:
        The languages published.

    Raises:
        SettingError: The version cannot be a folder's name.
        HostLacks: git cannot commit.
        RecipeFailed: A recipe failed, or the site shows that one did.
        KvmdocsError: The site cannot be built (`kvmdocs.site.build.SiteBuild.build`).
    """
    check(version)
    project = Project(root)
    _check_git(project.root, branch)
    temporary = Path(tempfile.gettempdir())
    sweep(temporary, SCRATCH)
    with scratch(temporary, SCRATCH) as folder, override_setting("site.version", version):
        built = folder / "site"
        SiteBuild(project.root, install=False, require=False, output=built).build()
        check_complete(built)
        languages = sorted(path.name for path in built.iterdir() if (path / "index.html").is_file())
        # mike asks the git of the working directory.
        with contextlib.chdir(project.root):
            try:
                with _drafted(folder / "draft.git", branch):
                    for language in languages:
                        _commit(built / language, language, version, newest=newest, branch=branch)
                    _commit_above(built, version, branch)
            except (git_utils.GitError, ValueError, OSError) as error:
                raise _wrong(error, branch) from error
    return languages


def check_complete(site: Path) -> None:
    """See that a built site may be published: none that shows failures may, whoever built it and wherever it was copied to.

    Args:
        site: The site's folder.

    Raises:
        RecipeFailed: It shows failures.
        GuideError: What it says of itself cannot be read.
    """
    if shown := failures(site):
        places = [site / place for found in shown.values() for place in found]
        raise RecipeFailed(
            f"{site} cannot be published: it was built with --keep-going and shows that recipes failed: {', '.join(shown)}",
            Evidence(
                place=Place(str(places[0])) if places else None, advice="mend them and build the site without --keep-going"
            ),
        )


@contextlib.contextmanager
def _drafted(folder: Path, branch: str) -> Iterator[None]:
    """Have what is committed to a branch meanwhile become the branch at the end, in one step.

    Args:
        folder: Where the repository with the draft is made.
        branch: The branch.

    Raises:
        GitError: git cannot do it, or the branch was moved by somebody else meanwhile; it is as it was.
    """
    ref = f"refs/heads/{branch}"
    old = git_utils.get_latest_commit(ref) if git_utils.has_branch(ref) else ""
    objects, config = (os.path.abspath(_git("rev-parse", "--git-path", name)) for name in ("objects", "config"))
    _git("init", "--quiet", "--bare", f"--object-format={_git('rev-parse', '--show-object-format')}", str(folder))
    # Such as the server that a partial clone gets its objects from when they are wanted.
    _git("config", "--file", str(folder / "config"), "include.path", config)
    draft = {"GIT_DIR": str(folder), "GIT_OBJECT_DIRECTORY": objects}
    for name in ("NAME", "EMAIL"):
        variable = f"GIT_COMMITTER_{name}"
        draft[variable] = os.environ.get(variable) or git_utils.get_config(f"user.{name.lower()}")
    before = dict(os.environ)
    os.environ.update(draft)
    try:
        if old:
            _git("update-ref", ref, old)
        yield
        new = _git("rev-parse", ref)
    finally:
        os.environ.clear()
        os.environ.update(before)
    _git("update-ref", "-m", "kvmdocs publish", ref, new, old or "0" * len(new))


def _git(*arguments: str) -> str:
    """What git prints.

    Raises:
        GitError: It fails.
    """
    done = subprocess.run(["git", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise git_utils.GitError(f"git {arguments[0]} failed", done.stderr)
    return done.stdout.strip()


def _check_git(root: Path, branch: str) -> None:
    """Find out before a long build whether git can commit afterwards.

    Raises:
        HostLacks: It cannot.
    """
    with contextlib.chdir(root):
        try:
            git_utils.get_latest_commit("HEAD")
            for name in ("name", "email"):
                if not os.environ.get(f"GIT_COMMITTER_{name.upper()}"):
                    git_utils.get_config(f"user.{name}")
        except (git_utils.GitError, OSError) as error:
            raise _wrong(error, branch) from error


def _commit(folder: Path, language: str, version: str, *, newest: bool, branch: str) -> None:
    """One language of a version."""
    config = {"site_dir": str(folder), "use_directory_urls": False}
    message = f"{version} in {language}"
    aliases = [LATEST] if newest else []
    with commands.deploy(
        config,
        version,
        aliases=aliases,
        update_aliases=True,
        branch=branch,
        message=message,
        allow_empty=True,
        deploy_prefix=language,
    ):
        pass  # it is built already
    listed = commands.list_versions(branch, language)
    if listed.find(LATEST):
        default = LATEST
    else:
        default = version
        click.echo(f"{language}: no version is {LATEST} yet; the way in leads to {version}", err=True)
    commands.set_default(default, branch=branch, message=f"The way in to {language}", allow_empty=True, deploy_prefix=language)


def _commit_above(built: Path, version: str, branch: str) -> None:
    """What stands above all languages."""
    with git_utils.Commit(branch, f"What stands above all languages, as of {version}", allow_empty=True) as commit:
        for path in sorted(built.iterdir()):
            if path.is_file():
                commit.add_file(git_utils.FileInfo(path.name, path.read_bytes()))


def _wrong(error: Exception, branch: str) -> KvmdocsError:
    advice = (
        "be in a git repository with a commit, and tell git who you are: git config user.name, user.email; "
        "where the branch was moved meanwhile, publish again"
    )
    return HostLacks(f"the branch {branch!r} cannot be written, it is as it was: {error}", Evidence(advice=advice))
