"""State of one build of a site, which the plugin's hooks share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kvmdocs.site.edit_links import EditLinks
from kvmdocs.site.plain_pages import PlainPages
from kvmdocs.site.plugin.log_links import LogLinks
from kvmdocs.site.plugin.script_links import ScriptLinks
from kvmdocs.site.plugin.warnings import Targets
from kvmdocs.site.publisher import Publisher
from kvmdocs.site.status.page import StatusView

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

    from kvmdocs.execution.project import Project


@dataclass
class BuildState:
    """State of one build, made when the site's guides are known.

    Attributes:
        project: The project.
        publisher: The presenter that prints records into the pages.
        guides: The guides of the site.
        feedback: Makes the links for edits and reports.
        logs: The logs that the site offers for download.
        scripts: The scripts that the site offers for download.
        wanted: The cache keys of the recipes to run in the background, by recipe; None if the recipes cannot be read, in
            which case the current background run goes on.
        targets: The link targets that the pages contain.
        page: The page that is being rendered.
        status: How the recipes stand; None before the navigation is known, and in a server if an approved record cannot be
            read.
        status_page: The address of the status page, relative to the top of the site; "" if there is none.
        plain: The pages as Markdown; None if the site has none.
        order: The files of the pages in the order of the navigation.
    """

    project: Project
    publisher: Publisher
    guides: list[Path]
    feedback: EditLinks
    logs: LogLinks
    scripts: ScriptLinks
    wanted: Mapping[str, str] | None = None
    targets: Targets = field(default_factory=Targets)
    page: Page | None = None
    status: StatusView | None = None
    status_page: str = ""
    plain: PlainPages | None = None
    order: list[str] = field(default_factory=list)
