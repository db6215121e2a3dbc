"""Approved records: reviewed results of recipes, kept in git for readers and for machines that cannot run the recipe.

There is one file for each recipe, in the folder ``approved`` of the package of recipes. It is JSON in which every line of
output is a line of the file, so that changes are readable in a diff. It contains nothing that is specific to one host or run:
no key, no log, no digits of a workspace, no times of short steps, no address or path of the person who built it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from kvmdocs.core.errors import CatalogError, Evidence, Place
from kvmdocs.core.model import Host, Output, Record, SourceLocation, Status, Step, last_until, map_texts
from kvmdocs.core.paths import KEY_LENGTH, homes
from kvmdocs.core.secrets.environment import secret_values
from kvmdocs.core.secrets.masking import Secrets
from kvmdocs.core.settings import Settings, variable
from kvmdocs.recording.result_types import ReturnTypes
from kvmdocs.recording.value_form import ValueRefused
from kvmdocs.recording.values import verify
from kvmdocs.store.approved_form import FORM, Malformed, StepForm, convert, line_of, parse
from kvmdocs.store.files import atomic_write

FOLDER = "approved"
HEAD, TAIL = 160, 80
"""Lines kept of a step's output, from its beginning and from its end, when it has more than both."""
WORTH_SAYING = 5.0
"""Seconds from which a step's time is stored. Shorter times are not shown and would change with every approval."""

_RUN = re.compile(rf"\b(\w+)-[0-9a-f]{{{KEY_LENGTH}}}(?![0-9a-f])")


class Approved:
    """The approved records of a project.

    Args:
        settings: The project's settings.
        returned: Returns the types that a recipe may return, by the recipe's name. A value is decoded to no other types.
    """

    def __init__(self, settings: Settings, returned: Callable[[str], ReturnTypes] = lambda _name: ReturnTypes()) -> None:
        self._root = settings.root
        self._returned = returned
        self.folder: Path = settings.root / settings["project.recipes"].replace(".", "/") / FOLDER

    def path(self, recipe: str) -> Path:
        """Return the path of a recipe's file."""
        return self.folder / f"{recipe}.json"

    def names(self) -> list[str]:
        """Return the names of the recipes with an approved record, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def get(self, recipe: str) -> Record | None:
        """Return the approved record of a recipe; None if it has none.

        Raises:
            CatalogError: The file is not a valid approved record.
        """
        try:
            text = self.path(recipe).read_text("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise self._refused(recipe, str(error), 0) from error
        try:
            return self._checked(recipe, text)
        except Malformed as error:
            raise self._refused(recipe, str(error), error.line or line_of(text, error.at)) from error
        except ValueRefused as error:
            raise self.refused(recipe, error) from error

    def _checked(self, recipe: str, text: str) -> Record:
        """Return the record in the text of a recipe's file, after checking its recipe and its value."""
        record = read(parse(text))
        if record.recipe != recipe:
            raise Malformed(f"it belongs to the recipe {record.recipe!r}", ("recipe",))
        verify(record.value, self._returned(recipe))
        return record

    def refused(self, recipe: str, error: ValueRefused) -> CatalogError:
        """Return the error for an invalid value in a recipe's file."""
        return self._refused(recipe, error.message, line_of(self.path(recipe).read_text("utf-8"), ("value", *error.at)))

    def _refused(self, recipe: str, why: str, line: int) -> CatalogError:
        place = Place(str(self.path(recipe).relative_to(self._root)), line)
        return CatalogError(
            f"the approved record {place} cannot be read: {why}",
            Evidence(recipe=recipe, place=place, advice=f"restore it with git, or `kvmdocs approve {recipe}`"),
        )

    def put(self, record: Record) -> Path:
        """Write a record as its recipe's approved one.

        Args:
            record: A record that passed, without host-specific texts (see `redact`) and with truncated outputs (see
                `truncate`).

        Returns:
            The file.
        """
        data = json.dumps(to_json(record), indent=1, ensure_ascii=False)
        atomic_write(self.path(record.recipe), data.encode("utf-8", "backslashreplace") + b"\n")
        # `atomic_write` creates files with mode 0600. This one is for git.
        self.path(record.recipe).chmod(0o644)
        return self.path(record.recipe)


def redact(record: Record, hidden: Mapping[str, str]) -> Record:
    """Return the record without texts that are specific to this host, ready for git.

    Args:
        record: A record that passed.
        hidden: The texts to remove, with their replacements (`host_secrets`).
    """
    return read(to_json(map_texts(record, _masks(frozenset(hidden.items())).mask)))


@lru_cache(maxsize=4)
def _masks(hidden: frozenset[tuple[str, str]]) -> Secrets:
    return Secrets(dict(hidden))


def truncate(record: Record) -> Record:
    """Return the record with long outputs reduced to their beginning and end."""
    return replace(record, steps=tuple(replace(step, output=_brief(step.output)) for step in record.steps))


def _brief(output: Output) -> Output:
    head = output.head.splitlines(keepends=True)
    tail = output.tail.splitlines(keepends=True)
    if len(head) + len(tail) <= HEAD + TAIL:
        return output
    if output.omitted_bytes:
        start, dropped, end = head[:HEAD], [*head[HEAD:], *tail[:-TAIL]], tail[-TAIL:]
    else:
        start, dropped, end = head[:HEAD], head[HEAD:-TAIL], head[-TAIL:]
    return replace(
        output,
        head="".join(start),
        tail="".join(end),
        omitted_lines=output.omitted_lines + len(dropped),
        omitted_bytes=output.omitted_bytes + len("".join(dropped).encode("utf-8", "surrogatepass")),
    )


def to_json(record: Record) -> dict[str, Any]:
    """Return the data of a record's file."""
    data: dict[str, Any] = {
        "form": FORM,
        "recipe": record.recipe,
        "started": record.started,
        "seconds": round(record.seconds),
        "host": dataclasses.asdict(record.host),
        "settings": record.settings,
        "tools": {name: _lines(version) for name, version in record.tools.items()},
        "inputs": sorted(record.inputs) or None,
        "emulated": record.emulated,
        "value": _without_run(record.value),
        "steps": [_written_step(step, last_until(record.steps, number)) for number, step in enumerate(record.steps, 1)],
        "places": [_written_place(place) for place in record.places] or None,
    }
    if not record.emulated:
        del data["emulated"]
    return {name: part for name, part in data.items() if part is not None and part != {}}


def _written_place(place: SourceLocation) -> dict[str, Any]:
    return {item.name: part for item in dataclasses.fields(place) if (part := getattr(place, item.name)) != item.default}


def _written_step(step: Step, until: int) -> dict[str, Any]:
    output = step.output
    data: dict[str, Any] = {
        "section": step.section,
        "machine": step.machine or None,
        "where": str(step.where),
        "cwd": step.cwd,
        "command": _lines(step.command),
        "stdin": None if step.stdin is None else _lines(step.stdin),
        "mode": step.mode or None,
        "background": step.background or None,
        "until": until or None,
        "status": step.status,
        "seconds": round(step.seconds) if step.seconds >= WORTH_SAYING else None,
        "output": _lines(output.head) if output.head else None,
        "omitted_lines": output.omitted_lines or None,
        "omitted_bytes": output.omitted_bytes or None,
        "tail": _lines(output.tail) if output.tail else None,
    }
    return {name: part for name, part in data.items() if part is not None}


def read(data: Any) -> Record:
    """Return the record in the data of its file.

    Raises:
        Malformed: The data is not in the form of an approved record.
    """
    form = convert(data)
    return Record(
        recipe=form.recipe,
        key="",
        status=Status.PASSED,
        host=Host(**msgspec.structs.asdict(form.host)),
        started=form.started,
        seconds=form.seconds,
        steps=tuple(_read_step(step) for step in form.steps),
        value=form.value,
        inputs=dict.fromkeys(form.inputs, ""),
        settings=form.settings,
        tools={name: _text(lines) for name, lines in form.tools.items()},
        emulated=form.emulated,
        places=tuple(SourceLocation(**msgspec.structs.asdict(place)) for place in form.places),
    )


def _read_step(form: StepForm) -> Step:
    return Step(
        where=form.where,
        command=_text(form.command),
        output=Output(
            head=_text(form.output),
            tail=_text(form.tail),
            omitted_lines=form.omitted_lines,
            omitted_bytes=form.omitted_bytes,
        ),
        cwd=form.cwd,
        section=form.section,
        machine=form.machine,
        stdin=None if form.stdin is None else _text(form.stdin),
        mode=form.mode,
        background=form.background,
        until=form.until,
        status=form.status,
        seconds=form.seconds,
    )


def _lines(text: str) -> str | list[str]:
    """Return text as a list of its lines; text without a line end unchanged."""
    return text.split("\n") if "\n" in text else text


def _text(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "\n".join(lines)


def _without_run(value: Any) -> Any:
    """Return a value without the key's digits in its paths. They mean nothing elsewhere and change with every approval."""
    if isinstance(value, list):
        return [_without_run(item) for item in value]
    if isinstance(value, dict):
        return {name: _without_run(item) for name, item in value.items()}
    return _RUN.sub(r"\1", value) if isinstance(value, str) else value


def host_secrets(settings: Settings, folders: Iterable[Path], environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the texts of this host that must not be published, with their replacements.

    These are the project's folder and the other given folders, the user's home, and hosts in addresses from the environment (a
    mirror, a proxy, a package index). Secrets are included too: old records may still contain them.

    Args:
        settings: The project's settings. A value from the environment is specific to the host; one from the project's file is
            public.
        folders: Further folders, such as the store.
        environ: The environment; by default that of the process.
    """
    variables = dict(os.environ if environ is None else environ)
    hidden = {str(settings.root): "<project>", **{str(folder): "<store>" for folder in folders}, **homes(variables)}
    for name, value in settings.values.items():
        if variables.get(variable(name)) == value and "://" in str(value):
            hidden[str(value)] = f"<{name}>"
    for value in variables.values():
        for address in re.findall(r"[a-z]+://[^\s'\"]+", value):
            parts = urlsplit(address)
            if parts.hostname and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
                hidden.setdefault(parts.netloc.rpartition("@")[2], "<mirror>")
    return secret_values(variables, settings["secrets.variables"], settings["secrets.exempt"]) | hidden
