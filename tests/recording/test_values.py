"""Values of recipes: stored, restored, and distinguished by content."""

from __future__ import annotations

import json
import os
from collections import namedtuple
from dataclasses import dataclass, field, replace
from enum import Enum, Flag, IntEnum, StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.core.errors import StoreError, ValueNotStorable
from kvmdocs.core.model import Host, Record, Status
from kvmdocs.recording import digests, values
from kvmdocs.recording.result_types import ReturnTypes
from kvmdocs.recording.value_form import DEEPEST
from kvmdocs.store.store import dump, load

KEY = "0123456789abcdef"


@dataclass(frozen=True)
class Image:
    kernel: Path
    options: tuple[str, ...] = ()
    sizes: dict[str, int] = field(default_factory=dict)
    inner: Image | None = None


class Holder:
    @dataclass(frozen=True)
    class Nested:
        word: str


@dataclass
class Loose:
    word: str


class Colour(StrEnum):
    RED = "red"


class Number(IntEnum):
    ONE = 1
    FIRST = 1


class Odd(Enum):
    """Values that are not their own JSON form, or that compare as equal."""

    PAIR = (1, 2)
    TRUE = True
    HALF = 0.5
    NOTHING = None
    TEXT = "Odd.PAIR"


class Access(Flag):
    READ = 1
    WRITE = 2


Point = namedtuple("Point", "x y")  # noqa: PYI024  # the kind without types is what is refused here

WORK = Path("/store/work")
RETURNED = ReturnTypes.only([Image, Colour, Number, Odd, Access, Loose, Holder, Holder.Nested, Point])
"""Types as of an annotation that names all of them."""


def through_a_record(value: object, work: Path = WORK) -> object:
    """Return what a later recipe gets: the value encoded, in a record, on the disk, and back."""
    host = Host("h", "s", "k", "m", 1, 1)
    record = Record("first", "k", Status.PASSED, host, "2026-01-02T03:04:05+00:00", value=values.encode(value, work, RETURNED))
    return values.decode(load(dump(record)).value, work, RETURNED)


TEXT = st.text(st.characters(codec="utf-8"))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from([*Colour, *Number, *Odd, Access.READ])
    | st.from_regex(r"[a-z]\w{0,8}-[0-9a-f]{16}(/[a-z]{1,5}){0,3}", fullmatch=True).map(lambda text: WORK / text)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(TEXT.filter(lambda text: not text.startswith("$")), inner, max_size=4)
        | st.builds(Image, kernel=LEAVES, options=st.lists(inner, max_size=2).map(tuple))
    ),
    max_leaves=12,
)


@given(VALUES)
def test_every_value_round_trips(value):
    back = through_a_record(value)
    assert back == value
    assert repr(back) == repr(value)  # 1, 1.0 and True are equal, and are not the same


@given(VALUES)
def test_a_value_in_json_form_is_json(value):
    data = values.encode(value, WORK, RETURNED)
    assert json.loads(json.dumps(data)) == data


def test_a_value_means_the_same_where_the_store_lies_elsewhere():
    data = values.encode(Image(WORK / f"linux-{KEY}/bzImage"), WORK, RETURNED)
    assert values.decode(data, Path("/other"), RETURNED) == Image(Path(f"/other/linux-{KEY}/bzImage"))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(object(), id="an object"),
        b"bytes",
        {1: "a"},
        {"$path": "a"},
        pytest.param({"a", "b"}, id="a set"),
        Path("/etc/passwd"),
        Path("relative"),
        WORK / ".." / "elsewhere",
        WORK,
        Image,
        [print],
        float("nan"),
        float("inf"),
        "\udc80",
        {"\udc80": 1},
        Point(1, 2),
        Access.READ | Access.WRITE,
        Access(0),
        Loose("word"),
        Holder.Nested("word"),
    ],
    ids=repr,
)
def test_what_would_not_come_back_as_it_is_is_refused(value):
    with pytest.raises(ValueNotStorable) as raised:
        values.encode({"deep": [value]}, WORK, RETURNED)
    assert raised.value.evidence.advice


def test_a_dataclass_of_a_function_or_a_block_is_refused():
    @dataclass(frozen=True)
    class Local:
        word: str

    for module in (Local.__module__, "docs/a.md:3"):
        Local.__module__ = module
        with pytest.raises(ValueNotStorable, match="Local"):
            values.encode(Local("word"), WORK, ReturnTypes.only([Local]))


def test_a_type_that_is_gone_is_an_error_of_the_store():
    for name in ("Gone", "no_such_module:Gone", f"{__name__}:Inner"):
        with pytest.raises(StoreError, match=f"it names the type '{name}', and its recipe has no annotation"):
            values.decode({"$type": name, "kernel": 1}, WORK, RETURNED)


def returns_nothing_special(sh):
    pass


def returns_an_image_or_more(sh) -> dict[str, Image | None]:
    pass


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (returns_nothing_special, "the recipe returns a Colour, and it has no annotation"),
        (returns_an_image_or_more, "and its annotation `dict[str, Image | None]` does not name that type"),
    ],
)
def test_a_type_that_the_annotation_does_not_name_is_refused_when_the_recipe_returns_it(function, said):
    with pytest.raises(ValueNotStorable) as raised:
        values.encode([Colour.RED], WORK, ReturnTypes(function))
    assert said in raised.value.message
    assert "annotate it `-> Colour`" in raised.value.evidence.advice


@dataclass(frozen=True)
class Unwilling:
    """Dataclass that cannot be recreated from its fields."""

    word: str

    def __post_init__(self):
        if self.word.startswith("made "):
            raise ValueError("made already")
        object.__setattr__(self, "word", f"made {self.word}")


def test_what_cannot_be_made_again_is_refused_when_the_recipe_returns_it():
    with pytest.raises(ValueNotStorable, match=r"could not be restored from its record: .*ValueError: made already"):
        values.encode(Unwilling("word"), WORK, ReturnTypes.only([Unwilling]))


def test_a_value_is_nested_as_deep_as_is_said_and_no_deeper():
    value: object = None
    for _ in range(DEEPEST):
        value = (value,)
    assert through_a_record(value) == value
    endless: list[object] = []
    endless.append(endless)
    for deeper in ((value,), endless):
        with pytest.raises(ValueNotStorable, match="nested"):
            values.encode(deeper, WORK)


def test_a_member_with_another_value_is_another_result(tmp_path):
    assert len({result(member, tmp_path) for member in (*Odd, *Colour, *Number)}) == len({*Odd}) + 2
    data = values.encode(Colour.RED, WORK, RETURNED)
    assert data == {"$enum": "Colour.RED", "value": "red"}
    assert digests.result_digest(data, {}) != digests.result_digest({**data, "value": "crimson"}, {})


def test_all_paths_of_a_value_are_found():
    value = [{"a": (WORK / f"a-{KEY}/x",)}, Image(WORK / f"b-{KEY}", inner=Image(WORK / f"c-{KEY}/y"))]
    assert digests.paths(values.encode(value, WORK, RETURNED)) == [f"a-{KEY}/x", f"b-{KEY}", f"c-{KEY}/y"]


# -- digests ----------------------------------------------------------------------------------------------------


def plant(root: Path) -> Path:
    """Return a tree with every kind of entry."""
    root.mkdir(parents=True)
    (root / "file").write_text("text")
    (root / "program").write_text("#!/bin/sh\n")
    (root / "program").chmod(0o755)
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "sub" / "deep" / "more").write_bytes(b"\0\xff")
    (root / "link").symlink_to("file")
    (root / "folder-link").symlink_to("sub")
    (root / "broken").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    (root / os.fsdecode(b"odd\xff\nname")).write_text("odd")
    return root


def change_link(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("program")


def link_to_file(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").write_text("file")


CHANGES = {
    "content": lambda root: (root / "sub/deep/more").write_bytes(b"\0\xfe"),
    "name": lambda root: (root / "file").rename(root / "elif"),
    "place": lambda root: (root / "file").rename(root / "sub/file"),
    "executable": lambda root: (root / "file").chmod(0o755),
    "link": change_link,
    "kind": link_to_file,
    "gone": lambda root: (root / "broken").unlink(),
    "new": lambda root: (root / "sub/new").write_text(""),
    "empty folder": lambda root: (root / "sub/empty").mkdir(),
    "odd name": lambda root: (root / os.fsdecode(b"odd\xff\nname")).write_text("even"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_trees_digest_depends_on_what_is_in_it(tmp_path, change):
    root = plant(tmp_path / "tree")
    before = digests.content_digest(root)
    CHANGES[change](root)
    assert digests.content_digest(root) != before


def test_a_trees_digest_depends_on_nothing_else(tmp_path):
    one = plant(tmp_path / "one")
    other = plant(tmp_path / "deep" / "other")
    os.utime(other / "file", (1, 1))
    (other / "file").chmod(0o600)
    (other / ".git").mkdir()
    (other / ".git" / "index").write_text("times")
    assert digests.content_digest(one) == digests.content_digest(other)


def test_a_files_digest_depends_on_its_content_and_whether_it_can_be_run(tmp_path):
    path = tmp_path / "file"
    seen = set()
    for text, mode in (("a", 0o644), ("b", 0o644), ("b", 0o755)):
        path.write_text(text)
        path.chmod(mode)
        seen.add(digests.content_digest(path))
    assert len(seen) == 3
    path.chmod(0o700)
    assert digests.content_digest(path) in seen


@pytest.mark.parametrize(
    "make", [lambda path: None, os.mkfifo, lambda path: path.symlink_to("nowhere")], ids=["none", "pipe", "broken link"]
)
def test_a_path_that_names_nothing_to_keep_is_refused(tmp_path, make):
    make(tmp_path / "nothing")
    with pytest.raises(ValueNotStorable, match="does not exist"):
        digests.content_digest(tmp_path / "nothing")


def result(value: object, work: Path, known: dict[str, str] | None = None) -> str:
    data = values.encode(value, work, RETURNED)
    return digests.result_digest(data, digests.contents(data, work, known or {}))


def test_a_result_depends_on_content_and_not_on_place(tmp_path):
    results = []
    for work, key, text in ((tmp_path / "a", "0" * 16, "x"), (tmp_path / "b", "1" * 16, "x"), (tmp_path / "c", "1" * 16, "y")):
        made = work / f"first-{key}" / "made"
        made.parent.mkdir(parents=True)
        made.write_text(text)
        results.append(result(Image(made, ("-O2",)), work))
    assert results[0] == results[1] != results[2]


def test_a_result_depends_on_names_and_on_all_that_is_no_path(tmp_path):
    for name in ("first", "other"):
        folder = tmp_path / f"{name}-{KEY}"
        folder.mkdir()
        for file in ("one", "two"):
            (folder / file).write_text("same")
    base = Image(tmp_path / f"first-{KEY}/one", ("a",), {"n": 1})
    variants = [
        base,
        replace(base, kernel=tmp_path / f"first-{KEY}/two"),
        replace(base, kernel=tmp_path / f"other-{KEY}/one"),
        replace(base, options=("b",)),
        replace(base, sizes={"n": 2}),
        [base],
        (base,),
        None,
    ]
    assert len({result(value, tmp_path) for value in variants}) == len(variants)


def test_what_an_input_named_is_not_read_again(tmp_path):
    made = tmp_path / f"first-{KEY}" / "made"
    made.parent.mkdir()
    made.write_text("a")
    data = values.encode(made, tmp_path)
    assert digests.contents(data, tmp_path, {f"first-{KEY}/made": "known"}) == {f"first-{KEY}/made": "known"}
