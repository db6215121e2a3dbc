"""Where the languages of a site go, as its configurations and the command line say, and whether they may."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import Evidence, GuideError, SettingError
from kvmdocs.execution.project import Project

MADE = ("assets", "css", "fonts", "img", "js", "search")
"""Folders that MkDocs' themes put into a site."""


@dataclass(frozen=True)
class SiteLayout:
    """Where a site and its languages go.

    Attributes:
        output: The site's folder.
        parts: The folder of each configuration's pages, relative to it.
        given: Whether the folder was named on the command line, and not by the project.
        guides: Folders that the site may not lie in, nor hold.
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
    """Where the site of a project goes.

    Args:
        project: The project.
        output: The folder named on the command line.

    Raises:
        GuideError: A configuration cannot be read.
        SettingError: The languages have no folder in common, or two have the same.
    """
    usual = project.root / "site"
    wanted = Path(os.path.abspath(output)) if output else usual
    wanted = wanted.parent.resolve() / wanted.name
    folders: dict[str, Path] = {}
    guides = []
    for name in project.settings["project.configs"]:
        config = project.root / name
        told = _read(config)
        own = Path(os.path.abspath(config.parent / str(told.get("site_dir") or "site")))
        folders[name] = own if wanted == config.parent / "site" else wanted / own.name
        guides.append((config.parent / str(told.get("docs_dir") or "docs")).resolve())
    apart = len(set(folders.values())) == len(folders)
    if not all(folder.is_relative_to(wanted) for folder in folders.values()):
        wanted = Path(os.path.commonpath(folders.values()))
        apart = apart and not project.root.is_relative_to(wanted)
    if not apart:
        raise SettingError(
            f"the sites of {', '.join(folders)} have no folder in common for themselves, with one in it for each",
            Evidence(advice="set their site_dir to folders side by side, such as site/en and site/zh"),
        )
    templates = project.root / project.settings["project.root_pages"]
    above = sorted(os.listdir(templates)) if project.settings["project.root_pages"] and templates.is_dir() else []
    parts = {name: folder.relative_to(wanted) for name, folder in folders.items()}
    return SiteLayout(wanted, parts, wanted != usual and output is not None, tuple(guides), project.root, tuple(above))


def check(layout: SiteLayout) -> list[Path]:
    """See that a site may go where it is to go, and that nothing would be lost there.

    Returns:
        The mount points at and below its folder.

    Raises:
        SettingError: It may not.
    """
    target = real(layout)
    _check_place(layout, target)
    if not target.is_dir():
        return []
    import psutil  # only where there is a site already

    mounts = [Path(disk.mountpoint) for disk in psutil.disk_partitions(all=True)]
    below = [mount for mount in mounts if mount.is_relative_to(target)]
    for part in layout.parts.values():
        place = target / part
        if part != Path() and place.is_symlink():
            raise SettingError(
                f"{place} is a link, and languages are swapped with the folder they are in",
                Evidence(advice=f"let {layout.output} be the link, or {place} a folder"),
            )
        for mount in below:
            inside = mount.relative_to(place).parts if mount.is_relative_to(place) and mount != target else None
            if inside is not None and (part != Path() or not inside[0].startswith(".")):
                raise SettingError(
                    f"a disk is mounted at {mount}, inside of what a build replaces",
                    Evidence(advice=f"mount it at {layout.output} or elsewhere, or let --output name another folder"),
                )
    _check_content(layout, target)
    return below


def real(layout: SiteLayout) -> Path:
    """The folder that a site's path leads to."""
    return Path(os.path.realpath(layout.output))


def _check_place(layout: SiteLayout, target: Path) -> None:
    kept = [(layout.root.resolve(), "the project")]
    with contextlib.suppress(RuntimeError):  # there need not be a home
        kept.append((Path.home().resolve(), "your home"))
    for folder, what in kept:
        if folder.is_relative_to(target):
            raise SettingError(
                f"{layout.output} cannot become a site: {what} is in it",
                Evidence(advice=f"let --output name a folder of the site's own, such as {layout.output / 'site'}"),
            )
    for guides in layout.guides if layout.given else ():  # of its own `site_dir` MkDocs says the same
        if guides.is_relative_to(target) or target.is_relative_to(guides):
            raise SettingError(
                f"{layout.output} cannot become a site: of it and the guides in {guides} one is in the other",
                Evidence(advice="let --output name a folder beside the guides"),
            )
    if os.path.lexists(target) and not target.is_dir():
        raise SettingError(f"{layout.output} is no folder", Evidence(advice="remove it, or let --output name another"))


def _check_content(layout: SiteLayout, target: Path) -> None:
    """See that what would be replaced looks like a site."""
    places = [target / part for part in layout.parts.values()]
    for place in places:
        held = _shown(place)
        if held and not _made(held, given=layout.given):
            raise _refused(layout, place, held[0])
    if layout.given and not any(map(_shown, places)):
        for name in layout.above:
            if (target / name).exists():
                raise _refused(layout, target, name)


def _refused(layout: SiteLayout, place: Path, name: str) -> SettingError:
    other = "let --output name another folder" if layout.given else "let site_dir and --output name another"
    return SettingError(
        f"{place} holds {name!r} and is no site that was built: it would be lost",
        Evidence(advice=f"move it elsewhere, or {other}"),
    )


def _shown(place: Path) -> list[str]:
    """What a folder holds that is not hidden, which MkDocs spares."""
    return sorted(name for name in os.listdir(place) if not name.startswith(".")) if place.is_dir() else []


def _made(names: Collection[str], *, given: bool) -> bool:
    """Whether a folder that holds these was made by MkDocs. A folder that the project's own configuration names may be half a site, as a build that MkDocs ran itself leaves it."""
    if given:
        return "sitemap.xml" in names
    return any(name in MADE or name.endswith((".html", ".xml")) for name in names)


def _read(config: Path) -> dict[str, Any]:
    """A configuration of MkDocs as it is written, with what it inherits."""
    from mkdocs.exceptions import MkDocsException
    from mkdocs.utils.yaml import yaml_load

    try:
        with config.open(encoding="utf-8") as file:
            told: Any = yaml_load(file)
    except (OSError, UnicodeDecodeError, MkDocsException) as error:
        raise GuideError(f"{config.name}: {error}", Evidence(advice="mend what is named above")) from error
    return told if isinstance(told, dict) else {}
