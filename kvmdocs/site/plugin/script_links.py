"""Downloads of scripts: a file for each page, a link to it under the page's title, and the packages to install first."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

from kvmdocs.core.words import Labels, about, words
from kvmdocs.render import Language
from kvmdocs.script.guides import GuideScript, RecordOf, scripted_guide
from kvmdocs.site.plugin.generated import GeneratedFiles
from kvmdocs.site.plugin.under_title import insert_under_title

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

    from kvmdocs.execution.project import Project

FOLDER = "scripts"
"""Folder of the site with the scripts."""

LARGE_SHARE, LARGE_SECONDS = 0.2, 60.0
"""Share of a script's time, and seconds, from which on a recipe is named as taking most of the time."""


class ScriptLinks:
    """The scripts of a site's pages."""

    def __init__(self) -> None:
        self._files: dict[Path, File] = {}
        self._scripts: dict[Path, GuideScript] = {}

    def add_files(
        self,
        files: Files,
        config: MkDocsConfig,
        generated: GeneratedFiles,
        project: Project,
        guides: Iterable[Path],
        record_of: RecordOf,
    ) -> None:
        """Add the script of each guide that shows recipes to the site."""
        by_path = {Path(file.abs_src_path): file for file in files.documentation_pages() if file.abs_src_path}
        for guide in guides:
            script = scripted_guide(project, guide, record_of) if guide in by_path else None
            if script is not None:
                name = PurePosixPath(by_path[guide].src_uri).with_suffix(".sh")
                self._files[guide] = generated.make(config, f"{FOLDER}/{name}", project.secrets.mask(script.text))
                files.append(self._files[guide])
                self._scripts[guide] = script

    def urls(self) -> dict[Path, str]:
        """Return the address of each guide's script, relative to the top of the site."""
        return {guide: file.url for guide, file in self._files.items()}

    def add_link(self, html: str, page: Page, language: Language) -> str:
        """Return a page's HTML with the link to its script under its title; ``script: false`` in its front matter omits it."""
        guide = Path(page.file.abs_src_path or "")
        file = self._files.get(guide)
        if file is None or page.meta.get("script") is False:
            return html
        say, script = words(language), self._scripts[guide]
        name = PurePosixPath(file.src_uri).name
        link = (
            f'<p class="tr-page-script" data-search-exclude><a href="{escape(get_relative_url(file.url, page.url))}" '
            f'download="{escape(name)}">{escape(say.page_script)}</a>{escape(say.page_script_is)}{_cost(script, say)}</p>'
            f"{_packages(script.packages, say)}"
        )
        return insert_under_title(html, link, page)


def _cost(script: GuideScript, say: Labels) -> str:
    """Return how long a first run of the script takes, as its records did, and which recipes take most of that."""
    total = sum(script.seconds.values())
    if not total:
        return ""
    cost = escape(say.first_time.format(time=about(total, say)))
    large = sorted(
        (name for name, seconds in script.seconds.items() if seconds >= max(total * LARGE_SHARE, LARGE_SECONDS)),
        key=lambda name: -script.seconds[name],
    )
    if not large:
        return cost
    before, after = say.most_of_it.split("{recipes}")
    return f"{cost}{escape(before)}{escape(say.comma).join(f'<code>{escape(name)}</code>' for name in large)}{escape(after)}"


def _packages(commands: dict[str, str], say: Labels) -> str:
    """Return a folded list of the commands that install packages, by family of distributions."""
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
