"""The command line. Exit codes live here alone: 0 done, 1 a recipe failed, 2 wrong use or configuration, 3 the host lacks something, 4 drift, 130 interrupted."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from kvmdocs.errors import EngineError, Interrupted, KvmdocsError, OperatorError, RecipeFailed

DONE, FAILED, WRONG, LACKS, DRIFT, INTERRUPTED = 0, 1, 2, 3, 4, 130


def exit_code(error: KvmdocsError) -> int:
    """The exit code of an error, by who must act."""
    if isinstance(error, Interrupted):
        return INTERRUPTED
    if isinstance(error, OperatorError):
        return LACKS
    return FAILED if isinstance(error, RecipeFailed | EngineError) else WRONG


def reporting(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what a command raises into a message and an exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except KvmdocsError as error:
            click.echo(f"kvmdocs: {error.report()}", err=True)
            sys.exit(exit_code(error))
        except KeyboardInterrupt:
            click.echo("kvmdocs: interrupted", err=True)
            sys.exit(INTERRUPTED)

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--project", "-C", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The project's folder.")
@click.version_option(package_name="kvmdocs")
@click.pass_context
def main(context: click.Context, project: Path | None) -> None:
    """Guides whose commands run."""
    context.obj = project


def in_its_mode(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--mode``."""
    from kvmdocs.model import Mode

    @click.option(
        "--mode",
        type=click.Choice([str(mode) for mode in Mode]),
        help="Run what is stale (live), everything (fresh) or nothing (recorded); the setting `mode` if not given.",
    )
    @wraps(command)
    def run(*args: Any, mode: str | None, **kwargs: Any) -> None:
        from kvmdocs.modes import in_mode

        with in_mode(mode):
            command(*args, **kwargs)

    return run


@main.command()
@in_its_mode
@click.option(
    "--install", is_flag=True, help="Install host packages that are missing (asks on a terminal; YES=1 does not ask)."
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Where the site goes; `site` if not given.")
@click.pass_obj
@reporting
def build(project: Path | None, install: bool, output: Path | None) -> None:
    """Run what is stale and build the site in every language."""
    from kvmdocs.site import Site

    Site(project, install=install, require=wants_all(), output=output).build()


@main.command()
@click.argument("names", nargs=-1)
@click.option("--fresh", is_flag=True, help="Run the named recipes even though the store has their records.")
@click.option("--all", "everything", is_flag=True, help="Every recipe of the project.")
@click.pass_obj
@reporting
def run(project: Path | None, names: tuple[str, ...], fresh: bool, everything: bool) -> None:
    """Run recipes and what they build on, and print what they did."""
    from kvmdocs import report
    from kvmdocs.executor import Executor
    from kvmdocs.model import Status
    from kvmdocs.project import Project

    known = Project(project)
    wanted = sorted(known.catalog.entries) if everything else list(names)
    if not wanted:
        raise click.UsageError("name a recipe (`kvmdocs list` has them) or give --all")
    executor = Executor(known, report.Lines(), require=wants_all(), fresh=frozenset(wanted if fresh else ()))
    outcome = executor.run(wanted)
    for name in wanted:
        report.print_record(outcome.records[name])
    for line in report.summary(outcome):
        click.echo(line, err=True)
    failed = outcome.names(status=Status.FAILED)
    for name in failed:
        record = outcome.records[name]
        click.echo(f"\n{report.describe_failure(record, known.catalog.askers(name), known.store)}", err=True)
    if failed:
        sys.exit(FAILED)


@main.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every recipe that guides show.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
@reporting
def why(project: Path | None, names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Say what made recipes stale, and what they build on. Nothing is run."""
    from kvmdocs.executor import Executor, Reporter
    from kvmdocs.project import Project
    from kvmdocs.why import explain

    known = Project(project)
    wanted = known.catalog.asked() if everything else list(names)
    if not wanted:
        raise click.UsageError("name a recipe (`kvmdocs list` has them) or give --all")
    answers = explain(known, Executor(known, Reporter()), wanted)
    if as_json:
        told = [answer.as_dict() for answer in answers.values()]
        click.echo(json.dumps({"schema": 1, "recipes": told}, indent=2, ensure_ascii=False))
        return
    for name, answer in answers.items():
        # What it builds on is told where it is the reason.
        if name in wanted or answer.state == "stale":
            click.echo("\n".join(answer.lines()))


@main.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every recipe that guides show and that has a record here.")
@click.pass_obj
@reporting
def approve(project: Path | None, names: tuple[str, ...], everything: bool) -> None:
    """Make the newest records the approved ones, for git: readers and hosts that cannot run a recipe are shown those.

    A file whose record says the same as before is left as it is. A record that is stale is not approved. Nothing is run.
    """
    from kvmdocs import approving
    from kvmdocs.executor import Executor, Reporter
    from kvmdocs.project import Project

    known = Project(project)
    wanted = approving.approvable(known) if everything else list(names)
    if not wanted:
        raise click.UsageError("name a recipe (`kvmdocs list` has them) or give --all")
    for name in wanted:
        approving.fresh(known, name)
    stale = [name for name in Executor(known, Reporter()).stale(wanted) if name in wanted]
    for name, path in approving.approve(known, [name for name in wanted if name not in stale]).items():
        click.echo(f"{name}: {known.catalog.shown(path) if path else 'as approved before'}")
    for name in stale:
        click.echo(f"{name}: not approved, its record is stale; first `kvmdocs run {name}`", err=True)
    if stale:
        sys.exit(FAILED)


@main.command()
@click.argument("names", nargs=-1)
@click.option("--stable", "only_stable", is_flag=True, help="Compare only what recipes call stable.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
@reporting
def diff(project: Path | None, names: tuple[str, ...], only_stable: bool, as_json: bool) -> None:
    """Show how the newest records differ from the approved ones, under stable names; exit code 4 if any does.

    Without names it is every recipe that has both. Nothing is run.
    """
    from kvmdocs import approving
    from kvmdocs.project import Project

    known = Project(project)
    both = [name for name in known.approved.names() if name in known.catalog.entries and known.store.latest(name)]
    found = []
    for name in names or both:
        stable = known.catalog.get(name).recipe.stable if only_stable else True
        found.append(approving.drift_of(known, approving.fresh(known, name), stable))
    drifts = [drift for drift in found if drift]
    if as_json:
        told = {"schema": 1, "compared": list(names or both), "drifts": [drift.as_dict() for drift in drifts]}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        for drift in drifts:
            click.echo("\n".join(drift.lines()))
        unknown = [name for name in names if known.approved.get(name) is None]
        click.echo(f"{len(found) - len(unknown)} compared, {len(drifts)} drifted", err=True)
        for name in unknown:
            click.echo(f"{name} has no approved record; `kvmdocs approve {name}` makes one", err=True)
    if drifts:
        sys.exit(DRIFT)


@main.command()
@click.argument("name")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write it there; else it is printed.")
@click.pass_obj
@reporting
def export(project: Path | None, name: str, output: Path | None) -> None:
    """Write a recipe, with all it builds on, as the bash script a reader could run."""
    from kvmdocs import approving, graph, modes
    from kvmdocs.export import script
    from kvmdocs.project import FIXED, Project

    known = Project(project)
    plan = graph.closure([name], lambda one: [wanted.name for wanted in known.catalog.get(one).recipe.inputs])
    records = {one: modes.newest(known, one) for one in graph.in_order(plan)}
    if records[name] is None:
        approving.fresh(known, name)
    missing = {one: "there is no record of it" for one, record in records.items() if record is None}
    text = script([record for record in records.values() if record], FIXED, missing)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
        output.chmod(0o755)


@main.command()
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
@reporting
def status(project: Path | None, names: tuple[str, ...], as_json: bool) -> None:
    """Say how recipes stand: current, stale or failed, when they ran, what is approved, what has drifted.

    Without names it is every recipe that guides show, with what they build on. Nothing is run.
    """
    from kvmdocs.project import Project
    from kvmdocs.status import status as standing

    known = Project(project)
    rows = standing(known, names or known.catalog.asked())
    if as_json:
        click.echo(json.dumps({"schema": 1, "recipes": [row.as_dict() for row in rows]}, indent=2, ensure_ascii=False))
        return
    for row in rows:
        click.echo(row.line())


@main.command()
@click.option("--older", default="30d", show_default=True, help="Remove what is older, such as 12h or 30d; `never` for no age.")
@click.option("--over", default="", help="Remove the oldest until the store takes no more than this, such as 20G.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.pass_obj
@reporting
def clean(project: Path | None, older: str, over: str, dry_run: bool) -> None:
    """Free the store of what is old or too much; what is in use stays."""
    from kvmdocs import report
    from kvmdocs.clean import choose, discard, taken, unused
    from kvmdocs.project import Project
    from kvmdocs.recipe import parse_size, parse_time

    days = older.removesuffix("d")
    age = None if older == "never" else float(days) * 86400 if days != older and days.isdigit() else parse_time(older)
    store = Project(project).store
    items = unused(store)
    chosen = choose(items, older=age, total=taken(store) if over else 0, over=parse_size(over) if over else None)
    freed = 0
    for item in chosen:
        if dry_run or discard(store, item):
            freed += item.size
            click.echo(f"{item.name:<60} {report.size(item.size):>10}  {item.age / 86400:.0f} days old")
    click.echo(f"{report.size(freed)} {'would be freed' if dry_run else 'freed'} in {store.path}", err=True)


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
@reporting
def list_recipes(project: Path | None, as_json: bool) -> None:
    """Name every recipe, what it builds on, and where it is shown."""
    from kvmdocs import report
    from kvmdocs.project import Project

    known = Project(project)
    if as_json:
        click.echo(json.dumps({"schema": 1, "recipes": report.listing(known.catalog)}, indent=2, ensure_ascii=False))
    else:
        for entry in report.listing(known.catalog):
            builds = f"  ← {', '.join(entry['builds_on'])}" if entry["builds_on"] else ""
            click.echo(f"{entry['name']:<28} {entry['title']}{builds}")
    for problem in known.catalog.problems:
        click.echo(f"\n{problem.report()}", err=True)
    if known.catalog.problems:
        sys.exit(WRONG)


@main.command()
@click.option("--install", is_flag=True, help="Install what is missing.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
@reporting
def doctor(project: Path | None, install: bool, as_json: bool) -> None:
    """Say what this host can do for the project, and what to do about what it cannot.

    With REQUIRE=all a missing package is an error.
    """
    from kvmdocs.doctor import examine
    from kvmdocs.project import Project

    known = Project(project)
    if install:
        from kvmdocs.site import install_missing

        install_missing(known, known.all_tools(), require=wants_all())
    checks = examine(known)
    if as_json:
        click.echo(json.dumps({"schema": 1, "checks": [check.as_dict() for check in checks]}, indent=2, ensure_ascii=False))
    else:
        for check in checks:
            click.echo(check.line())
    if wants_all() and any(check.blocks for check in checks):
        sys.exit(LACKS)


def wants_all() -> bool:
    """Whether a skip for want of a package is an error (``REQUIRE=all``)."""
    return os.environ.get("REQUIRE", "") == "all"


if __name__ == "__main__":
    main()
