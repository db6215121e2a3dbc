"""Folders of a site and its languages, from its configurations and the command line, and checks that they can be written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import Evidence, GuideError, SettingError
from kvmdocs.execution.project import Project

THEME_FOLDERS = ("assets", "css", "fonts", "img", "js", "search")
"""Folders that MkDocs' themes create in a site."""


@dataclass(frozen=True)
class SiteLayout:
    """Folders of a site and its languages.

    Attributes:
        output: The site's folder.
        parts: The folder of each configuration's pages, relative to the site's folder.
        given: Whether the folder was given on the command line, and not by the project.
        guides: The folders of the guides, which must neither contain the site nor be inside of it.
        root: The project's folder.
        above: The names of the pages above all languages.
    """

    output: Path
    parts: dict[str, Path]
    given: bool
    guides: tuple[Path, ...]
    root: Path
    above: tuple[str, ...]


def layout(project: Project, output: Path | None) -> SiteLayout:
    """Return the folders of a project's site.

    Args:
        project: The project.
        output: The folder given on the command line, if any.

    Raises:
        GuideError: A configuration cannot be read.
        SettingError: The languages have no folder in common, or two have the same folder.
    """
    default = project.root / "site"
    site = Path(os.path.abspath(output)) if output else default
    site = site.parent.resolve() / site.name
    folders: dict[str, Path] = {}
    guides = []
    for name in project.settings["project.configs"]:
        config = project.root / name
        values = _read(config)
        folder = Path(os.path.abspath(config.parent / str(values.get("site_dir") or "site")))
        folders[name] = folder if site == config.parent / "site" else site / folder.name
        guides.append((config.parent / str(values.get("docs_dir") or "docs")).resolve())
    separate = len(set(folders.values())) == len(folders)
    if not all(each.is_relative_to(site) for each in folders.values()):
        site = Path(os.path.commonpath(folders.values()))
        separate = separate and not project.root.is_relative_to(site)
    if not separate:
        raise SettingError(
            f"the sites of {', '.join(folders)} must be in separate folders of one folder that contains nothing else",
            Evidence(advice="set their site_dir to folders side by side, such as site/en and site/zh"),
        )
    templates = project.root / project.settings["project.root_pages"]
    above = sorted(os.listdir(templates)) if project.settings["project.root_pages"] and templates.is_dir() else []
    parts = {name: path.relative_to(site) for name, path in folders.items()}
    return SiteLayout(site, parts, site != default and output is not None, tuple(guides), project.root, tuple(above))


def check(layout: SiteLayout) -> list[Path]:
    """Check that a site may be written to its folder, and that nothing else would be lost there.

    Returns:
        The mount points at and below the folder.

    Raises:
        SettingError: The folder is not suitable.
    """
    target = real(layout)
    _check_place(layout, target)
    if not target.is_dir():
        return []
    import psutil  # slow to import, and needed only if a site exists

    mounts = [Path(disk.mountpoint) for disk in psutil.disk_partitions(all=True)]
    below = [mount for mount in mounts if mount.is_relative_to(target)]
    for part in layout.parts.values():
        place = target / part
        if part != Path() and place.is_symlink():
            raise SettingError(
                f"{place} is a link, but the folder of a language must be an ordinary folder",
                Evidence(advice=f"make {layout.output} the link, or {place} a folder"),
            )
        if place.exists() and not place.is_dir():
            raise SettingError(f"{place} is a file: it would be lost", Evidence(advice=_move_advice(layout)))
        for mount in below:
            inside = mount.relative_to(place).parts if mount.is_relative_to(place) and mount != target else None
            if inside is not None and (part != Path() or not inside[0].startswith(".")):
                raise SettingError(
                    f"a disk is mounted at {mount}, in a folder that a build replaces",
                    Evidence(advice=f"mount it at {layout.output} or elsewhere, or let --output name another folder"),
                )
    _check_content(layout, target)
    return below


def real(layout: SiteLayout) -> Path:
    """Return the site's folder with all links resolved."""
    return Path(os.path.realpath(layout.output))


def _check_place(layout: SiteLayout, target: Path) -> None:
    protected = [(layout.root.resolve(), "the project")]
    with contextlib.suppress(RuntimeError):  # there may be no home folder
        protected.append((Path.home().resolve(), "your home"))
    for folder, name in protected:
        if folder.is_relative_to(target):
            raise SettingError(
                f"{layout.output} cannot become a site: {name} is in it",
                Evidence(advice=f"let --output name a folder of the site's own, such as {layout.output / 'site'}"),
            )
    for guides in layout.guides if layout.given else ():  # MkDocs itself checks `site_dir`
        if guides.is_relative_to(target) or target.is_relative_to(guides):
            raise SettingError(
                f"{layout.output} cannot become a site: it and the folder of guides {guides} overlap, one is in the other",
                Evidence(advice="let --output name a folder beside the guides"),
            )
    if os.path.lexists(target) and not target.is_dir():
        raise SettingError(f"{layout.output} is no folder", Evidence(advice="remove it, or let --output name another folder"))


def _check_content(layout: SiteLayout, target: Path) -> None:
    """Check that the content which would be replaced looks like a site."""
    places = [target / part for part in layout.parts.values()]
    for place in places:
        names = _visible(place)
        if names and not _is_site(names, given=layout.given):
            raise _refusal(layout, place, names[0])
    if layout.given and not any(map(_visible, places)):
        for name in layout.above:
            if (target / name).exists():
                raise _refusal(layout, target, name)


def _refusal(layout: SiteLayout, place: Path, name: str) -> SettingError:
    return SettingError(
        f"{place} holds {name!r} and is no site that was built: it would be lost", Evidence(advice=_move_advice(layout))
    )


def _move_advice(layout: SiteLayout) -> str:
    return f"move it elsewhere, or let {'--output' if layout.given else 'site_dir or --output'} name another folder"


def _visible(place: Path) -> list[str]:
    """Return the entries of a folder that are not hidden; MkDocs leaves hidden ones alone."""
    return sorted(name for name in os.listdir(place) if not name.startswith(".")) if place.is_dir() else []


def _is_site(names: Collection[str], *, given: bool) -> bool:
    """Check whether a folder with these entries was made by MkDocs.

    A folder that the project's configuration names may be an incomplete site, which an interrupted build by MkDocs itself
    leaves.
    """
    if given:
        return "sitemap.xml" in names
    return any(name in THEME_FOLDERS or name.endswith((".html", ".xml")) for name in names)


def _read(config: Path) -> dict[str, Any]:
    """Return the values of a MkDocs configuration, including those it inherits, without defaults."""
    from mkdocs.exceptions import MkDocsException
    from mkdocs.utils.yaml import yaml_load

    try:
        with config.open(encoding="utf-8") as file:
            values: Any = yaml_load(file)
    except (OSError, UnicodeDecodeError, MkDocsException) as error:
        raise GuideError(f"{config.name}: {error}", Evidence(advice="correct that file")) from error
    return values if isinstance(values, dict) else {}
