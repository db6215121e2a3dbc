"""Ways in which an edit can change what a recipe does, read from ``tests/scenarios/ways.txt``, which explains its form."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

TEXT = Path(__file__).parents[1] / "scenarios" / "ways.txt"

RECIPE = "from kvmdocs import Shell, recipe\n{before}@recipe()\ndef {name}(sh: Shell) -> None:\n    {call}\n"
CALLS = {"BODY": "sh.echo({})", "CALL": "{}"}


@dataclass
class Way:
    """One way.

    Attributes:
        title: Its title.
        recipe: Name of its recipe.
        files: Text of each of its files, by the path in the project.
        edit: File of the edit; ``old -> new`` for a file that gets another name.
    """

    title: str
    recipe: str
    files: dict[str, str] = field(default_factory=dict)
    edit: str = ""


def read(package: str) -> dict[str, Way]:
    """Return all ways by their title.

    Args:
        package: Name of the package of recipes.
    """
    found: dict[str, Way] = {}
    for part in f"\n{TEXT.read_text('utf-8')}".split("\n# ")[1:]:
        title, *files = part.split("\n## ")
        way = found[title.strip()] = Way(title.strip(), f"way{len(found)}")
        for file in files:
            head, _, text = file.replace("PACKAGE", package).replace("NAME", way.recipe).partition("\n")
            path = head.removesuffix(" !")
            if head != path:
                way.edit = path
            way.files[path.partition(" -> ")[0]] = _expanded(text.rstrip("\n") + "\n", way.recipe)
    return found


def _expanded(text: str, name: str) -> str:
    """Return a module with its last line, ``BODY(text)`` or ``CALL(command)``, as a recipe."""
    for mark, form in CALLS.items():
        before, is_there, expression = text.rpartition(f"{mark}(")
        if is_there:
            return RECIPE.format(before=before, name=name, call=form.format(expression.rstrip()[:-1]))
    return text
