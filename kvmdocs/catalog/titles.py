"""What recipes do, in a page's own language.

The first sentence of a recipe's docstring says it, and that is all there is for terminals. The setting ``project.titles`` names a TOML file with
a table for each further language of the site, in it a sentence for each recipe by its name.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection

from kvmdocs.core.errors import Evidence, Place, SettingError
from kvmdocs.core.settings import Settings, line_of_key


def titles(settings: Settings, language: str, recipes: Collection[str]) -> dict[str, str]:
    """The sentences of a language, by recipe; none where the setting names no file or the file has no such table.

    Args:
        settings: The project's settings.
        language: The language's code, as its table is called.
        recipes: The names of all recipes.

    Raises:
        SettingError: The file cannot be read, or has something else than sentences of recipes that are there.
    """
    if not settings["project.titles"]:
        return {}
    path = settings.root / settings["project.titles"]
    place = Place(str(settings["project.titles"]))
    try:
        written = path.read_text("utf-8")
        table = tomllib.loads(written).get(language, {})
    except (OSError, ValueError) as error:
        advice = "the setting project.titles names a TOML file with a table for each language"
        raise SettingError(f"{place}: {error}", Evidence(place=place, advice=advice)) from error
    if not isinstance(table, dict):
        raise _wrong(place, written, language, "is no recipe")
    for name, sentence in table.items():
        if name not in recipes:
            raise _wrong(place, written, f"{language}.{name}", "is no recipe")
        if not isinstance(sentence, str):
            raise _wrong(place, written, f"{language}.{name}", "is no sentence")
    return table


def with_title(text: str, language: str, name: str, sentence: str) -> str:
    """The file's text with one more sentence at the end of a language's table, which is begun if it is not there.

    Args:
        text: The file's text.
        language: The language's code.
        name: The recipe.
        sentence: What it does.
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


def _wrong(file: Place, text: str, key: str, told: str) -> SettingError:
    """What is wrong with a key of the file, and where it stands."""
    place = Place(file.path, line_of_key(text, key))
    return SettingError(f"{place}: {key.rpartition('.')[2]} {told}", Evidence(place=place))
