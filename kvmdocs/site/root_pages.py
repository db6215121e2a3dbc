"""What stands above all languages: the page that leads to one of them, the one for addresses that do not exist, and what crawlers read.

Every file of the folder that the setting ``project.root_pages`` names is a Jinja template. It is given ``sites``, one for each language
in the order of the configurations, and ``url``, the address that all of them are published below.
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
"""Hosts of a site that has not been told where it is published."""


@dataclass(frozen=True)
class SiteLanguage:
    """The site in one language, as a template sees it.

    Attributes:
        lang: The code of the language.
        folder: Its folder below the site's.
        name: Its name.
        description: What it is, in a sentence.
        url: Its address, with a slash at the end.
        words: What the configuration's ``extra.words`` says.
        newest: The folder of the newest version with a slash at its end; "" for a site without versions.
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
        """The address of its map of addresses."""
        return f"{self.url}{self.newest}sitemap.xml"

    @property
    def path(self) -> str:
        """Its address without the host, for a page whose own depth is not known."""
        return urlsplit(self.url).path or f"/{self.folder}/"


def common(addresses: Sequence[str]) -> str:
    """The address that all of these lie below, "" when they have none in common or are not published.

    Args:
        addresses: Addresses with a slash at the end.
    """
    above = {address.rstrip("/").rpartition("/")[0] + "/" for address in addresses}
    only = above.pop() if len(above) == 1 else ""
    return only if (urlsplit(only).hostname or "") not in UNPUBLISHED else ""


def write(templates: Path, output: Path, sites: Sequence[SiteLanguage]) -> list[Path]:
    """Write every page of the folder `templates` into `output`; returns their paths.

    Raises:
        GuideError: The folder is not there, or a template asks for something that is not known.
    """
    if not templates.is_dir():
        raise GuideError(
            f"there is no folder {templates}", Evidence(advice="make it, or let the setting project.root_pages name another")
        )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=jinja2.select_autoescape(["html", "xml"]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    given: dict[str, Any] = {"sites": list(sites), "url": common([site.url for site in sites])}
    written = []
    for path in sorted(templates.iterdir()):
        # A map of sites without an address would name pages that nobody can reach.
        if path.suffix == ".xml" and not given["url"]:
            continue
        try:
            text = environment.get_template(path.name).render(given)
        except jinja2.TemplateError as error:
            place = Place(str(path), getattr(error, "lineno", None) or 0)
            raise GuideError(f"{path} cannot be filled in: {error}", Evidence(place=place)) from error
        written.append(output / path.name)
        written[-1].write_text(text, "utf-8")
    return written
