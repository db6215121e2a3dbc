"""Commands that run recipes: build, run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kvmdocs.cli.common import (
    can_be_json,
    in_its_jobs,
    in_its_mode,
    names_of_recipes,
    print_json,
    reporting,
    with_pdf,
)
from kvmdocs.core.exit_codes import exit_code


@click.command()
@in_its_mode
@in_its_jobs
@click.option(
    "--install", is_flag=True, help="Install host packages that are missing (asks on a terminal; YES=1 does not ask)."
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Where the site goes; `site` if not given.")
@click.option(
    "--keep-going",
    is_flag=True,
    help="Build the site although recipes fail, and show that on their pages; the exit code says so, too.",
)
@with_pdf
@click.pass_obj
@reporting
def build(project: Path | None, install: bool, output: Path | None, keep_going: bool) -> None:
    """Run what is stale and build the site in every language."""
    from kvmdocs.execution import modes
    from kvmdocs.site.build import SiteBuild

    SiteBuild(project, install=install, require=modes.wants_all(), output=output, keep_going=keep_going).build()


@click.command()
@in_its_mode
@in_its_jobs
@click.argument("version")
@click.option("--old", is_flag=True, help="Not the newest version: `latest` stays where it is.")
@click.option("--branch", default="pages", show_default=True, help="The branch that is published; it is not pushed.")
@click.option("--keep-going", is_flag=True, hidden=True)
@with_pdf
@click.pass_obj
@reporting
def publish(project: Path | None, version: str, old: bool, branch: str, keep_going: bool) -> None:
    """Build the site and commit it to a branch as VERSION, beside the versions that are there."""
    from kvmdocs.site.publishing import publish as commit

    if keep_going:
        raise click.UsageError(
            "a site that shows failures is not published; `kvmdocs build --keep-going` builds it to be looked at"
        )
    for language in commit(project, version, newest=not old, branch=branch):
        click.echo(f"committed {language}/{version} to the branch {branch}")


@click.command()
@names_of_recipes
@in_its_jobs
@click.option("--fresh", is_flag=True, help="Run the named recipes even though the store has their records.")
@click.option("--all", "everything", is_flag=True, help="Every recipe of the project.")
@click.option("--shell", is_flag=True, help="Then open a shell in the workspace, where it failed if it did.")
@can_be_json
@click.pass_obj
@reporting
def run(project: Path | None, names: tuple[str, ...], fresh: bool, everything: bool, shell: bool, as_json: bool) -> None:
    """Run recipes and what they build on, and print what they did."""
    from kvmdocs.cli import documents
    from kvmdocs.core.errors import CatalogError
    from kvmdocs.core.model import Status
    from kvmdocs.execution import modes, progress, report
    from kvmdocs.execution.executor import Executor
    from kvmdocs.execution.project import Project

    if shell and (everything or as_json or len(names) != 1):
        raise click.UsageError("--shell takes the name of one recipe, and neither --all nor --json")
    known = Project(project)
    wanted = sorted(known.catalog.entries) if everything else list(names)
    if not wanted:
        raise click.UsageError("name a recipe (`kvmdocs list` has them) or give --all")
    executor = Executor(known, progress.reporter(), require=modes.wants_all(), fresh=frozenset(wanted if fresh else ()))
    try:
        outcome = executor.run(wanted)
    except CatalogError as error:
        raise known.catalog.find_related_problem(error) from error
    if as_json:
        print_json(documents.Run.of(outcome, wanted))
    else:
        for name in wanted:
            report.print_record(outcome.records[name])
    for line in report.summary(outcome):
        click.echo(line, err=True)
    failed = outcome.names(status=Status.FAILED)
    for name in failed:
        record = outcome.records[name]
        click.echo(f"\n{report.describe_failure(record, known.catalog.shown_at(name), known.store)}", err=True)
    if shell:
        from kvmdocs.execution.debug_shell import open_shell

        # What keeps it from running may be a recipe it builds on: that one's workspace is the point of failure.
        at = failed[0] if failed else wanted[0]
        open_shell(known, at, outcome.records, lambda line: click.echo(line, err=True))
    if failed:
        sys.exit(exit_code(outcome.failure(f"{len(failed)} recipes failed")))


COMMANDS = (build, publish, run)
