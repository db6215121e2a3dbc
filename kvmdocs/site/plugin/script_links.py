"""Offering the script of each page of a site, as a file beside the pages and a link under the page's title, and what to install before it is followed."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

from kvmdocs.core.words import RenderWords, about, words
from kvmdocs.render import Language
from kvmdocs.script.guides import RecordOf, Scripted, scripted_guide
from kvmdocs.site.plugin.under_title import under_title

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

    from kvmdocs.execution.project import Project

FOLDER = "scripts"
"""Folder of the site with the scripts."""

LARGE, MINUTE = 0.2, 60.0
"""What takes a fifth of a script's time, and a minute, is named."""


class ScriptLinks:
    """The scripts of a site's pages."""

    def __init__(self) -> None:
        self._files: dict[Path, File] = {}
        self._made: dict[Path, Scripted] = {}

    def offer(self, files: Files, config: MkDocsConfig, project: Project, guides: Iterable[Path], record_of: RecordOf) -> None:
        """Add the script of each guide that shows recipes to the site."""
        self._files = {}
        by_path = {Path(file.abs_src_path): file for file in files.documentation_pages() if file.abs_src_path}
        for guide in guides:
            made = scripted_guide(project, guide, record_of) if guide in by_path else None
            if made is not None:
                name = PurePosixPath(by_path[guide].src_uri).with_suffix(".sh")
                self._files[guide] = File.generated(config, f"{FOLDER}/{name}", content=project.secrets.mask(made.text))
                files.append(self._files[guide])
                self._made[guide] = made

    def urls(self) -> dict[Path, str]:
        """The address of each guide's script, from the top of the site."""
        return {guide: file.url for guide, file in self._files.items()}

    def put(self, html: str, page: Page, language: Language) -> str:
        """A page's HTML with the link to its script under its title; ``script: false`` at the head of its guide leaves it out."""
        guide = Path(page.file.abs_src_path or "")
        file = self._files.get(guide)
        if file is None or page.meta.get("script") is False:
            return html
        say, made = words(language), self._made[guide]
        name = PurePosixPath(file.src_uri).name
        link = (
            f'<p class="tr-page-script" data-search-exclude><a href="{escape(get_relative_url(file.url, page.url))}" '
            f'download="{escape(name)}">{escape(say.page_script)}</a>{escape(say.page_script_is)}{_cost(made, say)}</p>'
            f"{_packages(made.packages, say)}"
        )
        return under_title(html, link, page)


def _cost(made: Scripted, say: RenderWords) -> str:
    """How long the script takes, as its records did, and what takes most of that; what is made once is not made again."""
    total = sum(made.seconds.values())
    if not total:
        return ""
    told = escape(say.first_time.format(time=about(total, say)))
    large = sorted(
        (name for name, took in made.seconds.items() if took >= max(total * LARGE, MINUTE)),
        key=lambda name: -made.seconds[name],
    )
    if not large:
        return told
    before, after = say.most_of_it.split("{recipes}")
    return f"{told}{escape(before)}{escape(say.comma).join(f'<code>{escape(name)}</code>' for name in large)}{escape(after)}"


def _packages(commands: dict[str, str], say: RenderWords) -> str:
    """What is to be installed first, folded."""
    if not commands:
        return ""
    lines = "".join(
        f'<dt>{escape(family)}</dt><dd><div class="highlight"><pre><code>{escape(command)}\n</code></pre></div></dd>'
        for family, command in commands.items()
    )
    return (
        f'<details class="tr-install" data-search-exclude><summary>{escape(say.install_first)}</summary>'
        f'<p class="tr-install-is">{escape(say.install_is)}</p><dl>{lines}</dl></details>'
    )
