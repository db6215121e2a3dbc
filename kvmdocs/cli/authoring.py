"""Commands for authors: new."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kvmdocs.cli.common import reporting

if TYPE_CHECKING:
    from kvmdocs.execution.project import Project


@click.group()
def new() -> None:
    """Create a guide or a recipe: files that pass the tests, to be edited. Existing files are not overwritten."""


@new.command()
@click.argument("name")
@click.option("--title", "titles", multiple=True, metavar="LANG=TITLE", help="Title in a language; default: made from NAME.")
@click.option("--recipe", default="", help="Recipe to show, new or existing; default: a new one named like the guide.")
@click.pass_obj
@reporting
def guide(folder: Path | None, name: str, titles: tuple[str, ...], recipe: str) -> None:
    """Create a guide in every language, add it to each navigation, and create the recipe it shows.

    NAME is the guide's folder and name, such as run/boot-a-guest.
    """
    from kvmdocs.cli import scaffold
    from kvmdocs.execution.project import Project

    project = Project(folder)
    by_language = dict(title.partition("=")[::2] for title in titles)
    if untitled := [language for language, title in by_language.items() if not title]:
        raise click.UsageError(f"--title {untitled[0]}: write LANG=TITLE, such as --title 'en=Boot a guest'")
    shown_recipe = recipe or name.removesuffix(".md").rpartition("/")[2].replace("-", "_")
    _write(project, scaffold.plan_guide(project, name, by_language, recipe), shown_recipe)


@new.command("recipe")
@click.argument("name")
@click.pass_obj
@reporting
def new_recipe(folder: Path | None, name: str) -> None:
    """Create a recipe in its own module. NAME is the recipe's name, such as boot_a_guest."""
    from kvmdocs.cli import scaffold
    from kvmdocs.execution.project import Project

    project = Project(folder)
    _write(project, scaffold.plan_recipe(project, name), name)


def _write(project: Project, planned: dict[Path, str], recipe: str) -> None:
    from kvmdocs.cli import scaffold

    existing = {path for path in planned if path.exists()}
    scaffold.write(planned, project)
    for path in planned:
        click.echo(f"{'changed' if path in existing else 'wrote  '} {project.catalog.shown(path)}")
    click.echo(f"next    kvmdocs run {recipe}")


COMMANDS = (new,)
