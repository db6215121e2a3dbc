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
    open_project,
    print_json,
    reporting,
    with_pdf,
)
from kvmdocs.core.exit_codes import exit_code


@click.command()
@in_its_mode
@in_its_jobs
@click.option("--install", is_flag=True, help="Install missing host packages (asks on a terminal, unless YES=1).")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Folder of the site; default: `site`.")
@click.option(
    "--keep-going",
    is_flag=True,
    help="Build the site even if recipes fail; their pages and the exit code show it.",
)
@with_pdf
@click.pass_obj
@reporting
def build(folder: Path | None, install: bool, output: Path | None, keep_going: bool) -> None:
    """Run stale recipes and build the site in every language."""
    from kvmdocs.execution import modes
    from kvmdocs.site.build import SiteBuild

    SiteBuild(folder, install=install, require=modes.wants_all(), output=output, keep_going=keep_going).build()


@click.command()
@in_its_mode
@in_its_jobs
@click.argument("version")
@click.option("--old", is_flag=True, help="This is not the newest version: leave `latest` as it is.")
@click.option("--branch", default="pages", show_default=True, help="Branch to commit to; it is not pushed.")
@click.option("--keep-going", is_flag=True, hidden=True)
@with_pdf
@click.pass_obj
@reporting
def publish(folder: Path | None, version: str, old: bool, branch: str, keep_going: bool) -> None:
    """Build the site and commit it to a branch as VERSION, next to the branch's other versions."""
    from kvmdocs.site.publishing import publish as commit

    if keep_going:
        raise click.UsageError(
            "a site that shows failures is not published; `kvmdocs build --keep-going` builds one to look at"
        )
    for language in commit(folder, version, newest=not old, branch=branch):
        click.echo(f"committed {language}/{version} to the branch {branch}")


@click.command()
@names_of_recipes
@in_its_jobs
@click.option("--fresh", is_flag=True, help="Run the named recipes even if the store has their records.")
@click.option("--all", "everything", is_flag=True, help="Run every recipe of the project.")
@click.option(
    "--shell", is_flag=True, help="Then open a shell in the workspace; after a failure, in that of the failed recipe."
)
@can_be_json
@click.pass_obj
@reporting
def run(folder: Path | None, names: tuple[str, ...], fresh: bool, everything: bool, shell: bool, as_json: bool) -> None:
    """Run recipes and those they build on, and print their records."""
    from kvmdocs.cli import documents
    from kvmdocs.core.errors import CatalogError
    from kvmdocs.core.model import Status
    from kvmdocs.execution import modes, progress, report
    from kvmdocs.execution.executor import Executor

    if shell and (everything or as_json or len(names) != 1):
        raise click.UsageError("--shell needs the name of exactly one recipe, without --all and --json")
    project = open_project(folder)
    wanted = sorted(project.catalog.entries) if everything else list(names)
    if not wanted:
        raise click.UsageError("name a recipe (`kvmdocs list` lists them) or give --all")
    executor = Executor(
        project, progress.progress_listener(), require=modes.wants_all(), fresh=frozenset(wanted if fresh else ())
    )
    try:
        result = executor.run(wanted)
    except CatalogError as error:
        raise project.catalog.find_related_problem(error) from error
    if as_json:
        print_json(documents.Run.of(result, wanted))
    else:
        for name in wanted:
            report.print_record(result.records[name])
    for line in report.summary(result):
        click.echo(line, err=True)
    failed = result.names(status=Status.FAILED)
    for name in failed:
        record = result.records[name]
        click.echo(f"\n{report.describe_failure(record, project.catalog.shown_at(name), project.store)}", err=True)
    if shell:
        from kvmdocs.execution.debug_shell import open_shell

        # The recipe that failed may be one that the named recipe builds on.
        failed_or_named = failed[0] if failed else wanted[0]
        open_shell(project, failed_or_named, result.records, lambda line: click.echo(line, err=True))
    if failed:
        sys.exit(exit_code(result.failure(f"{len(failed)} recipes failed")))


COMMANDS = (build, publish, run)
