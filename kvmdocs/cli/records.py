"""Commands about records: why, approve, diff, export, status."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kvmdocs.cli.common import can_be_json, names_of_recipes, print_json, reporting
from kvmdocs.core.exit_codes import DRIFT, FAILED
from kvmdocs.core.terminal import unguarded


@click.command()
@names_of_recipes
@click.option("--all", "everything", is_flag=True, help="Every recipe that guides show.")
@can_be_json
@click.pass_obj
@reporting
def why(project: Path | None, names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Say what made recipes stale, and what they build on. Nothing is run."""
    from kvmdocs.cli import documents
    from kvmdocs.execution.explain import explain
    from kvmdocs.execution.project import Project

    known = Project(project)
    wanted = known.catalog.shown_recipes() if everything else list(names)
    if not wanted:
        raise click.UsageError("name a recipe (`kvmdocs list` has them) or give --all")
    answers = explain(known, wanted)
    if as_json:
        print_json(documents.Reasons(recipes=tuple(answers.values())))
        return
    for name, answer in answers.items():
        # What it builds on is told where it is the reason.
        if name in wanted or answer.state == "stale":
            click.echo("\n".join(answer.lines()))


@click.command()
@names_of_recipes
@click.option("--all", "everything", is_flag=True, help="Every recipe that guides show and that has a record here.")
@can_be_json
@click.pass_obj
@reporting
def approve(project: Path | None, names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Make the newest records the approved ones, for git: readers and hosts that cannot run a recipe are shown those.

    A file whose record says the same as before is left as it is. A record that is stale is not approved. Nothing is run.
    """
    from kvmdocs.cli import documents
    from kvmdocs.execution.plan import make_plan
    from kvmdocs.execution.project import Project
    from kvmdocs.script import approval

    known = Project(project)
    wanted = approval.approvable(known) if everything else list(names)
    if not wanted:
        raise click.UsageError("name a recipe (`kvmdocs list` has them) or give --all")
    for name in wanted:
        approval.fresh(known, name)
    found = make_plan(known, wanted)
    stale = [name for name in wanted if found[name].stale]
    # Not the newest: another checkout that shares the store may have run its own version of a recipe since.
    records = [approval.fresh(known, name, found[name]) for name in wanted if name not in stale]
    files = {name: known.catalog.shown(path) if path else None for name, path in approval.approve(known, records).items()}
    if as_json:
        print_json(documents.Approval(approved=files, stale=tuple(stale)))
    for name, file in () if as_json else files.items():
        click.echo(f"{name}: {file or 'as approved before'}")
    for name in () if as_json else stale:
        click.echo(f"{name}: not approved, its record is stale; first `kvmdocs run {name}`", err=True)
    if stale:
        sys.exit(FAILED)


@click.command()
@names_of_recipes
@click.option("--stable", "only_stable", is_flag=True, help="Compare only what recipes call stable.")
@can_be_json
@click.pass_obj
@reporting
def diff(project: Path | None, names: tuple[str, ...], only_stable: bool, as_json: bool) -> None:
    """Show how records differ from the approved ones, under stable names; exit code 4 if any does.

    Without names it is every recipe that has both. Nothing is run.
    """
    from kvmdocs.cli import documents
    from kvmdocs.execution.plan import make_plan
    from kvmdocs.execution.project import Project
    from kvmdocs.script import approval

    known = Project(project)
    both = [name for name in known.approved.names() if name in known.catalog.entries and known.store.latest(name)]
    stand = make_plan(known, names or both)
    found = []
    for name in names or both:
        stable = known.catalog.get(name).recipe.stable if only_stable else True
        found.append(approval.drift_of(known, approval.fresh(known, name, stand[name]), stable))
    drifts = [drift for drift in found if drift]
    unapproved = [name for name in names if known.approved.get(name) is None]
    if as_json:
        print_json(documents.Comparison(compared=tuple(names or both), drifts=tuple(drifts), unapproved=tuple(unapproved)))
    else:
        for drift in drifts:
            click.echo("\n".join(drift.lines()))
        click.echo(f"{len(found) - len(unapproved)} compared, {len(drifts)} drifted", err=True)
        for name in (name for name in names or both if stand[name].stale):
            click.echo(f"{name}: its record is stale; `kvmdocs run {name}` makes a new one", err=True)
        for name in unapproved:
            click.echo(f"{name} has no approved record; `kvmdocs approve {name}` makes one", err=True)
    if drifts:
        sys.exit(DRIFT)


@click.command()
@names_of_recipes
@click.option("--guide", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="All that this guide shows.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write it there; else it is printed.")
@click.pass_obj
@reporting
def export(project: Path | None, names: tuple[str, ...], guide: Path | None, output: Path | None) -> None:
    """Write recipes, or a whole guide's, with all they build on, as the bash script a reader could run. Nothing is run."""
    from kvmdocs.core.errors import CatalogError, Evidence
    from kvmdocs.core.model import Record
    from kvmdocs.execution import modes
    from kvmdocs.execution.plan import make_plan
    from kvmdocs.execution.project import Project
    from kvmdocs.script import approval, guides

    if bool(names) == bool(guide):
        raise click.UsageError("name recipes (`kvmdocs list` has them) or give --guide")
    known = Project(project)
    stand = make_plan(known, names or known.catalog.shown_recipes())

    def newest(name: str) -> Record | None:
        return (stand[name].record if name in stand else None) or modes.newest(known, name)

    for name in names:
        if newest(name) is None:
            approval.fresh(known, name)
    if guide:
        text = guides.for_guide(known, guides.find_guide(known, guide), newest)
    else:
        title = f"The recipes {', '.join(names)}" if len(names) > 1 else ""
        text = guides.for_recipes(known, names, newest, title)
    if text is None:
        advice = "`kvmdocs status` says how they stand"
        raise CatalogError("there is no record to make a script of", Evidence(advice=advice))
    if output is None:
        # A file or a program gets the script as `--output` writes it, a person what is safe to look at.
        (sys.stdout if sys.stdout.isatty() else unguarded(sys.stdout)).write(text)
    else:
        output.write_text(text, "utf-8")
        output.chmod(0o755)


@click.command()
@names_of_recipes
@can_be_json
@click.pass_obj
@reporting
def status(project: Path | None, names: tuple[str, ...], as_json: bool) -> None:
    """Say how recipes stand: current, stale or failed, when they ran, what is approved, what has drifted.

    Without names it is every recipe that guides show, with what they build on. Nothing is run.
    """
    from kvmdocs.cli import documents
    from kvmdocs.cli.status import status as standing
    from kvmdocs.execution.project import Project

    known = Project(project)
    rows = standing(known, names or known.catalog.shown_recipes())
    if as_json:
        print_json(documents.Standings(recipes=tuple(rows)))
        return
    for row in rows:
        click.echo(row.line())


COMMANDS = (status, why, diff, approve, export)
