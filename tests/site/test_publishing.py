"""Versions of a site side by side on a branch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

from kvmdocs.core.errors import SettingError
from kvmdocs.site import publishing
from kvmdocs.site.versions import check, unversioned
from tests.support import ROOT
from tests.support.browser import Browser, missing
from tests.support.servers import web_server

pytestmark = pytest.mark.process

CONFIG = """\
INHERIT: {engine}/{name}
docs_dir: docs/{language}
site_dir: site/{language}
site_url: {url}/{language}/
theme:
  custom_dir: {engine}/overrides
markdown_extensions:
  kvmdocs.render.glossary:
    page: ""
nav:
  - index.md
  - a/page.md
"""


def git(root, *arguments):
    return subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True).stdout


@pytest.fixture
def project(trial):
    """Project in two languages, in its own repository, with this project's theme."""
    made = trial()
    (made.root / "kvmdocs.toml").write_text(
        f'[project]\nrecipes = "{made.package}"\ndocs = ["docs/en", "docs/zh"]\nconfigs = ["en.yml", "zh.yml"]\n'
        f'root_pages = "{ROOT}/overrides/root"\n[store]\npath = "store"\n',
        "utf-8",
    )
    made.recipes('@recipe()\ndef hello(sh: Shell) -> None:\n    "Say hello."\n    sh.echo("hello")\n')
    for path in ("mkdocs.yml", "docs/index.md"):
        (made.root / path).unlink()
    git(made.root, "init", "-q", "-b", "main")
    git(made.root, "config", "user.name", "a")
    git(made.root, "config", "user.email", "a@example.org")
    git(made.root, "add", "kvmdocs.toml")
    git(made.root, "commit", "-q", "-m", "a")
    return made


def write(project, text, url="https://example.org/book"):
    for language, name in (("en", "mkdocs.yml"), ("zh", "mkdocs.zh.yml")):
        config = CONFIG.format(engine=ROOT, name=name, language=language, url=url)
        (project.root / f"{language}.yml").write_text(config, "utf-8")
        block = f'```python exec="on"\nfrom {project.module} import hello\nhello.show()\n```\n'
        project.guide(f"{language}/index.md", "# Home\n\nSome text.\n")
        project.guide(f"{language}/a/page.md", f"# Page\n\nIt says {text}.\n\n{textwrap.dedent(block)}")


def published(project, folder):
    """Extract the content of the branch."""
    folder.mkdir()
    packed = git(project.root, "archive", "pages")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    return folder


@pytest.mark.parametrize("version", ["", "..", "latest", "a/b", "1 2"])
def test_a_version_that_cannot_be_a_folder_is_refused(version):
    with pytest.raises(SettingError, match="cannot be published"):
        check(version)


def test_an_address_without_its_version():
    assert unversioned("https://a.org/en/7.2/", "7.2") == "https://a.org/en/"
    assert unversioned("https://a.org/en/", "7.2") == "https://a.org/en/"


def test_outside_git_it_is_said_what_to_do(project, tmp_path, monkeypatch):
    write(project, "old")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.root.parent))
    (project.root / ".git").rename(tmp_path / "elsewhere")
    told = project.kvmdocs("publish", "7.2")
    assert told.exit_code == 3
    assert "the branch 'pages' cannot be written" in told.output
    assert "git config user.name" in told.output


def change_the_version(url):
    """Select another version in the browser, and stay on the same page."""
    with Browser() as browser:
        browser.go(f"{url}/zh/10.2/a/page.html")
        browser.until("return document.querySelectorAll('.md-version__link').length == 2")
        assert browser.run("return document.querySelector('[data-md-component=outdated]').hidden")
        browser.run("[...document.querySelectorAll('.md-version__link')].find(a => a.textContent.trim() == '7.2').click()")
        browser.until(f"return location.href === '{url}/zh/7.2/a/page.html'")
        browser.until("return document.querySelector('[data-md-component=outdated]')?.hidden === false")
        newest = browser.run("return document.querySelector('[data-md-component=outdated] a').href")
        assert newest == f"{url}/zh/latest/index.html"
        assert browser.messages() == []


@pytest.mark.slow
def test_two_versions_stand_side_by_side(project, tmp_path):
    before = git(project.root, "status", "--porcelain")
    with web_server(tmp_path / "out") as web:
        write(project, "old", web.url)
        first = project.kvmdocs("publish", "7.2")
        assert first.exit_code == 0, first.output
        write(project, "new", web.url)
        again = project.kvmdocs("publish", "10.2")
        assert again.exit_code == 0, again.output
        assert "committed zh/10.2 to the branch pages" in again.output
        assert git(project.root, "status", "--porcelain", "--untracked-files=no") == b""
        assert b"site/" not in before

        out = published(project, tmp_path / "out")
        for language in ("en", "zh"):
            listed = json.loads((out / language / "versions.json").read_text())
            assert [(entry["version"], entry["aliases"]) for entry in listed] == [("10.2", ["latest"]), ("7.2", [])]
            assert "It says old." in (out / language / "7.2/a/page.html").read_text("utf-8")
            assert "It says new." in (out / language / "latest/a/page.html").read_text("utf-8")
            assert "latest/" in (out / language / "index.html").read_text("utf-8")
        # The link to the other language leads to the same page of the same version, which exists.
        page = (out / "en/7.2/a/page.html").read_text("utf-8")
        assert 'href="../../../zh/7.2/a/page.html" hreflang="zh"' in page
        assert f'<link rel="canonical" href="{web.url}/en/7.2/a/page.html">' in page
        assert 'href="zh/index.html"' in (out / "index.html").read_text("utf-8")
        assert 'href="/en/index.html"' in (out / "404.html").read_text("utf-8")

        if not missing():
            change_the_version(web.url)

        # Publish an older version again: the newest stays the newest.
        write(project, "mended", web.url)
        assert project.kvmdocs("publish", "7.2", "--old", *([] if missing() else ["--pdf"])).exit_code == 0
        out = published(project, tmp_path / "third")
        mended = (out / "en/7.2/a/page.html").read_text("utf-8")
        assert "It says mended." in mended
        for language in ("en", "zh") if not missing() else ():
            assert (out / language / "7.2/handbook.pdf").read_bytes().startswith(b"%PDF")
            assert not (out / language / "10.2/handbook.pdf").exists()
            assert "../handbook.pdf" in mended
        assert "It says new." in (out / "en/latest/a/page.html").read_text("utf-8")


def refs(project):
    """Return every branch and tag of the project, with their reflogs."""
    logs = project.root / ".git/logs/refs/heads"
    return git(project.root, "for-each-ref"), sorted(path.read_bytes() for path in logs.glob("*"))


def kill_publishing(project, tmp_path):
    """Kill a publication after it has committed the languages, and return the folders that it leaves."""
    script = "import os, signal\nfrom kvmdocs.site import publishing\n"
    script += "publishing._commit_above = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    script += "publishing.publish(None, '10.2')\n"
    environ = project.environment(TMPDIR=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], cwd=project.root, env=environ, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    return [path.name for path in tmp_path.iterdir() if "publish" in path.name]


@pytest.mark.slow
def test_a_publish_that_fails_or_is_killed_leaves_the_branch_as_it_was(project, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    write(project, "old")
    nothing = refs(project)
    assert kill_publishing(project, tmp_path / "tmp")
    assert refs(project) == nothing
    first = project.kvmdocs("publish", "7.2")
    assert first.exit_code == 0, first.output
    assert list((tmp_path / "tmp").iterdir()) == [], "what the killed one left is still there"
    before = refs(project)
    assert before != nothing

    write(project, "new")
    assert kill_publishing(project, tmp_path / "tmp")
    assert refs(project) == before

    def refused(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(publishing, "_commit_above", refused)
        told = project.kvmdocs("publish", "10.2")
    assert told.exit_code == 3
    assert "it is as it was: [Errno 28]" in told.output
    assert refs(project) == before

    # Another process commits to the branch meanwhile: its commit is not lost.
    real = publishing._commit_above

    def overtaken(*arguments):
        real(*arguments)
        environ = {name: value for name, value in os.environ.items() if name not in {"GIT_DIR", "GIT_OBJECT_DIRECTORY"}}
        subprocess.run(["git", "-C", str(project.root), "update-ref", "refs/heads/pages", "main"], env=environ, check=True)

    with monkeypatch.context() as patched:
        patched.setattr(publishing, "_commit_above", overtaken)
        told = project.kvmdocs("publish", "10.2")
    assert told.exit_code == 3
    assert "publish again" in told.output
    assert git(project.root, "rev-parse", "pages") == git(project.root, "rev-parse", "main")
    assert list((tmp_path / "tmp").iterdir()) == []
    assert "GIT_DIR" not in os.environ
    assert project.kvmdocs("publish", "10.2").exit_code == 0
    assert b"10.2" in git(project.root, "show", "pages:en/versions.json")
