"""Titles of recipes in a page's language.

The title is the first sentence of a recipe's docstring. Terminals use no other. The setting ``project.titles`` names a TOML
file with a table for each further language of the site. A table maps names of recipes to titles.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection

from kvmdocs.core.errors import Evidence, Place, SettingError
from kvmdocs.core.settings import Settings, line_of_key


def titles(settings: Settings, language: str, recipes: Collection[str]) -> dict[str, str]:
    """Return the titles of a language, by recipe. The result is empty if the setting or the table is missing.

    Args:
        settings: The project's settings.
        language: The language's code, which is the name of its table.
        recipes: The names of all recipes.

    Raises:
        SettingError: The file cannot be read, or has an entry that is not the title of a known recipe.
    """
    if not settings["project.titles"]:
        return {}
    path = settings.root / settings["project.titles"]
    place = Place(str(settings["project.titles"]))
    try:
        written = path.read_text("utf-8-sig")
        table = tomllib.loads(written).get(language, {})
    except (OSError, ValueError) as error:
        advice = "the setting project.titles names a TOML file with a table for each language"
        raise SettingError(f"{place}: {error}", Evidence(place=place, advice=advice)) from error
    if not isinstance(table, dict):
        raise _wrong(place, written, language, "is not a table of titles")
    for name, sentence in table.items():
        if name not in recipes:
            raise _wrong(place, written, f"{language}.{name}", "is not a recipe of this project")
        if not isinstance(sentence, str):
            raise _wrong(place, written, f"{language}.{name}", "is not a string")
    return table


def with_title(text: str, language: str, name: str, sentence: str) -> str:
    """Return the file's text with a title appended to a language's table. The table is added if it is missing.

    Args:
        text: The file's text.
        language: The language's code.
        name: The recipe.
        sentence: Its title.
    """
    added = f"{name} = {json.dumps(sentence, ensure_ascii=False)}"
    lines = text.rstrip("\n").split("\n") if text.strip() else []
    heads = [number for number, line in enumerate(lines) if line.strip().startswith("[")]
    table = next((number for number in heads if lines[number].strip() == f"[{language}]"), None)
    if table is None:
        return "\n".join([*lines, *([""] if lines else []), f"[{language}]", added]) + "\n"
    end = next((number for number in heads if number > table), len(lines))
    while not lines[end - 1].strip():
        end -= 1
    return "\n".join([*lines[:end], added, *lines[end:]]) + "\n"


def _wrong(file: Place, text: str, key: str, problem: str) -> SettingError:
    """Return the error for a key of the file, with the key's line."""
    place = Place(file.path, line_of_key(text, key))
    return SettingError(f"{place}: {key.rpartition('.')[2]} {problem}", Evidence(place=place))
