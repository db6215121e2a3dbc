"""Frames are looked up in their source trees; a line outside its function fails the recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmdocs.core.errors import CatalogError, RecipeFailed
from kvmdocs.core.model import Output, Status, Step, Where
from kvmdocs.recording.source.check import Tree, collect

SHOWN = "~/kvm-lab/get_it/qemu-7.2"
SOURCE = """\
#include "virtio.h"

void virtqueue_flush(VirtQueue *vq)
{
    virtqueue_split_flush(vq);
}

void virtqueue_push(VirtQueue *vq)
{
    virtqueue_flush(vq);
}
"""
FLUSH, PUSH = 5, 10
BACKTRACE = f"""\
#0  virtqueue_flush (vq=0x7f)
    at ../../get_it/qemu-7.2/hw/virtio/virtio.c:{FLUSH}
#1  0x55 in virtqueue_push (vq=0x7f) at {SHOWN}/hw/virtio/virtio.c:{PUSH}
#2  0x56 in poll () at ../sysdeps/unix/poll.c:29
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = tmp_path / "qemu-7.2"
    (root / "hw/virtio").mkdir(parents=True)
    (root / "hw/virtio/virtio.c").write_text(SOURCE)
    (root / "VERSION").write_text("7.2.22\n")
    return Tree("qemu", root, SHOWN)


def gdb(output: str, command: str = "bt", **fields: object) -> Step:
    return Step(Where.GDB, command, Output(output), **fields)


def rewrite(tree: Tree, text: str) -> None:
    (tree.root / "hw/virtio/virtio.c").write_text(text)


def test_frames_become_places(tree: Tree) -> None:
    places = collect([gdb("nothing"), gdb(BACKTRACE), gdb(BACKTRACE)], [tree])
    assert [(place.shown, place.path, place.line, place.function) for place in places] == [
        ("../../get_it/qemu-7.2/hw/virtio/virtio.c", "hw/virtio/virtio.c", FLUSH, "virtqueue_flush"),
        (f"{SHOWN}/hw/virtio/virtio.c", "hw/virtio/virtio.c", PUSH, "virtqueue_push"),
    ]
    assert {(place.tree, place.version, place.astray, place.patched) for place in places} == {("qemu", "7.2.22", "", False)}
    assert (places[0].first, places[0].excerpt) == (1, tuple(SOURCE.split("\n")[:10]))
    assert (places[1].first, places[1].excerpt[-1]) == (5, "")


@pytest.mark.parametrize("moved", [-3, -2, 3, 100])
def test_a_source_that_moved_fails(tree: Tree, moved: int) -> None:
    text = "\n" * moved + SOURCE if moved > 0 else "".join(SOURCE.splitlines(keepends=True)[-moved:])
    rewrite(tree, text)
    with pytest.raises(RecipeFailed, match=r"hw/virtio/virtio\.c:5 of qemu 7\.2\.22 does not match the transcript") as caught:
        collect([gdb(""), gdb(BACKTRACE)], [tree])
    assert caught.value.evidence.step == 2
    assert "virtqueue" in caught.value.message


def test_the_function_that_is_there_is_named(tree: Tree) -> None:
    with pytest.raises(RecipeFailed, match=r"`virtqueue_flush`, but the line is in `virtqueue_push`, lines 8 to 11") as caught:
        collect([gdb(BACKTRACE.replace(f":{FLUSH}", ":9"))], [tree])
    assert "     9 {" in caught.value.evidence.tail


@pytest.mark.parametrize("line", [1, 2, 7, 12, 13, 999])
def test_a_line_between_functions_or_behind_the_end_fails(tree: Tree, line: int) -> None:
    with pytest.raises(RecipeFailed, match=r"no function|ends at line|a declaration"):
        collect([gdb(BACKTRACE.replace(f":{FLUSH}", f":{line}"))], [tree])


def test_a_frame_whose_function_cannot_be_read_fails(tree: Tree) -> None:
    with pytest.raises(RecipeFailed, match="cannot be parsed"):
        collect([gdb(f"#0  ??? at {SHOWN}/hw/virtio/virtio.c:5\n")], [tree])


def test_the_line_that_the_debugger_prints_must_be_the_files(tree: Tree) -> None:
    shown = f"virtqueue_flush (vq=0x7f) at {SHOWN}/hw/virtio/virtio.c:5\n5\t"
    assert collect([gdb(f"{shown}    virtqueue_split_flush(vq);\n")], [tree])
    with pytest.raises(RecipeFailed, match="the debugger printed 'something_else"):
        collect([gdb(f"{shown}    something_else(vq);\n")], [tree])


def test_a_tree_that_no_step_speaks_of_fails(tree: Tree) -> None:
    with pytest.raises(RecipeFailed, match="no step printed a stack frame of the source tree 'qemu'"):
        collect([gdb("#0  0x56 in poll () at ../sysdeps/unix/poll.c:29\n")], [tree])


@pytest.mark.parametrize(
    ("command", "line", "is_there"),
    [
        ("break virtio.c:virtqueue_flush", 5, True),
        ("hbreak virtqueue_flush", 5, True),
        ("tbreak virtqueue_push", 5, False),
        ("break virtio.c:5", 5, True),
        ("break virtqueue_push if x > 1", 5, False),
        ("gdb -q -batch -ex 'break virtqueue_push' qemu", 5, False),
        ("gdb -q -batch -ex 'break virtio.c:virtqueue_flush' qemu", 5, True),
        ("break virtio.c:7", 7, False),
    ],
)
def test_a_breakpoint_is_in_the_function_it_was_asked_for(tree: Tree, command: str, line: int, is_there: bool) -> None:
    steps = [gdb(f"Breakpoint 1 at 0x55: file ../get_it/qemu-7.2/hw/virtio/virtio.c, line {line}.\n", command)]
    if is_there:
        assert [place.function for place in collect(steps, [tree])] == ["virtqueue_flush"]
    else:
        with pytest.raises(RecipeFailed):
            collect(steps, [tree])


def test_where_nobody_chose_to_stop_a_frame_may_be_astray_and_says_so(tree: Tree) -> None:
    there = f"0x55 in inlined (vq=0x7f)\n    at {SHOWN}/hw/virtio/virtio.c:5\n"
    for step in (gdb(there, "target remote vm.gdb"), Step(Where.ROOT, "gdb -q -nx -p 7", Output(there))):
        (place,) = collect([step], [tree])
        assert (place.function, place.astray) == ("virtqueue_flush", "inlined")
    for step in (gdb(there, "continue"), Step(Where.ROOT, "gdb -q -batch -ex 'info line inlined' qemu", Output(there))):
        with pytest.raises(RecipeFailed):
            collect([step], [tree])


def test_code_that_was_inlined_is_where_the_source_shows_it(tree: Tree) -> None:
    (tree.root / "list.h").write_text("static inline void add(x)\n{\n}\nstatic inline void del(x)\n{\n}\nvoid far(x)\n{\n}\n")

    def told(function: str, place: str) -> str:
        return collect([gdb(f"#0  {function} (x=1) at {SHOWN}/{place}\n")], [tree])[0].astray

    assert told("virtqueue_split_flush", "hw/virtio/virtio.c:5") == "virtqueue_split_flush", "the line calls it"
    assert told("virtqueue_push", "list.h:2") == "virtqueue_push", "the line was put into it"
    for function, place in [
        ("virtqueue_split_flush", "hw/virtio/virtio.c:4"),  # beside the call
        ("add", "list.h:5"),  # one inline function beside another
        ("virtqueue_push", "list.h:8"),  # a function of its own
        ("virtqueue_push", "hw/virtio/virtio.c:4"),
    ]:
        with pytest.raises(RecipeFailed, match=f"it names a frame of `{function}`"):
            told(function, place)


def test_an_author_may_name_what_the_compiler_gets_wrong(tree: Tree) -> None:
    named = Tree(tree.name, tree.root, tree.shown, ("inl*",))
    (place,) = collect([gdb(f"#0  inlined () at {SHOWN}/hw/virtio/virtio.c:5\n")], [named])
    assert place.astray == "inlined"
    with pytest.raises(RecipeFailed):
        collect([gdb(f"#0  outlined () at {SHOWN}/hw/virtio/virtio.c:5\n")], [named])


def test_what_a_record_left_out_has_no_place(tree: Tree) -> None:
    output = Output(BACKTRACE, f"#9  virtqueue_push () at {SHOWN}/hw/virtio/virtio.c:9\n", 7, 70, "001.log")
    assert [place.line for place in collect([Step(Where.GDB, "bt", output)], [tree])] == [FLUSH, PUSH, 9]


def test_what_grep_quotes_is_a_place_if_it_is_that_line(tree: Tree) -> None:
    quoted = 'hw/virtio/virtio.c:5:    virtqueue_split_flush(vq);\nhw/virtio/virtio.c:1:#include "virtio.h"\n'
    warning = "hw/virtio/virtio.c:5:3: warning: unused\nhw/virtio/virtio.c:99:x\n"
    places = collect([Step(Where.HOST, "grep -n x", Output(quoted + warning))], [tree])
    assert [(place.line, place.function) for place in places] == [(5, "virtqueue_flush"), (1, "")]


@pytest.mark.parametrize(
    ("named", "path"),
    [
        ("../hw/virtio/virtio.c", "hw/virtio/virtio.c"),
        ("./hw/virtio/virtio.c", "hw/virtio/virtio.c"),
        ("hw/net/../virtio/virtio.c", "hw/virtio/virtio.c"),
        ("../../get_it/qemu-7.2/hw/virtio/virtio.c", "hw/virtio/virtio.c"),
        (f"{SHOWN}/hw/virtio/virtio.c", "hw/virtio/virtio.c"),
        ("~/kvm-lab/other/qemu-7.2/hw/virtio/virtio.c", None),
        ("/usr/src/hw/virtio/virtio.c", None),
        ("virtio.c", None),
        ("../hw/virtio/trace.h", None),
        ("../../../hw", None),
    ],
)
def test_how_compilers_name_a_file(tree: Tree, named: str, path: str | None) -> None:
    assert tree.find(named) == path


@pytest.mark.parametrize(
    ("makefile", "version"),
    [
        ("VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 187\nEXTRAVERSION =\nNAME = x\n", "6.1.187"),
        ("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION =\n", "6.12"),
        ("VERSION = 7\nPATCHLEVEL = 0\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\n", "7.0-rc3"),
    ],
)
def test_the_version_of_linux(tmp_path: Path, makefile: str, version: str) -> None:
    (tmp_path / "Makefile").write_text(makefile)
    assert Tree("linux", tmp_path, "").version == version


def test_a_tree_without_version_is_an_error(tree: Tree) -> None:
    (tree.root / "VERSION").unlink()
    with pytest.raises(CatalogError, match="no version"):
        collect([gdb(BACKTRACE)], [tree])


def test_files_in_which_a_distribution_moves_lines(tree: Tree) -> None:
    patches = tree.root / "debian/patches"
    patches.mkdir(parents=True)
    (patches / "series").write_text("stable.diff\nown.diff\n# off.diff\n")
    (patches / "stable.diff").write_text("+++ b/VERSION\n@@ -1 +1 @@\n+++ b/moved/by/upstream.c\n@@ -1,2 +1,9 @@\n")
    (patches / "own.diff").write_text("+++ b/hw/virtio/virtio.c\n@@ -1,5 +1,6 @@\n x\n+++ b/spelling.c\n@@ -1,5 +1,5 @@\n x\n")
    (patches / "off.diff").write_text("+++ b/off.c\n@@ -1,2 +1,9 @@\n")
    assert tree.patched == {"hw/virtio/virtio.c"}
    assert all(place.patched for place in collect([gdb(BACKTRACE)], [tree]))


RECIPE = """
@recipe()
def tree(sh: Shell) -> Path:
    sh.write("qemu/VERSION", "7.2\\n")
    sh.write("qemu/x.c", "int one(void)\\n{{\\n}}\\nint two(void)\\n{{\\n}}\\n")
    return sh.workspace / "qemu"

@recipe()
def look(sh: Shell, tree: Path) -> None:
    sh.sources(qemu=tree)
    sh.echo(f"#0  one () at {{tree}}/x.c:{line}")
"""


@pytest.mark.process
def test_a_recipe_that_names_its_tree(trial) -> None:
    project = trial().recipes(RECIPE.format(line=2))
    record = project.run("look").records["look"]
    assert record.status is Status.PASSED
    (place,) = record.places
    assert (place.tree, place.version, place.path, place.line, place.function) == ("qemu", "7.2", "x.c", 2, "one")
    assert place.shown == "~/kvm-lab/tree/qemu/x.c"


@pytest.mark.process
def test_a_recipe_whose_frame_is_elsewhere_fails_and_names_the_step(trial) -> None:
    project = trial().recipes(RECIPE.format(line=5))
    failure = project.run("look").records["look"].failure
    assert (failure.error, failure.step) == ("RecipeFailed", 1)
    assert "it names a frame of `one`, but the line is in `two`, lines 4 to 6" in failure.message
    assert "astray" in failure.advice
