"""Beginning a guide or a recipe: files that are sound from the first moment on, for their author to go on from.

All of it is planned before anything is written: a start that cannot be made whole leaves nothing behind.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kvmdocs.catalog.titles import titles, with_title
from kvmdocs.cli.navigation import with_page
from kvmdocs.core.errors import CatalogError, Evidence, GuideError, Place
from kvmdocs.core.settings import FILE
from kvmdocs.execution.project import Project

RECIPE = '''\
"""{title}."""

from __future__ import annotations

from kvmdocs import Shell, recipe


@recipe(expects="1s")
def {name}(sh: Shell) -> str:
    """Say which kernel runs on this host.

    Returns:
        Its name and release.
    """
    with sh.section("look"):
        told = sh.uname("-sr")
    assert told.startswith("Linux ")
    return told.strip()
'''

TITLES = {"zh": "说出这台宿主机运行的是哪个内核。"}
"""What that recipe does, in further languages (`kvmdocs.catalog.titles`)."""

TAKEN = ("sh",)
"""Names that a recipe cannot have, since no other could take its result: parameters with a meaning of their own."""

GUIDES = {
    "en": """\
# {title}

Say here, in a sentence, what a reader can do at the end of this page.

```python exec="on"
from {module} import {name}

{name}.show(notes={{{pattern}: "What this line means."}})
```
""",
    "zh": """\
# {title}

用一句话写明：读完这一页，读者会做什么。

```python exec="on"
from {module} import {name}

{name}.show(notes={{{pattern}: "这一行的意思。"}})
```
""",
}
"""A guide's first text in each language; English for all others."""

SHOWN = """\
```python exec="on"
from {module} import {name}

{name}.show()
```
"""


@dataclass(frozen=True)
class LanguageSite:
    """The site in one language.

    Attributes:
        config: Its configuration.
        docs: Its folder of guides.
        language: The code of its language.
        nav: Whether its configuration says itself what stands in the navigation.
    """

    config: Path
    docs: Path
    language: str
    nav: bool


def sites(project: Project) -> list[LanguageSite]:
    """The site in each language, as the configurations say.

    Raises:
        GuideError: A configuration cannot be read.
    """
    return [_site(project.root / name, name) for name in project.settings["project.configs"]]


def _site(path: Path, name: str) -> LanguageSite:
    from mkdocs.exceptions import MkDocsException
    from mkdocs.utils.yaml import yaml_load

    try:
        with path.open(encoding="utf-8") as file:
            told = yaml_load(file)
    except (OSError, MkDocsException, yaml.YAMLError) as error:
        raise GuideError(f"{name} cannot be read: {error}", Evidence(place=Place(name), advice="mend it")) from error
    theme: Any = told.get("theme") or {}
    language = str(theme.get("language") or theme.get("locale") or "en") if isinstance(theme, dict) else "en"
    nav = re.search(r"^nav\s*:", path.read_text("utf-8"), re.MULTILINE) is not None
    return LanguageSite(path, path.parent / (told.get("docs_dir") or "docs"), language.partition("-")[0].partition("_")[0], nav)


def package_for(project: Project, folder: str) -> str:
    """The package for recipes of the guides in a folder: the one of the folder's name, where the project has it, else that of all recipes."""
    package: str = project.settings["project.recipes"]
    below = f"{package}/{folder}".replace("-", "_").strip("/")
    return below.replace("/", ".") if (project.root / below / "__init__.py").exists() else package


def plan_recipe(
    project: Project, name: str, advice_if_there: str = "choose another name", package: str = ""
) -> dict[Path, str]:
    """The module of a new recipe, and what it does in further languages.

    Args:
        project: The project.
        name: The recipe's name, and its module's.
        advice_if_there: What to do if there is a recipe of that name.
        package: The package it lies in; that of all recipes if not given.

    Returns:
        Text by file.

    Raises:
        CatalogError: The name cannot be one, is a recipe's already, or its module is there.
    """
    advice = ""
    if keyword.iskeyword(name) or name in TAKEN:
        advice = f"{name} is a word of Python's, or every recipe's first parameter: choose another"
    elif not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        advice = "a name has small letters, digits and underscores, and begins with a letter: boot_a_guest"
    if advice:
        raise CatalogError(f"a recipe cannot be called {name!r}", Evidence(advice=advice))
    if known := project.catalog.entries.get(name):
        raise CatalogError(
            f"there is a recipe {name} already", Evidence(recipe=name, place=known.place, advice=advice_if_there)
        )
    package = package or project.settings["project.recipes"]
    folder = project.root / package.replace(".", "/")
    path = folder / f"{name}.py"
    _refuse_present(path, project)
    first = {} if (folder / "__init__.py").exists() else {folder / "__init__.py": f'"""Recipes of {project.root.name}."""\n'}
    return {**first, path: RECIPE.format(title=_title(name), name=name), **_titles(project, name)}


def _titles(project: Project, name: str) -> dict[Path, str]:
    """The file of what recipes do in further languages, with a sentence in each that is known here and has a table there."""
    if not project.settings["project.titles"]:
        return {}
    path = project.root / project.settings["project.titles"]
    # Read first: where the file is not there, that says so.
    told = [language for language in TITLES if titles(project.settings, language, project.catalog.entries)]
    text = path.read_text("utf-8")
    for language in told:
        text = with_title(text, language, name, TITLES[language])
    return {path: text}


def plan_guide(project: Project, name: str, titles: Mapping[str, str], recipe: str = "") -> dict[Path, str]:
    """A new guide in every language, its place in each navigation, and the recipe it shows.

    Args:
        project: The project.
        name: The guide's folder and name without its ending: ``run/boot-a-guest``.
        titles: Its title by language; made of its name where there is none.
        recipe: The recipe it shows, which may be there; of the guide's name if not given.

    Returns:
        Text by file.

    Raises:
        GuideError: The name cannot be one, a guide of it is there, or a folder of it is not.
        CatalogError: The recipe cannot be called so.
    """
    name = name.removesuffix(".md")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*/[a-z0-9])*[a-z0-9-]*", name):
        raise GuideError(
            f"a guide cannot be called {name!r}",
            Evidence(advice="give its folder and name in small letters, digits and hyphens: run/boot-a-guest"),
        )
    built = sites(project)
    if unknown := sorted(set(titles) - {site.language for site in built}):
        known = ", ".join(site.language for site in built)
        raise GuideError(f"there is no site in {', '.join(unknown)}", Evidence(advice=f"titles can be given for: {known}"))
    last = name.rpartition("/")[2]
    shown = recipe or last.replace("-", "_")
    # With --recipe the guide may show one that is there.
    there = project.catalog.entries.get(shown) if recipe else None
    if there and there.block is not None:
        raise CatalogError(
            f"recipe {shown} is written in a page, and no other page can show it",
            Evidence(
                recipe=shown, place=there.place, advice=f"move it into a module below {project.settings['project.recipes']}/"
            ),
        )
    package = package_for(project, name.rpartition("/")[0])
    advice = f"choose another name, or show that one: --recipe {shown}"
    planned = {} if there else plan_recipe(project, shown, advice, package)
    module = there.module if there else f"{package}.{shown}"
    for site in built:
        path = site.docs / f"{name}.md"
        _refuse_present(path, project)
        _refuse_unknown_folder(path, site, built, project)
        title = titles.get(site.language) or _title(last)
        text = GUIDES.get(site.language, GUIDES["en"])
        if there:
            text = text[: text.index("```")] + SHOWN
        planned[path] = text.format(title=title, module=module, name=shown, pattern='r"^uname"')
        if site.nav:
            before = planned.get(site.config) or site.config.read_text("utf-8")
            planned[site.config] = with_page(before, f"{name}.md", title, project.catalog.shown(site.config))
    return planned


def write(planned: Mapping[Path, str]) -> None:
    """Write what was planned."""
    for path, text in planned.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _refuse_present(path: Path, project: Project) -> None:
    if path.exists():
        shown = project.catalog.shown(path)
        raise GuideError(f"{shown} is there already", Evidence(place=Place(shown), advice="choose another name, or remove it"))


def _refuse_unknown_folder(path: Path, site: LanguageSite, built: list[LanguageSite], project: Project) -> None:
    if path.parent.is_dir():
        return
    shown = project.catalog.shown
    known = sorted(str(folder.relative_to(site.docs)) for folder in site.docs.rglob("*") if folder.is_dir())
    relative = path.parent.relative_to(site.docs)
    folders = " ".join(shown(one.docs / relative) for one in built)
    raise GuideError(
        f"there is no folder {shown(path.parent)}; there are: {', '.join(known) or 'none'}",
        Evidence(place=Place(FILE), advice=f"if it is meant: mkdir -p {folders}"),
    )


def _title(name: str) -> str:
    words = re.sub(r"[-_]+", " ", name)
    return words[0].upper() + words[1:]
