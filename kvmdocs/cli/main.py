"""The command line: ``kvmdocs`` and its commands.

Exit codes (`kvmdocs.core.exit_codes`): 0 done, 1 a recipe failed, 2 wrong use or configuration, 3 the host lacks something,
4 drift, 130 interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kvmdocs.cli import authoring, projects, records, running
from kvmdocs.core import terminal

EPILOG = """\b
Exit codes: 0 done, 1 a recipe failed, 2 wrong use or configuration,
3 the host lacks something, 4 drift, 130 interrupted.

\b
Completion of commands, options and recipe names:
  bash   eval "$(_KVMDOCS_COMPLETE=bash_source kvmdocs)"
  zsh    eval "$(_KVMDOCS_COMPLETE=zsh_source kvmdocs)"
  fish   _KVMDOCS_COMPLETE=fish_source kvmdocs | source

\b
Every setting can be set by a variable: KVMDOCS_STORE_PATH for store.path.
NO_COLOR=1 turns colours off.
"""


class GuardedGroup(click.Group):
    """Group of all commands; everything they print goes through `kvmdocs.core.terminal`."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command, or print help or usage."""
        with terminal.guarded() as guard:
            self._guard = guard
            return super().main(*args, **kwargs)

    def use_project(self, project: Path | None) -> None:
        """Set the project whose secrets are masked in the output."""
        self._guard.root = project


@click.group(cls=GuardedGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.option("--project", "-C", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The project's folder.")
@click.version_option(package_name="kvmdocs")
@click.pass_context
def main(context: click.Context, project: Path | None) -> None:
    """Guides whose commands run."""
    context.obj = project
    assert isinstance(context.command, GuardedGroup)
    context.command.use_project(project)


for command in (*running.COMMANDS, *records.COMMANDS, *projects.COMMANDS, *authoring.COMMANDS):
    main.add_command(command)
