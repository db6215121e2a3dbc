"""Errors of the file system during a build: a message that names the file and the way out, and no traceback."""

from __future__ import annotations

import os
import sys

import pytest

from tests.support.editions import held


@pytest.fixture
def made(trial, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield trial().recipes("")
    os.environ.pop("MKDOCS_CONFIG_DIR", None)


def test_a_folder_name_that_is_too_long_is_an_error(made):
    done = made.kvmdocs("build", "--output", str(made.root / ("x" * 300) / "site"))
    assert done.exit_code == 3
    assert "cannot be written: File name too long; it is as it was" in done.output
    assert "let --output name another folder" in done.output


@pytest.mark.parametrize("name", ["out", "out/deeper/site"])
def test_a_file_in_the_way_is_named(made, name):
    (made.root / "out").touch()
    done = made.kvmdocs("build", "--output", str(made.root / name))
    assert done.exit_code in {2, 3}
    assert str(made.root / "out") in done.output
    assert "is a file" in done.output or f"move the file {made.root / 'out'}" in done.output


def test_a_file_where_a_language_goes_is_not_replaced(made):
    config = (made.root / "mkdocs.yml").read_text()
    (made.root / "mkdocs.yml").write_text(config + "site_dir: site/en\n")
    (made.root / "out").mkdir()
    (made.root / "out/site").write_text("mine")
    (made.root / "out/en").write_text("mine")
    done = made.kvmdocs("build", "--output", str(made.root / "out"))
    assert done.exit_code == 2
    assert f"{made.root / 'out/en'} is a file" in done.output
    assert "--output" in done.output
    assert (made.root / "out/en").read_text() == "mine"


def test_a_picture_that_cannot_be_read_is_named(made):
    assert made.kvmdocs("build").exit_code == 0
    before = held(made.root / "site")
    (made.root / "docs/picture.png").symlink_to("nowhere.png")
    done = made.kvmdocs("build")
    assert done.exit_code == 3
    assert f"{made.root / 'docs/picture.png'}: No such file or directory; the site is as it was" in done.output
    assert held(made.root / "site") == before


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(28, "No space left on device"), "free disk space"),
        (PermissionError(13, "Permission denied", "{site}/x"), "get the right to write there"),
    ],
)
def test_the_advice_fits_the_error(made, monkeypatch, error, advice):
    def refused(*_):
        filename = error.filename and error.filename.format(site=made.root / "site")
        raise type(error)(error.errno, error.strerror, *([filename] if filename else []))

    monkeypatch.setattr("kvmdocs.site.staging._prepare", refused)
    done = made.kvmdocs("build")
    assert done.exit_code == 3
    assert f"cannot be written: {error.strerror}; it is as it was" in done.output
    assert advice in done.output


def test_an_error_without_a_file_is_a_bug_and_keeps_its_traceback(made, monkeypatch):
    def refused(*_):
        raise OSError(107, "Transport endpoint is not connected")

    monkeypatch.setattr("kvmdocs.site.staging._prepare", refused)
    with pytest.raises(OSError, match="endpoint"):
        made.kvmdocs("build")
