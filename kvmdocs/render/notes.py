"""Notes of an author, hung on the first line that matches: real output moves, so no line number would do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kvmdocs.core.errors import Evidence, GuideError

Spot = tuple[int, str, int]
"""A line of a transcript: the step's number, ``"typed"`` or ``"head"`` or ``"tail"``, the line counted from 0."""


@dataclass(frozen=True)
class Notes:
    """The notes of one transcript, numbered in the order a reader meets them.

    Attributes:
        texts: The text of each note, the first one's number being 1.
        at: The numbers of the notes that hang on a line.
    """

    texts: tuple[str, ...] = ()
    at: Mapping[Spot, tuple[int, ...]] = field(default_factory=dict)

    def on(self, spot: Spot) -> tuple[int, ...]:
        """The numbers of the notes on a line."""
        return self.at.get(spot, ())

    def of_step(self, number: int) -> list[tuple[int, str]]:
        """Number and text of the notes on a step's lines."""
        numbers = sorted({note for spot, notes in self.at.items() if spot[0] == number for note in notes})
        return [(note, self.texts[note - 1]) for note in numbers]


def pattern(text: str, recipe: str) -> re.Pattern[str]:
    """A regular expression an author wrote.

    Raises:
        GuideError: It is none.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise GuideError(
            f"{text!r} is not a regular expression: {error}",
            Evidence(recipe=recipe, advice="mend the pattern in the block"),
        ) from error


def marking(text: str, lines: Iterable[str], recipe: str) -> re.Pattern[str]:
    """The pattern that marks lines of output.

    Args:
        text: A regular expression an author wrote.
        lines: Every line of output a reader can see, without its looks.
        recipe: The recipe's name, for a message.

    Raises:
        GuideError: It is none, or is found nowhere.
    """
    regex = pattern(text, recipe)
    if not any(map(regex.search, lines)):
        raise GuideError(
            f"highlight={text!r} marks nothing: no line of output of {recipe} matches",
            Evidence(recipe=recipe, advice="mend or remove it in the block"),
        )
    return regex


def hang(notes: Mapping[str, str], lines: Iterable[tuple[Spot, str]], recipe: str) -> Notes:
    """Hang each note on the first line its pattern is found in.

    Args:
        notes: Text by regular expression.
        lines: Every line a reader can see, in order, without its looks. A spot may come again with another reading of it.
        recipe: The recipe's name, for a message.

    Raises:
        GuideError: A pattern is none, or is found nowhere.
    """
    missing = {text: pattern(text, recipe) for text in notes}
    found: list[tuple[Spot, str]] = []
    met: dict[Spot, int] = {}
    if missing:
        for spot, line in lines:
            met.setdefault(spot, len(met))
            for text in [text for text, regex in missing.items() if regex.search(line)]:
                found.append((spot, notes[text]))
                del missing[text]
    if missing:
        raise GuideError(
            f"the note on {next(iter(missing))!r} hangs nowhere: no command and no line of output of {recipe} matches",
            Evidence(recipe=recipe, advice="mend or remove the note in the block"),
        )
    at: dict[Spot, tuple[int, ...]] = {}
    found.sort(key=lambda hung: met[hung[0]])
    for number, (spot, _) in enumerate(found, 1):
        at[spot] = (*at.get(spot, ()), number)
    return Notes(tuple(text for _, text in found), at)
