"""Publication of a site as one version beside others: commits on a branch that a host of static pages serves.

mike manages the versions: it commits a folder and the list of versions, and never touches the working tree. One build
creates all languages; each has its versions in its own folder (`kvmdocs.site.versions`), and the pages above all languages
are at the top of the branch.

This takes several commits. They are made in a separate repository that shares the project's objects. At the end, the
project's branch moves to the last commit in one step, so that an interrupted publication leaves the branch unchanged.
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
"""Name of the temporary folder in which the site is built and its commits are made."""


def publish(root: Path | None, version: str, *, newest: bool = True, branch: str = BRANCH) -> list[str]:
    """Build the site as `version` and commit it to `branch`, in place of the same version there.

    Args:
        root: The project's folder.
        version: The version's name, such as ``10.2``.
        newest: Whether ``latest`` leads to it.
        branch: The branch. It is created if it does not exist, and is not pushed.

    Returns:
        The published languages.

    Raises:
        SettingError: The version cannot be the name of a folder.
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
        # mike uses the repository of the working directory.
        with contextlib.chdir(project.root):
            try:
                with _drafted(folder / "draft.git", branch):
                    for language in languages:
                        _commit(built / language, language, version, newest=newest, branch=branch)
                    _commit_above(built, version, branch)
            except (git_utils.GitError, ValueError, OSError) as error:
                raise _branch_error(error, branch) from error
    return languages


def check_complete(site: Path) -> None:
    """Check that a built site shows no failures, which must not be published.

    Args:
        site: The site's folder, which may be a copy.

    Raises:
        RecipeFailed: The site shows failures.
        GuideError: The site's report cannot be read.
    """
    if shown := failures(site):
        places = [site / page for pages in shown.values() for page in pages]
        raise RecipeFailed(
            f"{site} cannot be published: it was built with --keep-going and shows that recipes failed: {', '.join(shown)}",
            Evidence(
                place=Place(str(places[0])) if places else None, advice="correct them and build the site without --keep-going"
            ),
        )


@contextlib.contextmanager
def _drafted(folder: Path, branch: str) -> Iterator[None]:
    """Collect commits to a branch in a draft repository, and move the branch to the last one at the end, in one step.

    Args:
        folder: The folder of the draft repository.
        branch: The branch.

    Raises:
        GitError: git failed, or another process moved the branch meanwhile; the branch is unchanged.
    """
    ref = f"refs/heads/{branch}"
    old = git_utils.get_latest_commit(ref) if git_utils.has_branch(ref) else ""
    objects, config = (os.path.abspath(_git("rev-parse", "--git-path", name)) for name in ("objects", "config"))
    _git("init", "--quiet", "--bare", f"--object-format={_git('rev-parse', '--show-object-format')}", str(folder))
    # It names, for example, the server from which a partial clone fetches missing objects.
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
    """Run git and return its output.

    Raises:
        GitError: git failed.
    """
    done = subprocess.run(["git", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise git_utils.GitError(f"git {arguments[0]} failed", done.stderr)
    return done.stdout.strip()


def _check_git(root: Path, branch: str) -> None:
    """Check, before a long build, that git can commit afterwards.

    Raises:
        HostLacks: git cannot commit.
    """
    with contextlib.chdir(root):
        try:
            git_utils.get_latest_commit("HEAD")
            for name in ("name", "email"):
                if not os.environ.get(f"GIT_COMMITTER_{name.upper()}"):
                    git_utils.get_config(f"user.{name}")
        except (git_utils.GitError, OSError) as error:
            raise _branch_error(error, branch) from error


def _commit(folder: Path, language: str, version: str, *, newest: bool, branch: str) -> None:
    """Commit one language of a version."""
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
        pass  # the site is built already
    default = LATEST
    if not commands.list_versions(branch, language).find(LATEST):
        default = version
        click.echo(f"{language}: there is no {LATEST} version yet; the start page leads to {version}", err=True)
    commands.set_default(default, branch=branch, message=f"Start page of {language}", allow_empty=True, deploy_prefix=language)


def _commit_above(built: Path, version: str, branch: str) -> None:
    """Commit the pages above all languages."""
    with git_utils.Commit(branch, f"Pages above all languages, as of {version}", allow_empty=True) as commit:
        for path in sorted(built.iterdir()):
            if path.is_file():
                commit.add_file(git_utils.FileInfo(path.name, path.read_bytes()))


def _branch_error(error: Exception, branch: str) -> KvmdocsError:
    advice = (
        "the project must be a git repository with a commit, and git must know your name: git config user.name, user.email; "
        "if another process moved the branch meanwhile, publish again"
    )
    return HostLacks(f"the branch {branch!r} cannot be written, it is as it was: {error}", Evidence(advice=advice))
