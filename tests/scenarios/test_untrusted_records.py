"""Records are data: whatever one says, nothing but the types that recipes return is made of it, and its file is named."""

from __future__ import annotations

import builtins
import gc
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kvmdocs.core import errors
from kvmdocs.core.errors import CatalogError
from kvmdocs.core.model import Host, Output, Record, SourceLocation, Status, Step, Where
from kvmdocs.core.settings import Settings
from kvmdocs.recording import result_types, value_form, values
from kvmdocs.recording.result_types import ReturnTypes
from kvmdocs.recording.value_form import ValueRefused
from kvmdocs.script.assemble import script
from kvmdocs.store.approved import Approved, to_json
from kvmdocs.store.approved_form import line_of, parse
from kvmdocs.store.files import add_checksum
from kvmdocs.store.store import Store, sealed

WORK = Path("/store/work")


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Frame:
    function: str
    more: Any = None
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Secret:
    """One that no recipe returns."""

    word: str = ""

    def __post_init__(self):
        pytest.fail("a type that no recipe returns was made")


def traces(sh) -> dict[str, Frame | Colour]:
    """A recipe's function."""


RETURNED = ReturnTypes(traces)
HERE = __name__

# -- nothing but these types is imported or called --------------------------------------------------------------

PATHLIB = {str(module.__file__) for name, module in sys.modules.items() if name.partition(".")[0] == "pathlib"}
"""The files of pathlib, which is a package since Python 3.13."""
ALLOWED = {
    *(str(module.__file__) for module in (values, value_form, result_types, errors)),
    *(str(sys.modules[name].__file__) for name in ("dataclasses", "inspect", "enum", "contextlib")),
    *PATHLIB,
    os.path.splitdrive.__code__.co_filename,
    "<string>",  # the constructors that `dataclass` makes
}
"""The files whose Python code may run while a value is read."""
HARMLESS = re.compile(
    r"(builtins|math|sys|None):(?!eval|exec|compile|open|__import__|input|breakpoint)|posix:(fspath|_path_splitroot_ex)$"
)
"""What of C may run."""


@contextmanager
def watched() -> Iterator[set[str]]:
    """Note every import, and all code that runs but for what reads values."""
    ran: set[str] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename not in {*ALLOWED, __file__}:
            ran.add(f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}")
        elif event == "c_call" and not HARMLESS.match(name := f"{argument.__module__}:{argument.__qualname__}"):
            ran.add(name)

    def imported(name: str, *rest: Any) -> Any:
        sys.setprofile(None)
        # From Python 3.13 on pathlib imports ntpath when a path is first made.
        if name != "ntpath" or sys._getframe(1).f_code.co_filename not in PATHLIB:
            ran.add(f"import {name}")
        try:
            return original(name, *rest)
        finally:
            sys.setprofile(note)

    gc.disable()  # it calls whatever wants to know of it
    before, original = sys.getprofile(), builtins.__import__
    builtins.__import__ = imported
    sys.setprofile(note)
    try:
        yield ran
    finally:
        sys.setprofile(before)
        builtins.__import__ = original
        gc.enable()


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
NAMES = (
    st.sampled_from(
        [
            *("os:system", "subprocess:Popen", "builtins:eval", "builtins:exec", "antigravity:geohash", "no_such_module:Thing"),
            *(
                "kvmdocs.core.errors:Place",
                "kvmdocs.core.model:Host",
                "kvmdocs.recording.shell:Shell",
                "pathlib:Path",
                "",
                ":",
                ".",
            ),
            *("Frame", "Colour", "Secret", "traces", "Frame.__init__", "RETURNED", "", f"{HERE}:Frame", f"{HERE}:Secret"),
            *("Colour.RED", "Colour.BLUE", "Colour.__class__", "Secret.RED", "Frame.RED", f"{HERE}:Colour.RED"),
        ]
    )
    | TEXT
)
KEYS = st.sampled_from(["$path", "$tuple", "$type", "$enum", "$other", "value", "function", "more", "names", "args"]) | TEXT
PATHS = st.sampled_from(["a-0/b", "a", "../b", "/etc/passwd", "a/../../b", "", ".", "a//b", "./a", "a/", "a\0b", "~/x", "..."])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | NAMES | PATHS | st.just("\udc80")
DATA = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.builds(lambda name, more: {"$type": name, **more}, NAMES, st.dictionaries(KEYS, inner, max_size=2))
        | st.builds(lambda more: {"$type": "Frame", "function": "main", "more": more}, inner)
        | st.builds(lambda name, more: {"$enum": name, "value": more}, NAMES, inner)
        | inner.map(lambda item: {"$path": item})
        | inner.map(lambda item: {"$tuple": item})
        | PATHS.map(lambda path: {"$path": path})
    ),
    max_leaves=8,
)


def kinds_in(value: Any) -> set[type]:
    """The types of a value and of all that is in it."""
    inner = [*value, *value.values()] if isinstance(value, dict) else list(value) if isinstance(value, list | tuple) else []
    inner += [value.function, value.more, value.names] if isinstance(value, Frame) else []
    return {type(value)}.union(*(kinds_in(item) for item in inner))


def paths_in(value: Any) -> list[Path]:
    """The paths in a value."""
    if isinstance(value, Path):
        return [value]
    inner = list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list | tuple) else []
    inner += [value.function, value.more, value.names] if isinstance(value, Frame) else []
    return [path for item in inner for path in paths_in(item)]


@given(DATA)
@example({"$type": "subprocess:Popen", "args": ["true"]})
@example({"$type": "Secret"})
@example({"$type": "Frame", "function": {"$type": "os:system", "command": "true"}})
@example({"$enum": "Colour.__class__", "value": None})
def test_nothing_but_the_types_that_a_recipe_returns_is_imported_or_called(data):
    _ = RETURNED.types
    with watched() as ran:
        try:
            value = values.decode(data, WORK, RETURNED)
        except ValueRefused:
            value = None
    assert ran == set()
    assert kinds_in(value) <= {type(None), bool, int, float, str, list, dict, tuple, type(WORK), Frame, Colour}
    for path in paths_in(value):
        assert Path(os.path.normpath(path)).is_relative_to(WORK)
        assert Path(os.path.normpath(path)) != WORK
    assert values.decode(values.encode(value, WORK, RETURNED), WORK, RETURNED) == value


def nested(depth: int) -> Any:
    data: Any = 1
    for _ in range(depth):
        data = [data]
    return data


FRAME = {"$type": "Frame", "function": "main"}
REFUSED = {
    "another type": ({"$type": "subprocess:Popen", "args": []}, "names the type 'subprocess:Popen', and its recipe returns"),
    "a type that none returns": ({"$type": "Secret"}, "names the type"),
    "a type in a field": ({**FRAME, "more": {"$type": "os:system"}}, "names the type 'os:system'"),
    "a name that is no text": ({"$type": ["os", "system"]}, "$type wants text"),
    "an unknown field": ({**FRAME, "line": 3}, "Frame has no field 'line'"),
    "a field that is missing": ({"$type": "Frame"}, "the field 'function' of"),
    "an enumeration as a dataclass": ({"$type": "Colour", "value": 1}, "as a dataclass, which that is not"),
    "a dataclass as an enumeration": ({"$enum": "Frame.function", "value": 1}, "has no member 'function'"),
    "an unknown member": ({"$enum": "Colour.BLUE", "value": 1}, "has no member 'BLUE'"),
    "a member's value that is none": ({"$enum": "Colour.RED", "value": {"$type": "os:system"}}, "wants a number, text"),
    "a path that leads out": ({"$path": "../../etc/passwd"}, "'../../etc/passwd' does not lie in a workspace"),
    "a path that leads out in the middle": ({"$path": "a-0/../../b"}, "does not lie in a workspace"),
    "a path from the root": ({"$path": "/etc/passwd"}, "'/etc/passwd' does not lie in a workspace"),
    "a path with NUL": ({"$path": "a-0/b\0c"}, "does not lie in a workspace"),
    "no path": ({"$path": ""}, "does not lie in a workspace"),
    "the folder of workspaces": ({"$path": "."}, "does not lie in a workspace"),
    "a path that is a number": ({"$path": 3}, "$path wants text"),
    "a path and more": ({"$path": "a-0", "more": 1}, "$path stands with nothing else"),
    "a tuple of text": ({"$tuple": "abc"}, "$tuple wants a list"),
    "a tuple and more": ({"$tuple": [], "more": 1}, "$tuple stands with nothing else"),
    "two marks": ({"$tuple": [], "$path": "a-0"}, "'$path' is no key that a value may have here"),
    "an unknown mark": ({"$call": "os:system"}, "'$call' is no key that a value may have here"),
    "nested deeply": (nested(300), "nested more than"),
    "a lone surrogate": ("\udc80", "not text that can be written"),
    "a lone surrogate in a key": ({"\udc80": 1}, "not text that can be written"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_no_value_is_refused(why):
    data, said = REFUSED[why]
    with pytest.raises(ValueRefused) as raised:
        values.decode({"deep": [data]}, WORK, RETURNED)
    assert said in raised.value.message
    assert raised.value.at[:2] == ("deep", 0)


@dataclass(frozen=True)
class Picky:
    number: int

    def __post_init__(self):
        if self.number == 13:
            raise SystemExit("no 13 here")
        if self.number < 0:
            raise ValueError("a negative number")


@pytest.mark.parametrize(("number", "said"), [(-1, "ValueError: a negative number"), (13, "no 13 here"), (None, "TypeError")])
def test_a_dataclass_that_refuses_its_fields_is_no_crash(number, said):
    returned = ReturnTypes.only([Picky])
    data = {"$type": "Picky", "number": number}
    values.verify(data, returned)  # a record may hold it, and a page show its steps
    with pytest.raises(ValueRefused, match=f"Picky does not take its fields: .*{said}"):
        values.decode(data, WORK, returned)


# -- approved records -------------------------------------------------------------------------------------------

HOST = Host("box", "Debian GNU/Linux 12 (bookworm)", "6.1.0", "x86_64", 2, 4 << 30)
RECORD = Record(
    recipe="traces",
    key="",
    status=Status.PASSED,
    host=HOST,
    started="2026-11-24T21:00:00+00:00",
    steps=(
        Step(Where.HOST, "seq 2", Output("1\n2\n"), cwd="~/kvm-lab/traces", status=0),
        Step(Where.FILE, "boot.S", stdin="nop\n", mode="644"),
    ),
    value={"main": FRAME, "colours": [{"$enum": "Colour.RED", "value": 1}]},
    tools={"gcc": "gcc 12\nmore"},
    settings={"trial.word": "yes"},
    inputs={"make": ""},
    places=(SourceLocation("a.c", 1, "linux", "6.1", "a.c", excerpt=("one", "two")),),
)


@pytest.fixture(scope="module")
def approved(tmp_path_factory) -> Approved:
    made = Approved(Settings.load(tmp_path_factory.mktemp("project"), {}), lambda _: RETURNED)
    made.put(RECORD)
    return made


def refusal(approved: Approved, text: str | bytes) -> CatalogError:
    """The error of an approved record with this text."""
    approved.path("traces").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    with pytest.raises(CatalogError) as raised:
        approved.get("traces")
    error = raised.value
    assert error.evidence.place
    assert f"the approved record {error.evidence.place} cannot be read: " in error.message
    assert error.evidence.place.path == "recipes/approved/traces.json"
    assert error.evidence.advice == "restore it with git, or `kvmdocs approve traces`"
    return error


@pytest.mark.parametrize("why", REFUSED)
def test_a_value_that_is_none_is_told_with_file_and_line(approved, why):
    data, said = REFUSED[why]
    text = json.dumps({**to_json(RECORD), "value": [0, {"here": "VALUE"}]}, indent=1)
    line = text[: text.index('"VALUE"')].count("\n") + 1
    error = refusal(approved, text.replace('"VALUE"', json.dumps(data)))
    assert said in error.message
    assert error.evidence.place.line == line
    # Each mark in a line of its own, as the file has it.
    marked = json.dumps(data, indent=1)
    error = refusal(approved, text.replace('"VALUE"', marked))
    assert line <= error.evidence.place.line <= line + marked.count("\n")


def change(data: Any, at: list[str | int], value: Any) -> Any:
    """Data with another value somewhere; `...` takes it away."""
    if not at:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    changed = change(copy[at[0]] if isinstance(at[0], int) or at[0] in copy else None, at[1:], value)
    if changed is ...:
        del copy[at[0]]
    else:
        copy[at[0]] = changed
    return copy


WRONG = {
    "form": [2, "1", None, True, ...],
    "recipe": ["other", "../../other", 5, None, ...],
    "started": [5, None, ...],
    "seconds": ["1", None, [], ...],
    "host": ["box", [], None, {}, ...],
    "host.name": [5, None, ["box"], ...],
    "host.cpus": ["2", 2.5, None, -1, 1 << 70, 10**400, ...],
    "host.memory": ["2", True, 10**400],
    "host.colour": ["red"],
    "settings": ["x", [], 5],
    "tools": ["x", ["gcc"], {"gcc": 5}, {"gcc": [5]}],
    "inputs": ["make", [5], {"make": 1}],
    "emulated": ["yes", 1],
    "steps": ["x", {}, None, [5], [[]], ...],
    "steps.0.where": ["nowhere", 5, None, ...],
    "steps.0.command": [5, None, [5], {}, ...],
    "steps.0.output": [5, [5], {"head": "x"}],
    "steps.0.cwd": [5, ["~"]],
    "steps.0.section": [5],
    "steps.0.machine": [5, None],
    "steps.0.status": ["0", 1.5],
    "steps.0.seconds": ["1"],
    "steps.0.background": ["no", 0],
    "steps.0.until": ["1", -1],
    "steps.0.omitted_lines": ["1", -1, 10**30],
    "steps.0.colour": ["red"],
    "steps.1.stdin": [5],
    "steps.1.mode": [644, "a+x", "644; true", "644\n"],
    "places": ["x", [5], {}],
    "places.0.path": [5, None, ...],
    "places.0.line": ["1", None, -3],
    "places.0.excerpt": ["text", [5]],
    "places.0.colour": ["red"],
    "colour": ["red"],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_field_of_another_type_is_told_with_file_and_line(approved, name):
    at = [int(part) if part.isdigit() else part for part in name.split(".")]
    for value in WRONG[name]:
        data = change(json.loads(json.dumps(to_json(RECORD))), at, value)
        text = json.dumps(data, indent=1)
        error = refusal(approved, text)
        wanted = line_of(text, tuple(at))
        assert wanted <= error.evidence.place.line <= wanted + 3, (value, error.message)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("{", 1, "it is no JSON"),
        ('{\n "form": 1,\n "recipe" "x"\n}', 3, "it is no JSON"),
        ("[\n1\n]", 0, "Expected `object`, got `array`"),
        ("", 1, "it is no JSON"),
        (b"\xff", 0, "utf-8"),
        ('{\n "form": 1,\n "host": {\n  "name": "form",\n  "name": "b"\n }\n}', 5, "the key 'name' stands twice"),
        ('{\n "form": 1,\n "value": {"$type": "a:B",\n  "$type": "os:system"}\n}', 4, "the key '$type' stands twice"),
        ('{\n "form": 1,\n "seconds":\n NaN\n}', 4, "NaN is no number"),
        ('{\n "form": 1,\n "seconds": -Infinity\n}', 3, "-Infinity is no number"),
        ('{\n "form": 1,\n "a": "1e999",\n "seconds": 1e999\n}', 4, "1e999 is no number"),
        ('{"form":\n ' + "1" * 5000 + "}", 2, "a number of 5000 digits is too long"),
        ('{"form": 1,\n"value": ' + "[" * 100_000 + "]" * 100_000 + "}", 2, "nested too deeply"),
    ],
    ids=range(12),
)
def test_text_that_is_no_record_is_told_with_its_line(approved, text, line, said):
    error = refusal(approved, text)
    assert said in error.message
    assert error.evidence.place.line == line


def test_a_folder_or_a_file_that_cannot_be_read_is_told(approved):
    approved.path("other").mkdir()
    with pytest.raises(CatalogError, match=r"approved/other\.json cannot be read"):
        approved.get("other")
    approved.path("other").rmdir()


LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES
PLACES = [*(name.split(".") for name in WRONG), ["value"], ["value", "main"], ["value", "main", "more"], ["settings", "a"]]


def looked_at(approved: Approved) -> tuple[Record | None, int]:
    """The approved record, or the line that the error names."""
    try:
        return approved.get("traces"), 0
    except CatalogError as error:
        return None, error.evidence.place.line if error.evidence.place else 0


@given(
    st.sampled_from(PLACES), st.just(...) | DATA | LEAF, st.integers(0, 4000), st.text(st.characters(codec="utf-8"), max_size=2)
)
def test_an_approved_record_is_read_or_refused_with_a_line_of_it(approved, place, value, cut, instead):
    at = [int(part) if part.isdigit() else part for part in place]
    whole = json.loads(json.dumps(to_json(RECORD)))
    changed = whole
    with suppress(KeyError, IndexError):
        changed = change(whole, at, value)
    text = json.dumps(changed, indent=1)
    for one in (text, text[:cut] + instead + text[cut + 1 :]):
        approved.path("traces").write_bytes(one.encode("utf-8"))
        record, line = looked_at(approved)
        kinds = kinds_in(values.decode(record.value, WORK, RETURNED)) if record else set()
        assert kinds <= {type(None), bool, int, float, str, list, dict, tuple, type(WORK), Frame, Colour}
        assert record or 0 <= line <= len(re.findall(r"\r\n|\r|\n", one)) + 1


@given(st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=9))
def test_every_value_has_the_line_on_which_it_begins(data):
    text = json.dumps({"a": [data]}, indent=1)

    def below(value: Any, at: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [at, *(deeper for key, item in pairs for deeper in below(item, (*at, key)))]

    everything = parse(text)
    mark = "\ue000"
    assert line_of(text, ()) == 0  # the file as a whole
    for at in below(everything, ())[1:]:
        marked = json.dumps(change(everything, list(at), mark), indent=1)
        assert line_of(text, at) == marked[: marked.index(json.dumps(mark))].count("\n") + 1


# -- records of a store -----------------------------------------------------------------------------------------

KEY = "0123456789abcdef" * 4


FORMLESS = [
    why for why, (_, said) in REFUSED.items() if not re.search(r"names the type|field|member|surrogate|dataclass", why + said)
]
"""What is no value whatever its recipe returns, and can be in a store, whose JSON has no lone surrogates."""


@pytest.mark.parametrize("why", FORMLESS)
def test_a_record_of_the_store_whose_value_is_none_is_as_good_as_none(tmp_path, why):
    data, _ = REFUSED[why]
    store = Store(tmp_path)
    store.put(replace(RECORD, key=KEY, value=data))
    assert store.get(KEY) is None
    assert store.latest("traces") is None


@pytest.mark.parametrize("name", ["/etc/passwd", "../../../secret", "..", "", "a/b", "a\0b"])
def test_a_record_of_the_store_names_no_file_but_its_own(tmp_path, name):
    store = Store(tmp_path)
    sound = replace(RECORD, key=KEY)
    store.put(sound)
    assert store.latest("traces") == sound
    step = replace(RECORD.steps[0], output=Output("x", log=name))
    (store.root / "records" / f"{KEY}.json").write_bytes(sealed(replace(sound, steps=(step,))))
    assert store.latest("traces") is None
    (store.root / "records" / f"{KEY}.json").write_bytes(sealed(replace(sound, recipe=name)))
    assert store.get(KEY) is None
    (store.root / "latest" / "traces").write_text(name)
    assert store.latest("traces") is None


def test_the_last_record_of_a_recipe_is_its_own(tmp_path):
    store = Store(tmp_path)
    store.put(replace(RECORD, key=KEY, recipe="other"))
    (store.root / "latest" / "traces").write_text(KEY)
    assert store.latest("traces") is None
    (store.root / "records" / f"{'f' * 64}.json").write_bytes(sealed(replace(RECORD, key=KEY)))
    (store.root / "latest" / "traces").write_text("f" * 64)
    assert store.latest("traces") is None


def test_a_record_of_the_store_that_is_nested_deeply_is_none(tmp_path):
    store = Store(tmp_path)
    store.put(replace(RECORD, key=KEY))
    path = store.root / "records" / f"{KEY}.json"
    body = (
        path.read_bytes()
        .partition(b"\n")[2]
        .replace(b'"value":{', b'"value":{"deep":' + b"[" * 100_000 + b"]" * 100_000 + b",", 1)
    )
    path.write_bytes(add_checksum(body))
    assert store.get(KEY) is None


# -- what is shown of a record ----------------------------------------------------------------------------------


def test_a_script_runs_no_label_of_a_record():
    """A page shows the commands that its script has; what the page shows as a label must not be one."""
    label = "box\ntouch planted\n$(touch planted)"
    steps = (
        Step(Where.GUEST, "uname", machine=label, section=label, status=0),
        Step(Where.HMP, "info kvm", machine=label),
        Step(Where.QMP, '{"execute": "quit"}', machine=label),
    )
    host = Host(label, label, label, label, 2, 4 << 30)
    text = script([replace(RECORD, recipe="use", host=host, started=label, tools={label: label}, steps=steps)], {})
    quoted = shlex.quote(label)
    assert text.count(quoted) == 4  # in three answers and where the machine ends
    left = text.replace(quoted, "")
    assert all(line.startswith("# ") for line in left.splitlines() if "touch planted" in line)
