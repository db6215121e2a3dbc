"""Pages above all languages: the language chooser, the page for missing addresses (404), and the files for crawlers.

Every file of the folder in the setting ``project.root_pages`` is a Jinja template. Its variables are ``sites``, one for
each language in the order of the configurations, and ``url``, the common address that they are published below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2

from kvmdocs.core.errors import Evidence, GuideError, Place

UNPUBLISHED = ("localhost", "127.0.0.1", "")
"""Hosts in the address of a site that is not published."""


@dataclass(frozen=True)
class SiteLanguage:
    """The site in one language, as a template sees it.

    Attributes:
        lang: The code of the language.
        folder: The name of its folder in the site.
        name: Its name.
        description: Its description, one sentence.
        url: Its address, with a slash at the end.
        words: The configuration's ``extra.words``.
        newest: The folder of the newest version, with a slash at the end; "" for a site without versions.
    """

    lang: str
    folder: str
    name: str
    description: str
    url: str
    words: Mapping[str, str]
    newest: str = ""

    @property
    def sitemap(self) -> str:
        """The address of its sitemap."""
        return f"{self.url}{self.newest}sitemap.xml"

    @property
    def path(self) -> str:
        """Its address without the host, for a page that may be shown at any depth, such as the 404 page."""
        return urlsplit(self.url).path or f"/{self.folder}/"


def common(addresses: Sequence[str]) -> str:
    """Return the address that all of these are directly below; "" if there is none, or if they are not published.

    Args:
        addresses: Addresses with a slash at the end.
    """
    parents = {address.rstrip("/").rpartition("/")[0] + "/" for address in addresses}
    parent = parents.pop() if len(parents) == 1 else ""
    return parent if (urlsplit(parent).hostname or "") not in UNPUBLISHED else ""


def write(templates: Path, output: Path, sites: Sequence[SiteLanguage]) -> list[Path]:
    """Render every template of a folder into the site.

    Args:
        templates: The folder.
        output: The folder of the site.
        sites: The site in each language.

    Returns:
        The paths of the pages.

    Raises:
        GuideError: The folder does not exist, or a template cannot be rendered.
    """
    if not templates.is_dir():
        raise GuideError(
            f"the folder {templates} does not exist",
            Evidence(advice="create it, or change the setting project.root_pages"),
        )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=jinja2.select_autoescape(["html", "xml"]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    variables: dict[str, Any] = {"sites": list(sites), "url": common([site.url for site in sites])}
    written = []
    for path in sorted(templates.iterdir()):
        # The sitemap of a site without an address would list unreachable pages.
        if path.suffix == ".xml" and not variables["url"]:
            continue
        try:
            text = environment.get_template(path.name).render(variables)
        except jinja2.TemplateError as error:
            place = Place(str(path), getattr(error, "lineno", None) or 0)
            raise GuideError(f"{path} cannot be rendered: {error}", Evidence(place=place)) from error
        written.append(output / path.name)
        written[-1].write_text(text, "utf-8")
    return written
