"""What recipes return: kept, found again, and told apart by content."""

from __future__ import annotations

import json
import os
from collections import namedtuple
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs import values
from kvmdocs.errors import StoreError, ValueNotStorable
from kvmdocs.model import Host, Record, Status
from kvmdocs.store import dump, load

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


Point = namedtuple("Point", "x y")  # noqa: PYI024  # the kind without types is what is refused here

WORK = Path("/store/work")


def through_a_record(value: object, work: Path = WORK) -> object:
    """What a later recipe gets: the value encoded, in a record, on the disk, and back."""
    host = Host("h", "s", "k", "m", 1, 1)
    record = Record("first", "k", Status.PASSED, host, "2026-01-02T03:04:05+00:00", value=values.encode(value, work))
    return values.decode(load(dump(record)).value, work)


TEXT = st.text(st.characters(codec="utf-8"))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
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
    data = values.encode(value, WORK)
    assert json.loads(json.dumps(data)) == data


def test_a_value_means_the_same_where_the_store_lies_elsewhere():
    data = values.encode(Image(WORK / f"linux-{KEY}/bzImage"), WORK)
    assert values.decode(data, Path("/other")) == Image(Path(f"/other/linux-{KEY}/bzImage"))


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
        Colour.RED,
        Number.ONE,
        Loose("word"),
        Holder.Nested("word"),
    ],
    ids=repr,
)
def test_what_would_not_come_back_as_it_is_is_refused(value):
    with pytest.raises(ValueNotStorable) as raised:
        values.encode({"deep": [value]}, WORK)
    assert raised.value.evidence.advice


def test_a_dataclass_of_a_function_or_a_block_is_refused():
    @dataclass(frozen=True)
    class Local:
        word: str

    for module in (Local.__module__, "docs/a.md:3"):
        Local.__module__ = module
        with pytest.raises(ValueNotStorable, match="Local"):
            values.encode(Local("word"), WORK)


def test_a_type_that_is_gone_is_an_error_of_the_store():
    for name in ("no_such_module:Image", f"{__name__}:Gone", f"{__name__}:Point"):
        with pytest.raises(StoreError, match="not there any more"):
            values.decode({"$type": name, "kernel": 1}, WORK)


def test_all_paths_of_a_value_are_found():
    value = [{"a": (WORK / f"a-{KEY}/x",)}, Image(WORK / f"b-{KEY}", inner=Image(WORK / f"c-{KEY}/y"))]
    assert values.paths(values.encode(value, WORK)) == [f"a-{KEY}/x", f"b-{KEY}", f"c-{KEY}/y"]


# -- digests ----------------------------------------------------------------------------------------------------


def plant(root: Path) -> Path:
    """A tree with a bit of everything."""
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
    before = values.content_digest(root)
    CHANGES[change](root)
    assert values.content_digest(root) != before


def test_a_trees_digest_depends_on_nothing_else(tmp_path):
    one = plant(tmp_path / "one")
    other = plant(tmp_path / "deep" / "other")
    os.utime(other / "file", (1, 1))
    (other / "file").chmod(0o600)
    (other / ".git").mkdir()
    (other / ".git" / "index").write_text("times")
    assert values.content_digest(one) == values.content_digest(other)


def test_a_files_digest_depends_on_its_content_and_whether_it_can_be_run(tmp_path):
    path = tmp_path / "file"
    seen = set()
    for text, mode in (("a", 0o644), ("b", 0o644), ("b", 0o755)):
        path.write_text(text)
        path.chmod(mode)
        seen.add(values.content_digest(path))
    assert len(seen) == 3
    path.chmod(0o700)
    assert values.content_digest(path) in seen


@pytest.mark.parametrize(
    "make", [lambda path: None, os.mkfifo, lambda path: path.symlink_to("nowhere")], ids=["none", "pipe", "broken link"]
)
def test_a_path_that_names_nothing_to_keep_is_refused(tmp_path, make):
    make(tmp_path / "nothing")
    with pytest.raises(ValueNotStorable, match="names nothing"):
        values.content_digest(tmp_path / "nothing")


def result(value: object, work: Path, known: dict[str, str] | None = None) -> str:
    data = values.encode(value, work)
    return values.result_digest(data, values.contents(data, work, known or {}))


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
    assert values.contents(data, tmp_path, {f"first-{KEY}/made": "known"}) == {f"first-{KEY}/made": "known"}
