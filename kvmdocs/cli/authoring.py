"""Commands for those who write: new."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kvmdocs.cli.common import reporting

if TYPE_CHECKING:
    from kvmdocs.execution.project import Project


@click.group()
def new() -> None:
    """Begin a guide or a recipe: files that pass the tests, to go on from. Nothing that is there is overwritten."""


@new.command()
@click.argument("name")
@click.option(
    "--title", "titles", multiple=True, metavar="LANG=TITLE", help="Its title in a language; made of NAME if not given."
)
@click.option(
    "--recipe", default="", help="The recipe it shows, a new one or one that is there; named as the guide if not given."
)
@click.pass_obj
@reporting
def guide(project: Path | None, name: str, titles: tuple[str, ...], recipe: str) -> None:
    """Begin a guide in every language, in each navigation, with the recipe it shows.

    NAME is its folder and name, such as run/boot-a-guest.
    """
    from kvmdocs.cli import scaffold
    from kvmdocs.execution.project import Project

    known = Project(project)
    given = dict(title.partition("=")[::2] for title in titles)
    if wrong := [language for language, title in given.items() if not title]:
        raise click.UsageError(f"--title {wrong[0]}: write LANG=TITLE, such as --title 'en=Boot a guest'")
    shown = recipe or name.removesuffix(".md").rpartition("/")[2].replace("-", "_")
    _write(known, scaffold.plan_guide(known, name, given, recipe), shown)


@new.command("recipe")
@click.argument("name")
@click.pass_obj
@reporting
def new_recipe(project: Path | None, name: str) -> None:
    """Begin a recipe in a module of its own. NAME is its name, such as boot_a_guest."""
    from kvmdocs.cli import scaffold
    from kvmdocs.execution.project import Project

    known = Project(project)
    _write(known, scaffold.plan_recipe(known, name), name)


def _write(project: Project, planned: dict[Path, str], recipe: str) -> None:
    from kvmdocs.cli import scaffold

    there = {path for path in planned if path.exists()}
    scaffold.write(planned)
    for path in planned:
        click.echo(f"{'changed' if path in there else 'wrote  '} {project.catalog.shown(path)}")
    click.echo(f"next    kvmdocs run {recipe}")


COMMANDS = (new,)
