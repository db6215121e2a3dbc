"""Scaffold of a guide or a recipe: files that pass the tests as they are, for an author to edit.

All files are planned before the first is written. If one cannot be written, the others are restored.
"""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kvmdocs.catalog.titles import titles, with_title
from kvmdocs.cli.common import report_unwritable
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
        kernel = sh.uname("-sr")
    assert kernel.startswith("Linux ")
    return kernel.strip()
'''

TITLES = {"zh": "说出这台宿主机运行的是哪个内核。"}
"""Summary of that recipe in further languages (`kvmdocs.catalog.titles`)."""

RESERVED = ("sh",)
"""Names that a recipe cannot have: as parameters of other recipes they do not mean a recipe's result."""

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
"""First text of a guide by language; other languages get English."""

SHOW_EXISTING = """\
```python exec="on"
from {module} import {name}

{name}.show()
```
"""


@dataclass(frozen=True)
class LanguageSite:
    """Site in one language.

    Attributes:
        config: Path of its MkDocs configuration.
        docs: Folder of its guides.
        language: Language code.
        nav: Whether the configuration itself has a ``nav``; one that it inherits does not count.
    """

    config: Path
    docs: Path
    language: str
    nav: bool


def sites(project: Project) -> list[LanguageSite]:
    """Return the site in each language, in the order of the setting ``project.configs``.

    Raises:
        GuideError: A configuration cannot be read.
    """
    return [_site(project.root / name, name) for name in project.settings["project.configs"]]


def _site(path: Path, name: str) -> LanguageSite:
    from mkdocs.exceptions import MkDocsException
    from mkdocs.utils.yaml import yaml_load

    try:
        with path.open(encoding="utf-8") as file:
            config = yaml_load(file)
    except (OSError, MkDocsException, yaml.YAMLError) as error:
        raise GuideError(f"{name} cannot be read: {error}", Evidence(place=Place(name), advice="fix the file")) from error
    theme: Any = config.get("theme") or {}
    language = str(theme.get("language") or theme.get("locale") or "en") if isinstance(theme, dict) else "en"
    nav = re.search(r"^nav\s*:", path.read_text("utf-8"), re.MULTILINE) is not None
    return LanguageSite(
        path, path.parent / (config.get("docs_dir") or "docs"), language.partition("-")[0].partition("_")[0], nav
    )


def package_for(project: Project, folder: str) -> str:
    """Return the package for recipes of a folder's guides: the subpackage of that name if it exists, else the main package."""
    package: str = project.settings["project.recipes"]
    below = f"{package}/{folder}".replace("-", "_").strip("/")
    return below.replace("/", ".") if (project.root / below / "__init__.py").exists() else package


def plan_recipe(
    project: Project, name: str, advice_if_there: str = "choose another name", package: str = ""
) -> dict[Path, str]:
    """Plan a new recipe: its module, and its summary in further languages.

    Args:
        project: The project.
        name: Name of the recipe and of its module.
        advice_if_there: Advice if a recipe of that name exists.
        package: Package of the module; the main package of recipes if not given.

    Returns:
        Text by file.

    Raises:
        CatalogError: The name is not allowed or belongs to a recipe.
        GuideError: The module exists.
    """
    advice = ""
    if keyword.iskeyword(name) or name in RESERVED:
        advice = f"{name} is a Python keyword or the first parameter of every recipe: choose another name"
    elif not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        advice = "use lower-case letters, digits and underscores, and begin with a letter: boot_a_guest"
    if advice:
        raise CatalogError(f"a recipe cannot be called {name!r}", Evidence(advice=advice))
    if existing := project.catalog.entries.get(name):
        raise CatalogError(
            f"a recipe {name} already exists", Evidence(recipe=name, place=existing.place, advice=advice_if_there)
        )
    package = package or project.settings["project.recipes"]
    folder = project.root / package.replace(".", "/")
    path = folder / f"{name}.py"
    _refuse_present(path, project)
    init = {} if (folder / "__init__.py").exists() else {folder / "__init__.py": f'"""Recipes of {project.root.name}."""\n'}
    return {**init, path: RECIPE.format(title=_title(name), name=name), **_titles(project, name)}


def _titles(project: Project, name: str) -> dict[Path, str]:
    """Plan the file of summaries in further languages: add one for each language that is in `TITLES` and has a table there."""
    if not project.settings["project.titles"]:
        return {}
    path = project.root / project.settings["project.titles"]
    # Reading the titles first raises an error with advice if the file does not exist.
    languages = [language for language in TITLES if titles(project.settings, language, project.catalog.entries)]
    text = path.read_text("utf-8")
    for language in languages:
        text = with_title(text, language, name, TITLES[language])
    return {path: text}


def plan_guide(project: Project, name: str, titles: Mapping[str, str], recipe: str = "") -> dict[Path, str]:
    """Plan a new guide in every language, its entry in each navigation, and the recipe it shows.

    Args:
        project: The project.
        name: Folder and name of the guide without suffix: ``run/boot-a-guest``.
        titles: Title by language; made from the name for other languages.
        recipe: Recipe to show, which may exist; a new one named like the guide if not given.

    Returns:
        Text by file.

    Raises:
        GuideError: The name is not allowed, a guide of that name exists, or its folder does not.
        CatalogError: The recipe's name is not allowed.
    """
    name = name.removesuffix(".md")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*/[a-z0-9])*[a-z0-9-]*", name):
        raise GuideError(
            f"a guide cannot be called {name!r}",
            Evidence(advice="give its folder and name in lower-case letters, digits and hyphens: run/boot-a-guest"),
        )
    built = sites(project)
    if unknown := sorted(set(titles) - {site.language for site in built}):
        languages = ", ".join(site.language for site in built)
        raise GuideError(
            f"there is no site in {', '.join(unknown)}", Evidence(advice=f"languages of this project: {languages}")
        )
    last = name.rpartition("/")[2]
    shown = recipe or last.replace("-", "_")
    # Only with --recipe may the guide show an existing recipe.
    existing = project.catalog.entries.get(shown) if recipe else None
    if existing and existing.block is not None:
        raise CatalogError(
            f"recipe {shown} is defined in a page, and no other page can show it",
            Evidence(
                recipe=shown, place=existing.place, advice=f"move it into a module below {project.settings['project.recipes']}/"
            ),
        )
    package = package_for(project, name.rpartition("/")[0])
    advice = f"choose another name, or show the existing recipe: --recipe {shown}"
    planned = {} if existing else plan_recipe(project, shown, advice, package)
    module = existing.module if existing else f"{package}.{shown}"
    for site in built:
        path = site.docs / f"{name}.md"
        _refuse_present(path, project)
        _refuse_unknown_folder(path, site, built, project)
        title = titles.get(site.language) or _title(last)
        text = GUIDES.get(site.language, GUIDES["en"])
        if existing:
            text = text[: text.index("```")] + SHOW_EXISTING
        planned[path] = text.format(title=title, module=module, name=shown, pattern='r"^uname"')
        if site.nav:
            before = planned.get(site.config) or site.config.read_text("utf-8")
            planned[site.config] = with_page(before, f"{name}.md", title, project.catalog.shown(site.config))
    return planned


def write(planned: Mapping[Path, str], project: Project) -> None:
    """Write planned files. If one cannot be written, restore what was there before.

    Args:
        planned: Text by file.
        project: The project.

    Raises:
        HostLacks: A file cannot be written.
    """
    with ExitStack() as undo:
        for path, text in planned.items():
            with report_unwritable(project.catalog.shown(path), "check permissions and free space there; nothing was changed"):
                for folder in reversed([folder for folder in path.parents if not folder.exists()]):
                    undo.callback(_restore, folder, None)
                    folder.mkdir()
                undo.callback(_restore, path, path.read_bytes() if path.exists() else None)
                path.write_text(text, "utf-8")
        undo.pop_all()


def _restore(path: Path, content: bytes | None) -> None:
    """Restore a file's content, or remove the file or folder if there was none."""
    with suppress(OSError):
        if content is not None:
            path.write_bytes(content)
        elif path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)


def _refuse_present(path: Path, project: Project) -> None:
    if os.path.lexists(path):
        shown = project.catalog.shown(path)
        raise GuideError(f"{shown} already exists", Evidence(place=Place(shown), advice="choose another name, or remove it"))


def _refuse_unknown_folder(path: Path, site: LanguageSite, built: list[LanguageSite], project: Project) -> None:
    if path.parent.is_dir():
        return
    shown = project.catalog.shown
    present = sorted(str(folder.relative_to(site.docs)) for folder in site.docs.rglob("*") if folder.is_dir())
    relative = path.parent.relative_to(site.docs)
    folders = " ".join(shown(one.docs / relative) for one in built)
    raise GuideError(
        f"there is no folder {shown(path.parent)}; there are: {', '.join(present) or 'none'}",
        Evidence(place=Place(FILE), advice=f"choose one of these, or make it: mkdir -p {folders}"),
    )


def _title(name: str) -> str:
    words = re.sub(r"[-_]+", " ", name)
    return words[0].upper() + words[1:]
