"""Links from a page to its authors."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from kvmdocs.core.errors import SettingError
from kvmdocs.core.settings import Settings
from kvmdocs.render import Language
from kvmdocs.site.edit_links import EditLinks, commit

pytestmark = pytest.mark.process

REPORT = "https://example.org/o/r/issues/new?title={title}&body={body}"


def load(root: Path, text: str, **environ: str) -> EditLinks:
    (root / "kvmdocs.toml").write_text(text)
    return EditLinks.load(Settings.load(root, environ))


def git(root, *arguments):
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("a")
    git(tmp_path, "add", "a")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "a")
    return tmp_path


def test_nothing_set_is_no_link(repository):
    feedback = load(repository, "")
    assert feedback.edit_url("docs/en/a.md") is None
    assert feedback.report_url("docs/en/a.md", "A", [], Language.EN) is None
    assert feedback.commit == ""  # nobody asked git


def test_a_report_arrives_as_it_was_written(tmp_path):
    feedback = load(tmp_path, f'[site]\nreport = "{REPORT}"\ncommit = "0123abcd"\n')
    url = feedback.report_url("docs/zh/a b.md", "退出 & 返回 #1?", [], Language.ZH)
    told = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert told["title"] == ["退出 & 返回 #1? (docs/zh/a b.md)"]
    assert told["body"] == ["页面: docs/zh/a b.md\n提交: 0123abcd\n\n哪里不对:\n\n"]
    assert set(told) == {"title", "body"}
    assert not urlsplit(url).fragment


def test_a_report_may_be_a_mail_an_edit_may_not(tmp_path):
    feedback = load(tmp_path, '[site]\nreport = "mailto:a@example.org?subject={title}&body={body}"\n')
    assert feedback.report_url("a.md", "A", [], Language.EN).startswith(
        "mailto:a@example.org?subject=A%20%28a.md%29&body=Page%3A"
    )
    with pytest.raises(SettingError, match=r"'site\.edit' is no address"):
        load(tmp_path, '[site]\nedit = "mailto:a@example.org"\n')


def test_the_path_keeps_its_slashes(tmp_path):
    feedback = load(tmp_path, '[site]\nedit = "https://example.org/edit/main/{path}"\n')
    assert feedback.edit_url("docs/en/a b#.md") == "https://example.org/edit/main/docs/en/a%20b%23.md"


@pytest.mark.parametrize("name", ["edit", "report"])
@pytest.mark.parametrize("template", ["https://a.org/{line}", "https://a.org/{path", "javascript:alert({path})"])
def test_what_cannot_be_filled_in_is_an_error_that_names_the_setting(tmp_path, name, template):
    with pytest.raises(SettingError, match=rf"'site\.{name}'"):
        load(tmp_path, f'[site]\n{name} = "{template}"\n')


def test_the_commit_says_when_files_differ(repository):
    clean = commit(repository)
    assert len(clean) == 12
    (repository / "a").write_text("b")
    assert commit(repository) == f"{clean}-dirty"


def test_outside_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit(tmp_path) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit(tmp_path) == ""
