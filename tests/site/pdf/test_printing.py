"""PDF of a small site, printed with the Chromium of this host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from mkdocs.commands.build import build
from mkdocs.config import load_config
from pypdf import PdfReader, PdfWriter

from kvmdocs.cli.main import main
from kvmdocs.core.errors import EngineError, GuideError, HostLacks, SettingError
from kvmdocs.core.settings import override_setting
from kvmdocs.site import pdf
from kvmdocs.site.pdf.chromium import PROGRAMS
from kvmdocs.site.pdf.join import Book, Bookmark, PrintedPage, uris

pytestmark = pytest.mark.process

CONFIG = """
site_name: Small & whole
site_url: https://handbook.example.org/en/
use_directory_urls: false
theme: {name: material, font: false}
markdown_extensions: [md_in_html, pymdownx.details]
nav:
  - First: index.md
  - Chapter:
      - Second: deep/second.md
"""

FIRST = """# First

[There](deep/second.md#the-place), [the top](deep/second.md), [here](#below), [a file](raw.txt), [outside](https://www.qemu.org/).

## Below

??? note "Folded"
    What was folded.
"""

SECOND = (
    "# Second\n\n" + "A line.\n\n" * 120 + "## The place\n\n[Back](../index.md#below), [my machine](http://127.0.0.1:8000/x).\n"
)


def chromium() -> str:
    try:
        return pdf.program()
    except HostLacks as error:
        pytest.skip(error.message)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    (folder / "docs/deep").mkdir(parents=True)
    (folder / "mkdocs.yml").write_text(CONFIG, "utf-8")
    (folder / "docs/index.md").write_text(FIRST, "utf-8")
    (folder / "docs/deep/second.md").write_text(SECOND, "utf-8")
    (folder / "docs/raw.txt").write_text("raw\n", "utf-8")
    build(load_config(str(folder / "mkdocs.yml")))
    return folder


@pytest.fixture(scope="module")
def printed(project: Path) -> Iterator[PdfReader]:
    chromium()
    (made,) = pdf.print_site(project, ["mkdocs.yml"], project, "small.pdf")
    assert made.path == project / "site/small.pdf"
    assert made.size == made.path.stat().st_size
    reader = PdfReader(made.path)
    assert len(reader.pages) == made.pages
    yield reader
    assert not [path for path in (project / "site").iterdir() if path.name.startswith(".")]


def texts(reader: PdfReader) -> list[str]:
    return [page.extract_text() for page in reader.pages]


def second(reader: PdfReader) -> int:
    """Return the number of the sheet on which the second page begins."""
    return next(number for number, text in enumerate(texts(reader)) if "A line." in text)


def links(reader: PdfReader, number: int) -> list[int | str]:
    """Return the target of each link of a sheet: the number of a sheet, or an address."""
    found: list[int | str] = []
    for item in reader.pages[number].get("/Annots", []):
        link = item.get_object()
        sheets = [page.indirect_reference for page in reader.pages]
        found.append(sheets.index(link.raw_get("/Dest")[0]) if "/Dest" in link else str(link["/A"]["/URI"]))
    return found


def test_cover_contents_and_pages_follow_each_other_with_numbers(printed: PdfReader) -> None:
    cover, contents, *sheets = texts(printed)
    assert "Small & whole" in cover
    assert [line.replace(" ", "") for line in contents.splitlines() if line[-1:].isdigit()] == [
        "First1",
        f"Second{second(printed) - 1}",
    ]
    assert "What was folded." in "".join(sheets[: second(printed) - 2])
    assert len(sheets) > 3
    for number, sheet in enumerate(sheets, start=1):
        assert str(number) in sheet.replace("First", " ").replace("Second", " ").split()
    assert printed.page_labels[:4] == ["i", "ii", "1", "2"]


def test_links_between_pages_are_links_in_the_book(printed: PdfReader) -> None:
    last = len(printed.pages) - 1
    assert links(printed, 2) == [last, second(printed), 2, "https://handbook.example.org/en/raw.txt", "https://www.qemu.org/"]
    assert links(printed, last) == [2]  # and none to the machine that printed it
    assert links(printed, 1) == [2, second(printed)]


def test_links_out_of_a_published_version_lead_to_that_version(trial) -> None:
    chromium()
    made = trial()
    config = made.root / "mkdocs.yml"
    config.write_text(f"{config.read_text('utf-8')}site_url: https://handbook.example.org/en/\n", "utf-8")
    made.guide("index.md", "# Home\n\n[A file](raw.txt).\n")
    (made.root / "docs/raw.txt").write_text("raw\n", "utf-8")
    with override_setting("site.version", "10.2"):
        done = made.kvmdocs("build", "--pdf")
    assert done.exit_code == 0, done.output
    links = [uri for uri in uris((made.root / "site/handbook.pdf").read_bytes()) if "handbook.example.org" in uri]
    assert set(links) == {"https://handbook.example.org/en/10.2/raw.txt", "https://handbook.example.org/en/10.2/"}


def test_bookmarks_are_the_navigation_and_the_headings(printed: PdfReader) -> None:
    first, (below,), chapter, (page, (place,)) = printed.outline
    assert [item.title for item in (first, below, chapter, page, place)] == ["First", "Below", "Chapter", "Second", "The place"]
    assert [printed.get_destination_page_number(item) for item in (first, chapter, page)] == [
        2,
        second(printed),
        second(printed),
    ]
    assert printed.get_destination_page_number(place) == len(printed.pages) - 1


def test_without_chromium_its_package_is_named(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostLacks, match="chromium"):
        pdf.print_site(project, ["mkdocs.yml"], project, "small.pdf")
    before = os.environ.get("KVMDOCS_SITE_PDF")
    answer = CliRunner().invoke(main, ["-C", str(project), "build", "--pdf"])
    assert (answer.exit_code, os.environ.get("KVMDOCS_SITE_PDF")) == (3, before)
    assert "apt-get install chromium" in answer.output


def test_a_chromium_that_exits_at_once_is_an_error(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / PROGRAMS[0]
    fake.write_text("#!/bin/sh\nexit 1\n", "utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(EngineError, match="exited"):
        pdf.print_site(project, ["mkdocs.yml"], project, "small.pdf")


def test_a_page_that_is_not_built_is_named(project: Path, tmp_path: Path) -> None:
    chromium()
    with pytest.raises(GuideError, match=r"index\.html is missing"):
        pdf.print_site(project, ["mkdocs.yml"], tmp_path, "small.pdf")


@pytest.mark.parametrize("name", ["../handbook.pdf", "handbook"])
def test_a_name_that_is_none_is_refused(project: Path, name: str) -> None:
    with pytest.raises(SettingError, match=r"site\.pdf"):
        pdf.print_site(project, ["mkdocs.yml"], project, name)


def blank() -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_bookmark_to_what_is_not_in_the_book_is_left_out() -> None:
    data = Book("file:///site/", "").join(
        [PrintedPage("", blank()), PrintedPage("file:///site/a.html", blank())],
        [Bookmark("A", 0, "file:///site/a.html"), Bookmark("B", 0, "file:///site/b.html")],
        {},
    )
    assert [item.title for item in PdfReader(BytesIO(data)).outline] == ["A"]
    assert list(uris(data)) == []
