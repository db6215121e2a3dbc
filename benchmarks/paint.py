"""Largest contentful paint of pages, against pages of the bare theme in the same browser.

The bare theme is Material without this project's configuration, styles and scripts. Each page is compared with a minimal page
(a title and a paragraph), and with a page of its own text: the site's Markdown version, with all others in the navigation.
Pages are loaded in turns, without cache, on a desktop and on a phone; each figure is a median. All pages are served from this
machine, so a ratio shows the browser's work, not the network's.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Ratio
from tests.support.browser import Browser, missing, served

ROOT = Path(__file__).resolve().parent.parent

PAGES = ("en/index.html", "en/debug/qemu-gdb.html", "en/kvm/gdb.html", "zh/kvm/errors.html")
"""The home page, and the longest ones."""

WIDTHS = {"wide": (1400, 900), "narrow": (360, 740)}
ROUNDS = 17
"""Loads of each page. With seven, the ratio of a page to itself varied from 0.8 to 1.3 on a busy machine."""
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
        folder: Folder of the project.
        pages: Markdown of each page by its path.

    Returns:
        Folder of the site.
    """
    for name, text in pages.items():
        path = folder / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (folder / "mkdocs.yml").write_text(BARE, "utf-8")
    # The pages' links to other files are broken; MkDocs warns of them.
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "-q", "-d", "site"], cwd=folder, check=True, stderr=subprocess.DEVNULL
    )
    return folder / "site"


def same_text(site: Path) -> dict[str, str]:
    """Return the Markdown of each page of a site in one language, by the path of its source."""
    return {str(path.relative_to(site)).replace(".html.md", ".md"): path.read_text("utf-8") for path in site.rglob("*.html.md")}


def painted(browser: Browser, address: str) -> float:
    """Return the seconds from the request to the largest contentful paint, after the page has settled."""
    browser.go(address)
    browser.until("return document.readyState === 'complete'")
    browser.wait_for("setTimeout(done, 300)")
    return float(browser.wait_for(PAINTED)) / 1000


def compare(browser: Browser, ours: str, bare: dict[str, str], name: str) -> None:
    """Load a page and its baselines in turns, and print the ratios.

    Args:
        browser: The browser.
        ours: Address of the page.
        bare: Address of each baseline by its name.
        name: Name of the page.
    """
    addresses = [ours, *bare.values()]
    times: list[list[float]] = [[] for _ in addresses]
    for number in range(ROUNDS):
        for which in range(len(addresses))[:: 1 if number % 2 else -1]:
            times[which].append(painted(browser, addresses[which]))
    mine, *others = map(statistics.median, times)
    for baseline, theirs in zip(bare, others, strict=True):
        print(Ratio(f"{name}, {baseline}", mine, theirs, AIM).line(), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--site", type=Path, default=ROOT / "site", help="the built site (`make site`)")
    options = parser.parse_args()
    if reason := missing():
        sys.exit(reason)
    if not (options.site / PAGES[0]).is_file():
        sys.exit(f"there is no site in {options.site}: build it with `make site`, or name another with --site")
    with tempfile.TemporaryDirectory() as name:
        bare_site(Path(name) / "shortest", {"index.md": TEXT})
        for language in {page.partition("/")[0] for page in PAGES}:
            bare_site(Path(name) / language, same_text(options.site / language))
        with served(options.site) as ours, served(Path(name)) as bare, Browser() as browser:
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
