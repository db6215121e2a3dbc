"""Agreement of the page's blocks with those that were read: all that a page executes is known, tested and recorded."""

from __future__ import annotations

from pathlib import Path

from markdown_exec import formatter
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger

from kvmdocs.catalog.catalog import concerns
from kvmdocs.catalog.guides import blocks_of
from kvmdocs.core.errors import Evidence, GuideError, Place
from kvmdocs.execution.project import Project
from kvmdocs.recording.recipe import Presenter
from kvmdocs.site.publisher import Publisher

log = get_plugin_logger("kvmdocs")


def are_executed(config: MkDocsConfig) -> bool:
    """Check whether the site executes Python fences: superfences has the formatter of markdown-exec."""
    fences = config.mdx_configs.get("pymdownx.superfences", {}).get("custom_fences", [])
    return "pymdownx.superfences" in config.markdown_extensions and any(
        fence["name"] in {"python", "py"} and (fence["format"] is formatter or fence["format"].__module__.startswith("kvmdocs"))
        for fence in fences
    )


def refuse_unexecuted(project: Project) -> None:
    """Raise an error if a guide has a block, since no page would execute it.

    Raises:
        GuideError: A guide has a block; the error names the first one.
    """
    for page in project.catalog.pages.values():
        for block in page.blocks:
            raise GuideError(
                "this block is not executed: the site would show its source",
                Evidence(
                    guides=(Place(project.catalog.shown(block.file), block.line),),
                    advice="put markdown-exec into `plugins` and pymdownx.superfences into `markdown_extensions` of mkdocs.yml",
                ),
            )


def warn_of_unread(markdown: str, guide: Path, project: Project) -> None:
    """Warn of a block about recipes that another plugin has put into a page: it runs there, but has no test and no badge."""
    page = project.catalog.pages.get(guide)
    if page is None:
        return
    known = {block.code for block in page.blocks} | page.examples
    for block in blocks_of(guide, markdown):
        if block.code not in known and concerns(block):
            first = block.code.strip().partition("\n")[0]
            log.warning(
                "%s: another plugin has put a block into this page (%r). It has no test, no badge and no script; "
                "write it in the guide, or include it with pymdownx.snippets",
                project.catalog.shown(guide),
                first,
            )


def is_example(source: str, publisher: Presenter | None) -> bool:
    """Check whether a fence is an example on the page that is being rendered, which must not run."""
    if not isinstance(publisher, Publisher) or publisher.guide is None:
        return False
    page = publisher.project.catalog.pages.get(publisher.guide)
    return page is not None and source in page.examples and all(block.code != source for block in page.blocks)
