"""Parts of the status page and the line under a title, as the HTML that a reader gets."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest

from kvmdocs.core.model import Host
from kvmdocs.render import Language
from kvmdocs.render.icons import SHAPES
from kvmdocs.site.status import page, rows
from kvmdocs.site.status.comparing import ApprovedRecord, Drifted
from kvmdocs.site.status.data import Need, PageRow, RecipeRow, Report, ShownOn, State, Want, count
from kvmdocs.site.status.page import StatusView
from kvmdocs.site.status.words import status_words
from kvmdocs.store.drift import DriftCause as DriftKind
from tests.support.html_dom import Element, parse

HOST = Host("maker", "Debian GNU/Linux 12 (bookworm)", "6.1.0", "x86_64", 2, 1 << 30)
EVIL = "</code></td><script>alert(1)</script> `*x*`\n{{ a }} \x1b[31m"
PAGE = ShownOn("docs/a.md", "Get it", "get/a.html", "get/a.html#recipe-source")
DIFF = ("--- approved/build", "+++ fresh/build", "@@ -1 +1 @@", "-old <b>", "+new <b>", " same")

APPROVED = ApprovedRecord("2026-11-01T00:00:00+00:00", "other")

ROWS = (
    RecipeRow(
        "source", EVIL, "recipes/all.py:3", State.CURRENT, made="2026-11-24T10:00:00+00:00", age_days=2, seconds=75.0,
        host=HOST, tools={"tar": EVIL}, settings={"a.b": 7}, pages=(PAGE,), key="f" * 64, approved=APPROVED, compared=True,
    ),
    RecipeRow(
        "build", "Build it.", "recipes/all.py:9", State.STALE, ("its own code changed",), made="2026-11-25T10:00:00+00:00",
        age_days=1, seconds=0.5, emulated=True, host=HOST, builds_on=("source",), key="e" * 64, approved=APPROVED,
        drift=Drifted(DriftKind.TOOL, ("gcc 12 → 14",), ("", "build"), DIFF, 5), compared=True,
    ),
    RecipeRow(
        "from_git", "Get it from git.", "recipes/all.py:20", State.SKIPPED, ("git.invalid cannot be reached",),
        wants=(Want(Need.CAPABILITY, "reach:linux.git"), Want(Need.CAPABILITY, "setting:linux.provider=auto|git")),
    ),
    RecipeRow(
        "attach", "Attach.", "recipes/all.py:30", State.SKIPPED,
        ("this host lacks gdb; install with: apt-get install gdb",),
        wants=(Want(Need.TOOL, "gdb"),), builds_on=("source",),
    ),
    RecipeRow(
        "after", "After it.", "recipes/all.py:40", State.SKIPPED, ("it builds on attach, which was skipped",),
        wants=(Want(Need.RECIPE, "attach"),), builds_on=("attach",), host=HOST, made="2026-11-26T10:00:00+00:00", age_days=0,
        approved=ApprovedRecord("2026-11-26T10:00:00+00:00", "maker"),
    ),
    RecipeRow(
        "last", "Last.", "recipes/all.py:50", State.SKIPPED, ("it builds on after, which was skipped",),
        wants=(Want(Need.RECIPE, "after"),), builds_on=("after",),
    ),
)  # fmt: skip
PAGES = (
    PageRow("docs/index.md", "Home", "", "index.html", State.CURRENT, {State.CURRENT: 1}, ("build",), "", ()),
    PageRow(
        "docs/a.md", "Get it", "Getting & building", "get/a.html", State.STALE, {State.CURRENT: 1, State.STALE: 1},
        ("source", "build"), "2026-11-25T10:00:00+00:00", ("maker",),
    ),
)  # fmt: skip


def view(
    language: Language = Language.EN,
    *,
    rows: tuple[RecipeRow, ...] = ROWS,
    pages: tuple[PageRow, ...] = PAGES,
    mode: str = "live",
) -> StatusView:
    found = Report(
        built="2026-11-26T12:00:00+00:00",
        mode=mode,
        language=language,
        host=HOST,
        counts=count(rows),
        recipes=rows,
        pages=pages,
    )
    return StatusView(found, language, lambda url: f"../{url}", published=True)


@pytest.fixture(params=list(Language))
def seen(request):
    return view(request.param)


def test_both_languages_have_a_word_for_everything(seen):
    words = status_words(seen.language)
    assert all(getattr(words, field.name) for field in fields(words))
    for table in (words.states, words.meanings, SHAPES):
        assert set(table) == set(State)
    assert set(words.drifts) == set(DriftKind)
    assert set(words.modes) == {"live", "fresh", "recorded", "serve"}
    one, other = (status_words(language) for language in Language)
    # Both have the same placeholders.
    for field in fields(words):
        texts = [getattr(found, field.name) for found in (one, other)]
        if field.name != "date" and isinstance(texts[0], str):
            assert len({tuple(sorted(re.findall(r"{\w+}", text))) for text in texts}) == 1, field.name


@pytest.mark.parametrize("part", [page.summary, rows.table, page.skips, page.drifts])
def test_every_part_is_one_line_of_whole_html_and_text_stays_text(seen, part):
    html = part(seen)
    script = re.search(r"<script>(.*)</script>", html, re.DOTALL)
    plain = html.replace(script[0], "") if script else html
    assert "\n" not in plain
    found = parse(plain)
    assert not found.all("script")
    assert "\x1b" not in html
    assert not re.search(r"{\w+}", re.sub(r' data-(only|found)="[^"]*"', "", plain)), "something was not filled in"


def test_the_summary_counts_and_says_when_and_where(seen):
    found = parse(page.summary(seen))
    assert [tile.one("b").text for tile in found.all("li")] == ["1", "4", "1"]
    assert "maker" in found.text
    assert [link.attributes["href"] for link in found.all("a")] == ["../report.json", "../schemas/report-1.json"]
    assert parse(page.summary(replace(seen, published=False))).all("a") == []


def table_rows(seen: StatusView) -> dict[str, Element]:
    found = parse(rows.table(seen).partition("<script>")[0])
    return {row.attributes["id"].removeprefix("status-"): row for row in found.all("tr") if "id" in row.attributes}


def test_the_table_has_every_recipe_once_by_chapter(seen):
    found = parse(rows.table(seen).partition("<script>")[0])
    chapters = [head.text for head in found.all("th") if head.attributes.get("scope") == "rowgroup"]
    # The home page is outside all chapters: a recipe that it shares with a chapter is listed there.
    assert chapters == ["Getting & building", seen.words.chapter_none]
    assert list(table_rows(seen)) == ["source", "build", "from_git", "attach", "after", "last"]
    assert {row.attributes["data-state"] for row in table_rows(seen).values()} == {"current", "stale", "skipped"}


def test_a_row_tells_state_day_time_host_and_pages(seen):
    row = table_rows(seen)["source"]
    cells = {cell.attributes["data-head"]: cell for cell in row.all("td")}
    words = seen.words
    assert words.states[State.CURRENT] in cells[words.state].text
    assert cells[words.ran].one("time").attributes["datetime"] == "2026-11-24T10:00:00+00:00"
    assert words.days.format(n=2) in cells[words.ran].text
    assert cells[words.host].text == "maker"
    assert words.same in cells[words.approved].text
    (link,) = row.one("span", "ks-pages").all("a")
    assert (link.text, link.attributes["href"]) == ("Get it", "../get/a.html#recipe-source")
    assert row.attributes["data-pages"] == "get/a.html"
    facts = row.one("dl").text
    for told in ("a.b", "7", "tar", "Debian", "recipes/all.py:3", "f" * 12, "build"):
        assert told in facts


def test_a_column_leads_to_the_recipes_that_a_recipe_builds_on(seen):
    found = parse(rows.table(seen).partition("<script>")[0])
    heads = {head.attributes["data-sort"]: head.text for head in found.one("thead").all("th")}
    assert heads["builds"] == seen.words.builds_on
    cells = {
        name: next(cell for cell in row.all("td") if cell.attributes["data-head"] == seen.words.builds_on)
        for name, row in table_rows(seen).items()
    }
    links = {name: [(link.text, link.attributes["href"]) for link in cell.all("a")] for name, cell in cells.items()}
    assert links["after"] == [("attach", "#status-attach")]
    assert links["attach"] == [("source", "#status-source")]
    assert (links["source"], cells["source"].text) == ([], "–")
    assert table_rows(seen)["after"].attributes["data-builds"] == "attach"
    two = replace(ROWS[-1], builds_on=("from_git", "source"))
    (cell,) = (cell for cell in table_rows(view(seen.language, rows=(*ROWS[:-1], two)))["last"].all("td") if cell.all("a"))
    assert [link.text for link in cell.all("a")] == ["from_git", "source"]
    assert all(len(row.all("td")) == len(heads) - 1 for row in table_rows(seen).values())
    chapter = next(head for head in found.all("th") if head.attributes.get("scope") == "rowgroup")
    assert chapter.attributes["colspan"] == str(len(heads))


def test_a_row_says_what_is_emulated_what_drifted_and_what_is_not_compared(seen):
    found, words = table_rows(seen), seen.words
    assert words.emulated in found["build"].text
    (link,) = found["build"].all("a", "ks-drifted")
    assert link.attributes["href"] == "#drift-build"
    assert words.drifts[DriftKind.TOOL] in link.text
    assert words.not_compared in found["after"].text
    assert words.unapproved in found["last"].text


def test_what_was_skipped_is_told_with_its_cause_and_cure(seen):
    found = parse(page.skips(seen))
    names = [name.text for name in found.all("dt")]
    assert names == ["from_git", "attach"]
    git, attach = (cause.text for cause in found.all("dd"))
    assert "git.invalid" in git
    assert "KVMDOCS_LINUX_GIT" in git
    assert "KVMDOCS_LINUX_PROVIDER=auto | git" in git
    assert attach.count("apt-get install gdb") == 1
    # Recipes that were skipped because of it are listed there and have no entry of their own.
    assert [link.text for link in found.all("dd")[1].all("a")] == ["after", "last"]
    assert "after" not in git


def test_nothing_skipped_and_nothing_tried_are_not_the_same(seen):
    fine = view(seen.language, rows=ROWS[:1], pages=())
    assert seen.words.no_skips in page.skips(fine)
    recorded = view(seen.language, rows=ROWS[:1], pages=(), mode="recorded")
    assert seen.words.untried in page.skips(recorded)


def test_drift_is_shown_as_a_difference(seen):
    found = parse(page.drifts(seen))
    drift = found.one("details")
    assert drift.attributes["id"] == "drift-build"
    assert [line.text for line in drift.all("span", "ks-old")] == ["--- approved/build", "-old <b>"]
    assert [line.text for line in drift.all("span", "ks-new")] == ["+++ fresh/build", "+new <b>"]
    assert "gcc 12 → 14" in drift.text
    assert "kvmdocs diff build" in drift.text


def test_nothing_different_and_nothing_compared_are_not_the_same(seen):
    same = view(seen.language, rows=(ROWS[0], ROWS[-2]), pages=())
    assert seen.words.no_drift.format(n=1) in page.drifts(same)
    assert seen.words.same in table_rows(same)["source"].text
    none = view(seen.language, rows=ROWS[-2:], pages=())
    assert seen.words.uncompared in page.drifts(none)
    assert seen.words.not_compared in table_rows(none)["after"].text


def test_the_line_under_a_title_leads_to_the_pages_recipes(seen):
    found = parse(page.badge(PAGES[1], seen, "status.html?page=get/a.html"))
    line = found.one("p", "ks-badge")
    assert "ks-stale" in line.classes
    assert line.one("a").attributes["href"] == "status.html?page=get/a.html"
    told = [part.text for part in line.one("a").all("span")]
    assert len(told) == 4
    assert seen.words.states[State.STALE] in told[1]
    alone = page.badge(replace(PAGES[1], counts={State.CURRENT: 1}, recipes=("source",), newest="", hosts=()), seen, "")
    assert parse(alone).all("a") == []
    assert seen.words.one in parse(alone).text


def test_a_site_without_recipes_says_so(seen):
    empty = view(seen.language, rows=(), pages=())
    assert seen.words.no_recipes in page.summary(empty)
    assert rows.table(empty) == ""
