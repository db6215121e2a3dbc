"""When the largest thing on a page is painted, against pages of the bare theme, in the same browser.

The bare theme is Material without any of this project's configuration, styles or scripts. Each page is compared with the shortest page it can have, a title and a
paragraph, and with its own text: the Markdown that the site has of each of its pages, beside all the others in the navigation. Pages are loaded in turns, nothing
cached, wide and as on a telephone; each figure is a median. All of it is served from this machine, so a ratio shows what the browser has to do and not what a
line has to carry.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Ratio

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browser import Browser, missing, served  # noqa: E402  # the tests' browser, found by the line above

PAGES = ("en/index.html", "en/debug/qemu-gdb.html", "en/kvm/gdb.html", "zh/kvm/errors.html")
"""The home page, and the longest ones."""

WIDTHS = {"wide": (1400, 900), "narrow": (360, 740)}
ROUNDS = 17
"""Loads of each page; with seven, the ratio of a page to itself was anything from 0.8 to 1.3 on a machine with other work to do."""
AIM = 1.2

BARE = """\
site_name: Bare
theme: {name: material, font: false}
use_directory_urls: false
markdown_extensions: {pymdownx.highlight: {}, pymdownx.superfences: {}, tables: {}}
"""
TEXT = "# Bare\n\n" + "A paragraph of some length, as every page has one near its top. " * 12 + "\n"

PAINTED = """
new PerformanceObserver((list) => {
  const entries = list.getEntries();
  if (entries.length) setTimeout(() => done(entries[entries.length - 1].startTime), 0);
}).observe({type: 'largest-contentful-paint', buffered: true});
"""


def bare_site(folder: Path, pages: dict[str, str]) -> Path:
    """Build pages with the bare theme.

    Args:
        folder: Where.
        pages: Each page's Markdown by its path.

    Returns:
        The site.
    """
    for name, text in pages.items():
        path = folder / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (folder / "mkdocs.yml").write_text(BARE, "utf-8")
    # What the pages lead to beside each other is not there.
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "-q", "-d", "site"], cwd=folder, check=True, stderr=subprocess.DEVNULL
    )
    return folder / "site"


def same_text(site: Path) -> dict[str, str]:
    """Each page of a site in one language as Markdown, by the path of its source."""
    return {str(path.relative_to(site)).replace(".html.md", ".md"): path.read_text("utf-8") for path in site.rglob("*.html.md")}


def painted(browser: Browser, address: str) -> float:
    """Seconds from the request to the largest paint, once the page has come to rest."""
    browser.go(address)
    browser.until("return document.readyState === 'complete'")
    browser.wait_for("setTimeout(done, 300)")
    return float(browser.wait_for(PAINTED)) / 1000


def compare(browser: Browser, ours: str, bare: dict[str, str], name: str) -> None:
    """Load a page and those it is compared with in turns, and print the ratios.

    Args:
        browser: The browser.
        ours: The page's address.
        bare: The address of each page that it is compared with, by what that is.
        name: What the page is called.
    """
    addresses = [ours, *bare.values()]
    times: list[list[float]] = [[] for _ in addresses]
    for number in range(ROUNDS):
        for which in range(len(addresses))[:: 1 if number % 2 else -1]:
            times[which].append(painted(browser, addresses[which]))
    mine, *others = map(statistics.median, times)
    for what, theirs in zip(bare, others, strict=True):
        print(Ratio(f"{name}, {what}", mine, theirs, AIM).line(), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--site", type=Path, default=ROOT / "site", help="the built site (`make site`)")
    given = parser.parse_args()
    if why := missing():
        sys.exit(why)
    if not (given.site / PAGES[0]).is_file():
        sys.exit(f"{given.site} has no site: `make site` builds one, or name another with --site")
    with tempfile.TemporaryDirectory() as name:
        bare_site(Path(name) / "shortest", {"index.md": TEXT})
        for language in {page.partition("/")[0] for page in PAGES}:
            bare_site(Path(name) / language, same_text(given.site / language))
        with served(given.site) as ours, served(Path(name)) as bare, Browser() as browser:
            browser.command("Network.setCacheDisabled", cacheDisabled=True)
            for label, (width, height) in WIDTHS.items():
                browser.size(width, height)
                for page in PAGES:
                    language, _, rest = page.partition("/")
                    others = {
                        "shortest": f"{bare}/shortest/site/index.html",
                        "its text": f"{bare}/{language}/site/{rest}",
                    }
                    compare(browser, f"{ours}/{page}", others, f"largest paint, {label}: {page}")


if __name__ == "__main__":
    main()
