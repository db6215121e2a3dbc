"""The site's configuration and style sheets, checked without a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig

from kvmdocs.figures.canvas import LOOKS
from kvmdocs.site.root_pages import SiteLanguage, write
from tests.support import ROOT

CSS = ROOT / "overrides" / "assets" / "css"
PACKAGE = ROOT / "kvmdocs" / "site" / "assets"


@pytest.fixture(scope="module", params=["mkdocs.yml", "mkdocs.zh.yml"])
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MkDocsConfig:
    return load_config(str(ROOT / request.param), docs_dir=str(tmp_path_factory.mktemp("docs")), plugins=[])


def pages(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav
    assert isinstance(inner, type({}.values()) | list)
    return [page for one in inner for page in pages(one)]


def test_both_languages_have_the_same_pages_in_the_same_order() -> None:
    english, chinese = (load_config(str(ROOT / name), plugins=[]).nav for name in ("mkdocs.yml", "mkdocs.zh.yml"))
    assert pages(english) == pages(chinese)


def test_nothing_is_asked_of_another_site(config: MkDocsConfig) -> None:
    assert config.theme["font"] is False
    assert not [path for path in config.extra_css if "//" in str(path)]
    assert [str(path) for path in config.extra_javascript] == ["assets/js/reach.js"]
    for path in (*(ROOT / "overrides").rglob("*"), *PACKAGE.iterdir()):
        if path.suffix in {".css", ".html", ".js"}:
            asked = re.sub(r"<a\s[^>]*>", "", path.read_text("utf-8"))  # a link causes no request until somebody follows it
            assert not re.findall(r"(?:url\(|src=|href=)[\"']?(?:https?:)?//[^\"')\s]+", asked)


def test_a_broken_link_or_anchor_is_a_warning_and_so_ends_a_strict_build(config: MkDocsConfig) -> None:
    assert {config.validation.links.anchors, config.validation.links.not_found, config.validation.nav.not_found} == {30}


@pytest.mark.parametrize("path", ["css/site.css", "js/reach.js", "logo.svg"])
def test_assets_are_there_for_both_languages(config: MkDocsConfig, path: str) -> None:
    assert any((Path(folder) / "assets" / path).is_file() for folder in config.theme.dirs)


def test_what_stands_above_the_languages_leads_to_both(tmp_path: Path) -> None:
    given = {"description": "", "words": {"lost": "Not here", "lost_outside": "Elsewhere"}}
    sites = [SiteLanguage(code, code, code, url=f"https://a.org/book/{code}/", **given) for code in ("en", "zh")]
    written = {path.name: path.read_text("utf-8") for path in write(ROOT / "overrides" / "root", tmp_path, sites)}
    for code in ("en", "zh"):
        assert f'href="{code}/index.html" lang="{code}"' in written["index.html"]
        assert f'href="/book/{code}/index.html"' in written["404.html"]
        assert "Elsewhere" in written["404.html"], "a page above the sites has no search to speak of"
        assert f"<loc>https://a.org/book/{code}/sitemap.xml</loc>" in written["sitemap.xml"]
    assert "Sitemap: https://a.org/book/sitemap.xml" in written["robots.txt"]


# -- contrast ---------------------------------------------------------------------------------------------------


def variables(scheme: str) -> dict[str, str]:
    """Return the colours that the style sheets define for a scheme, by name."""
    found: dict[str, str] = {}
    for sheet in (*(PACKAGE / f"{name}.css" for name in ("palette", "transcript", "picture")), CSS / "site.css"):
        for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet.read_text("utf-8")):
            if f'[data-md-color-scheme="{scheme}"]' in selector:
                found |= dict(re.findall(r"(--(?:kd|tr|pic)-[\w-]+):\s*(#[0-9a-f]{6})", body))
    return found


def luminance(colour: str) -> float:
    """Return the relative luminance as defined by WCAG 2."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_it_is_defined() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


TEXT = ["ink", "soft", "accent", "accent-strong", "good", "warn", "bad"]
PLACES = ["host", "root", "guest", "gdb", "monitor"]
TOKENS = [f"c-{letter}" for letter in "kasnfpv"]


@pytest.mark.parametrize("scheme", ["default", "slate"])
@pytest.mark.parametrize("ground", ["paper", "raised", "sunk"])
def test_text_can_be_read(scheme: str, ground: str) -> None:
    colours = variables(scheme)
    names = [f"--kd-{name}" for name in TEXT] + [f"--tr-{name}" for name in [*PLACES, *TOKENS, *range(16)]]
    poor = {name: round(ratio, 2) for name in names if (ratio := contrast(colours[name], colours[f"--kd-{ground}"])) < 4.5}
    assert poor == {}


@pytest.mark.parametrize("scheme", ["default", "slate"])
def test_marked_lines_and_terminal_grounds_can_be_read(scheme: str) -> None:
    colours = variables(scheme)
    assert contrast(colours["--kd-ink"], colours["--tr-hit"]) >= 4.5
    for number in range(1, 8):
        assert contrast(colours["--kd-ink"], colours[f"--tr-g{number}"]) >= 4.5
    assert contrast(colours["--kd-paper"], colours["--kd-accent"]) >= 4.5, "the number of a note"


@pytest.mark.parametrize("scheme", ["default", "slate"])
@pytest.mark.parametrize("ground", ["paper", "raised", "sunk"])
def test_shapes_of_pictures_can_be_seen_and_numbers_on_them_read(scheme: str, ground: str) -> None:
    """A number has the background's colour and stands on a mark, so a mark needs the contrast of text; lines need 3 to 1."""
    colours = variables(scheme)
    names = {f"--pic-{look}": 4.5 for look in range(1, LOOKS + 1)} | {"--pic-line": 3.0}
    poor = {
        name: round(ratio, 2)
        for name, least in names.items()
        if (ratio := contrast(colours[name], colours[f"--kd-{ground}"])) < least
    }
    assert poor == {}
