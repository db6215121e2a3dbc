"""Commands about the project, the host and the store: list, doctor, clean, schema."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kvmdocs.cli.common import DOCUMENT_NAMES, can_be_json, open_project, print_json, reporting
from kvmdocs.core.exit_codes import LACKS, WRONG
from kvmdocs.core.units import size


@click.command("list")
@can_be_json
@click.pass_obj
@reporting
def list_recipes(folder: Path | None, as_json: bool) -> None:
    """List every recipe with what it builds on and, with --json, where guides show it."""
    from kvmdocs.cli import documents
    from kvmdocs.execution import report

    catalog = open_project(folder).catalog
    listed = report.listing(catalog)
    if as_json:
        print_json(documents.RecipeList(recipes=tuple(listed)))
    else:
        for entry in listed:
            builds = f"  ← {', '.join(entry.builds_on)}" if entry.builds_on else ""
            click.echo(f"{entry.name:<28} {entry.title}{builds}")
    for problem in catalog.problems:
        click.echo(f"\n{problem.report()}", err=True)
    if catalog.problems:
        sys.exit(WRONG)


@click.command()
@click.option("--install", is_flag=True, help="Install missing packages.")
@can_be_json
@click.pass_obj
@reporting
def doctor(folder: Path | None, install: bool, as_json: bool) -> None:
    """Check what this host can do for the project, and print advice for what it cannot.

    With REQUIRE=all a missing package is an error.
    """
    from kvmdocs.cli import documents
    from kvmdocs.execution import modes
    from kvmdocs.execution.doctor import examine

    project = open_project(folder)
    if install:
        from kvmdocs.site.build import install_missing

        install_missing(project, project.all_tools(), require=modes.wants_all())
    checks = examine(project)
    if as_json:
        print_json(documents.Examination(checks=tuple(checks)))
    else:
        for check in checks:
            click.echo(check.line())
    if modes.wants_all() and any(check.blocks for check in checks):
        sys.exit(LACKS)


@click.command()
@click.option(
    "--older",
    default="30d",
    show_default=True,
    help="Remove items older than this, such as 12h or 30d; `never` keeps items of any age.",
)
@click.option("--over", default="", help="Remove the oldest items until the store is no larger than this, such as 20G.")
@click.option("--dry-run", is_flag=True, help="Only print what would be removed.")
@can_be_json
@click.pass_obj
@reporting
def clean(folder: Path | None, older: str, over: str, dry_run: bool, as_json: bool) -> None:
    """Remove old items from the store, or the oldest of too many. Items in use stay."""
    from kvmdocs.cli import documents
    from kvmdocs.execution.project import Project
    from kvmdocs.recording.signature import parse_size, parse_time
    from kvmdocs.store.gc import choose, collectable, delete, delete_files, disk_usage, stale_files

    days = older.removesuffix("d")
    age = None if older == "never" else float(days) * 86400 if days != older and days.isdigit() else parse_time(older)
    store = Project(folder).store
    chosen = choose(
        collectable(store), older=age, total=disk_usage(store) if over else 0, over=parse_size(over) if over else None
    )
    removed = [item for item in chosen if dry_run or delete(store, item)]
    rest = delete_files(stale_files(store, age), dry_run=dry_run)
    if as_json:
        items = tuple(documents.Freed(item.name, item.size, item.age) for item in removed)
        print_json(documents.Cleaning(dry_run=dry_run, store=str(store.path), items=items, rest=rest))
        return
    for item in removed:
        click.echo(f"{item.name:<60} {size(item.size):>10}  {item.age / 86400:.0f} days old")
    if rest:
        click.echo(f"{'rendered pages and writes cut short':<60} {size(rest):>10}")
    freed = rest + sum(item.size for item in removed)
    click.echo(f"{size(freed)} {'would be freed' if dry_run else 'freed'} in {store.path}", err=True)


@click.command()
@click.argument("name", type=click.Choice(DOCUMENT_NAMES))
@reporting
def schema(name: str) -> None:
    """Print the JSON Schema of a command's --json output, or of a site's report.json.

    The number in `schema` rises when a field is removed or changes its meaning, not when one is added.
    """
    from kvmdocs.cli import documents

    click.echo(documents.schema(name), nl=False)


COMMANDS = (list_recipes, doctor, clean, schema)
