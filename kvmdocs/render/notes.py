"""An author's notes on lines of a transcript.

A regular expression selects the line, since line numbers change with the output.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kvmdocs.core.errors import Evidence, GuideError

LinePosition = tuple[int, str, int]
"""Position of a line in a transcript: step number; ``"typed"``, ``"head"`` or ``"tail"``; index of the line in that part."""


@dataclass(frozen=True)
class Notes:
    """The notes of one transcript, numbered from 1 in the order of their lines.

    Attributes:
        texts: The text of each note; note 1 is the first.
        numbers: The numbers of the notes on each line that has notes.
    """

    texts: tuple[str, ...] = ()
    numbers: Mapping[LinePosition, tuple[int, ...]] = field(default_factory=dict)

    def on(self, position: LinePosition) -> tuple[int, ...]:
        """Return the numbers of the notes on a line."""
        return self.numbers.get(position, ())

    def of_step(self, number: int) -> list[tuple[int, str]]:
        """Return number and text of the notes on a step's lines."""
        notes = sorted({note for position, numbers in self.numbers.items() if position[0] == number for note in numbers})
        return [(note, self.texts[note - 1]) for note in notes]


def compile_pattern(text: str, recipe: str) -> re.Pattern[str]:
    """Compile an author's regular expression.

    Args:
        text: The regular expression.
        recipe: The recipe's name, for the error message.

    Raises:
        GuideError: The regular expression is invalid.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise GuideError(
            f"{text!r} is not a regular expression: {error}",
            Evidence(recipe=recipe, advice="correct the pattern in the block"),
        ) from error


def compile_highlight(text: str, lines: Iterable[str], recipe: str) -> re.Pattern[str]:
    """Compile the pattern of a block's `highlight` option.

    Args:
        text: The author's regular expression.
        lines: All visible lines of output, without styles.
        recipe: The recipe's name, for the error message.

    Raises:
        GuideError: The regular expression is invalid or matches no line.
    """
    regex = compile_pattern(text, recipe)
    if not any(map(regex.search, lines)):
        raise GuideError(
            f"highlight={text!r} marks nothing: no line of output of {recipe} matches",
            Evidence(recipe=recipe, advice="correct or remove it in the block"),
        )
    return regex


def attach_notes(notes: Mapping[str, str], lines: Iterable[tuple[LinePosition, str]], recipe: str) -> Notes:
    """Attach each note to the first line that its pattern matches.

    Args:
        notes: The text of each note, by its regular expression.
        lines: All visible lines in order, without styles. A position may occur again with another form of its line.
        recipe: The recipe's name, for the error message.

    Raises:
        GuideError: A regular expression is invalid or matches no line.
    """
    unmatched = {text: compile_pattern(text, recipe) for text in notes}
    attached: list[tuple[LinePosition, str]] = []
    order: dict[LinePosition, int] = {}
    if unmatched:
        for position, line in lines:
            order.setdefault(position, len(order))
            for text in [text for text, regex in unmatched.items() if regex.search(line)]:
                attached.append((position, notes[text]))
                del unmatched[text]
    if unmatched:
        raise GuideError(
            f"the note on {next(iter(unmatched))!r} hangs nowhere: no command and no line of output of {recipe} matches",
            Evidence(recipe=recipe, advice="correct or remove the note in the block"),
        )
    numbers: dict[LinePosition, tuple[int, ...]] = {}
    attached.sort(key=lambda note: order[note[0]])
    for number, (position, _) in enumerate(attached, 1):
        numbers[position] = (*numbers.get(position, ()), number)
    return Notes(tuple(text for _, text in attached), numbers)
