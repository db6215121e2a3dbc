"""Commands about records: why, approve, diff, export, status."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kvmdocs.cli.common import can_be_json, names_of_recipes, open_project, print_json, report_unwritable, reporting
from kvmdocs.core.exit_codes import DRIFT, FAILED
from kvmdocs.core.terminal import unguarded


@click.command()
@names_of_recipes
@click.option("--all", "everything", is_flag=True, help="All recipes that guides show.")
@can_be_json
@click.pass_obj
@reporting
def why(folder: Path | None, names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Explain why recipes, or those they build on, are stale. Nothing is run."""
    from kvmdocs.cli import documents
    from kvmdocs.execution.explain import explain

    project = open_project(folder)
    wanted = project.catalog.shown_recipes() if everything else list(names)
    if not wanted:
        raise click.UsageError("name a recipe (`kvmdocs list` lists them) or give --all")
    explanations = explain(project, wanted)
    if as_json:
        print_json(documents.Reasons(recipes=tuple(explanations.values())))
        return
    for name, explanation in explanations.items():
        # A recipe that was not named is printed only if it makes a named one stale.
        if name in wanted or explanation.state == "stale":
            click.echo("\n".join(explanation.lines()))


@click.command()
@names_of_recipes
@click.option("--all", "everything", is_flag=True, help="All recipes that guides show and that have a record here.")
@can_be_json
@click.pass_obj
@reporting
def approve(folder: Path | None, names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Approve the newest records: write them to files for git, which are shown where a recipe cannot run.

    A file stays as it is if its record says the same. A stale record is not approved. Nothing is run.
    """
    from kvmdocs.cli import documents
    from kvmdocs.execution.plan import make_plan
    from kvmdocs.script import approval

    project = open_project(folder)
    wanted = approval.approvable(project) if everything else list(names)
    if not wanted:
        raise click.UsageError("name a recipe (`kvmdocs list` lists them) or give --all")
    for name in wanted:
        approval.passed_record(project, name)
    plan = make_plan(project, wanted)
    stale = [name for name in wanted if plan[name].stale]
    # Not the newest record: another checkout that shares the store may have run its own version of the recipe since.
    records = [approval.passed_record(project, name, plan[name]) for name in wanted if name not in stale]
    files = {name: project.catalog.shown(path) if path else None for name, path in approval.approve(project, records).items()}
    if as_json:
        print_json(documents.Approval(approved=files, stale=tuple(stale)))
    else:
        for name, file in files.items():
            click.echo(f"{name}: {file or 'as approved before'}")
        for name in stale:
            click.echo(f"{name}: not approved, its record is stale; first `kvmdocs run {name}`", err=True)
    if stale:
        sys.exit(FAILED)


@click.command()
@names_of_recipes
@click.option("--stable", "only_stable", is_flag=True, help="Compare only the sections that recipes call stable.")
@can_be_json
@click.pass_obj
@reporting
def diff(folder: Path | None, names: tuple[str, ...], only_stable: bool, as_json: bool) -> None:
    """Show how records differ from the approved ones; exit code 4 if any does.

    Values that vary between runs, such as paths and process ids, do not count. Without names every recipe that has both
    records is compared. Nothing is run.
    """
    from kvmdocs.cli import documents
    from kvmdocs.execution.plan import make_plan
    from kvmdocs.script import approval

    project = open_project(folder)
    both = (name for name in project.approved.names() if name in project.catalog.entries and project.store.latest(name))
    compared = names or tuple(both)
    plan = make_plan(project, compared)
    drifts = []
    for name in compared:
        stable = project.catalog.get(name).recipe.stable if only_stable else True
        if drift := approval.find_drift(project, approval.passed_record(project, name, plan[name]), stable):
            drifts.append(drift)
    unapproved = [name for name in names if project.approved.get(name) is None]
    if as_json:
        print_json(documents.Comparison(compared=compared, drifts=tuple(drifts), unapproved=tuple(unapproved)))
    else:
        for drift in drifts:
            click.echo("\n".join(drift.lines()))
        click.echo(f"{len(compared) - len(unapproved)} compared, {len(drifts)} drifted", err=True)
        for name in (name for name in compared if plan[name].stale):
            click.echo(f"{name}: its record is stale; `kvmdocs run {name}` makes a new one", err=True)
        for name in unapproved:
            click.echo(f"{name} has no approved record; `kvmdocs approve {name}` makes one", err=True)
    if drifts:
        sys.exit(DRIFT)


@click.command()
@names_of_recipes
@click.option(
    "--guide", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Export all recipes that this guide shows."
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: standard output."
)
@click.pass_obj
@reporting
def export(folder: Path | None, names: tuple[str, ...], guide: Path | None, output: Path | None) -> None:
    """Write recipes or a whole guide, with all recipes they build on, as a bash script. Nothing is run."""
    from kvmdocs.core.errors import CatalogError, Evidence
    from kvmdocs.core.model import Record
    from kvmdocs.execution import modes
    from kvmdocs.execution.plan import make_plan
    from kvmdocs.script import approval, guides

    if bool(names) == bool(guide):
        raise click.UsageError("name recipes (`kvmdocs list` lists them) or give --guide, not both")
    project = open_project(folder)
    plan = make_plan(project, names or project.catalog.shown_recipes())

    def newest(name: str) -> Record | None:
        return (plan[name].record if name in plan else None) or modes.newest(project, name)

    for name in names:
        if newest(name) is None:
            approval.passed_record(project, name)
    if guide:
        text = guides.for_guide(project, guides.find_guide(project, guide), newest)
    else:
        title = f"The recipes {', '.join(names)}" if len(names) > 1 else ""
        text = guides.for_recipes(project, names, newest, title)
    if text is None:
        advice = "`kvmdocs status` shows the state of each recipe"
        raise CatalogError("no recipe has a record that a script could be made from", Evidence(advice=advice))
    if output is None:
        # A terminal gets the guarded text; a file or a pipe gets the script as `--output` writes it.
        (sys.stdout if sys.stdout.isatty() else unguarded(sys.stdout)).write(text)
    else:
        with report_unwritable(output, "check permissions and free space there, or let --output name another file"):
            output.write_text(text, "utf-8")
            output.chmod(0o755)


@click.command()
@names_of_recipes
@can_be_json
@click.pass_obj
@reporting
def status(folder: Path | None, names: tuple[str, ...], as_json: bool) -> None:
    """Show the state of recipes: current, stale or failed, when they ran, what is approved, what has drifted.

    Without names all recipes that guides show are listed, with those they build on. Nothing is run.
    """
    from kvmdocs.cli import documents
    from kvmdocs.cli.status import status as rows_of

    project = open_project(folder)
    rows = rows_of(project, names or project.catalog.shown_recipes())
    if as_json:
        print_json(documents.Standings(recipes=tuple(rows)))
        return
    for row in rows:
        click.echo(row.line())


@click.command()
@names_of_recipes
@click.pass_obj
@reporting
def verify(folder: Path | None, names: tuple[str, ...]) -> None:
    """Read all files that records name, and compare them with what their recipes made.

    A record with a damaged file is removed from the store: the next build makes it again. Without names the newest records of
    all recipes are verified.
    """
    from kvmdocs.store import artefacts

    project = open_project(folder)
    for name in names:
        project.catalog.get(name)
    latest = {name: project.store.latest(name) for name in names or project.catalog.entries}
    records = {name: record for name, record in latest.items() if record is not None and record.contents}
    damaged = {name: artefacts.damaged(project.store, record, thorough=True) for name, record in records.items()}
    for name, paths in damaged.items():
        for path in paths:
            click.echo(f"{name}: {path} was changed or is gone")
        if paths:
            artefacts.forget(project.store, records[name])
    wrong = sum(map(bool, damaged.values()))
    click.echo(f"{len(records)} records with files, {wrong} of them damaged")
    if wrong:
        sys.exit(FAILED)


COMMANDS = (status, why, diff, approve, export, verify)
