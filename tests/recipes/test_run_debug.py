from __future__ import annotations

import pytest

from recipes.debug.qemu_gdb import Frame, down_to, hits, number, parse_frames
from recipes.history.then_and_now import CHINESE, ENGLISH, GONE, THEN, Pair, align, table, table_en, table_zh
from recipes.run.guest import KVM_LIMIT, steady
from recipes.run.machine import interrupts, options_of_today, parse_threads

DEBUG = """\
#0  vring_used_idx_set (vq=0x7f2924259010, val=123) at ../qemu-7.2/hw/virtio/virtio.c:854
#1  0x0000563808c33a13 in virtqueue_split_flush (vq=0x7f2924259010, count=1)
    at ../qemu-7.2/hw/virtio/virtio.c:1409
#2  0x0000563808bd3ea6 in virtio_blk_req_complete
    (req=0x563824da66c0, status=0 '\\000')
    at ../qemu-7.2/hw/block/virtio-blk.c:65
#3  0x0000563808f36232 in coroutine_trampoline (i0=629777520, i1=22072)
    at ../qemu-7.2/util/coroutine-ucontext.c:177
#4  0x00007f29265089c0 in __start_context () at /lib/x86_64-linux-gnu/libc.so.6
#5  0x00007ffe06080f40 in  ()
#6  0x0000000000000000 in ?? ()
(More stack frames follow...)
"""
OPTIMISED = """\
#0  virtqueue_flush (vq=vq@entry=0x7f8ac1e96010, count=count@entry=1)
    at SOURCE/build/../hw/virtio/virtio.c:1457
#1  blk_aio_complete (acb=<optimized out>) at ../block/block-backend.c:1499
#2  0x00007f8ac42549c0 in __start_context () from /lib/x86_64-linux-gnu/libc.so.6
"""


@pytest.fixture
def source(tmp_path):
    tree = tmp_path / "qemu-7.2"
    for file in ("hw/virtio/virtio.c", "hw/block/virtio-blk.c", "block/block-backend.c", "util/coroutine-ucontext.c"):
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        (tree / file).touch()
    return tree


def test_frames_are_parsed_though_they_are_wrapped(source):
    assert parse_frames(DEBUG, source) == [
        Frame("vring_used_idx_set", "hw/virtio/virtio.c", 854),
        Frame("virtqueue_split_flush", "hw/virtio/virtio.c", 1409),
        Frame("virtio_blk_req_complete", "hw/block/virtio-blk.c", 65),
        Frame("coroutine_trampoline", "util/coroutine-ucontext.c", 177),
        Frame("__start_context"),
        Frame(""),
        Frame("??"),
    ]


def test_files_are_relative_to_the_source_however_the_compiler_named_them(source):
    assert parse_frames(OPTIMISED.replace("SOURCE", str(source)), source) == [
        Frame("virtqueue_flush", "hw/virtio/virtio.c", 1457),
        Frame("blk_aio_complete", "block/block-backend.c", 1499),
        Frame("__start_context"),
    ]


def test_a_file_that_is_not_qemus_stays_as_it_is(source):
    told = '#0  f (s=0x1 "(a)") at ../sysdeps/unix/sysv/linux/ppoll.c:42\n'
    assert parse_frames(told, source) == [Frame("f", "../sysdeps/unix/sysv/linux/ppoll.c", 42)]


def test_what_lies_below_the_trampoline_is_cut_off(source):
    names = [frame.function for frame in down_to(parse_frames(DEBUG, source), "coroutine_trampoline")]
    assert names[-1] == "coroutine_trampoline"
    assert len(names) == 4


def test_a_stack_without_the_trampoline_is_refused(source):
    with pytest.raises(AssertionError):
        down_to(parse_frames(OPTIMISED.replace("SOURCE", str(source)), source), "coroutine_trampoline")


@pytest.mark.parametrize(("told", "value"), [("$1 = 22072\n", 22072), ("$12 = -1\n", -1), ("warning: x\n$2 = 0\n", 0)])
def test_number(told, value):
    assert number(told) == value


@pytest.mark.parametrize("told", ["", 'No symbol "old" in current context.\n', "$1 = <optimized out>\n"])
def test_what_is_no_number_is_refused(told):
    with pytest.raises(AssertionError, match="no number"):
        number(told)


def test_threads_by_their_id():
    listing = "    PID     TID %CPU COMMAND\n   6112    6112 27.5 qemu-system-x86\n   6112    6122 21.9 CPU 0/TCG\n"
    assert parse_threads(listing) == {6112: "qemu-system-x86", 6122: "CPU 0/TCG"}


def test_interrupts_of_all_processors_are_counted_and_nothing_else():
    table = (
        " 24:          0          0   PCI-MSI 32768-edge      virtio0-config\n"
        " 25:        260          7   PCI-MSI 32769-edge      virtio0-req.0\n"
    )
    assert interrupts(table) == 267
    assert interrupts(" 25:          1   PCI-MSIX-0000:00:02.0   1-edge      virtio0-req.0\n") == 1


def test_a_reason_does_not_change_from_try_to_try():
    first = steady("-cpu host: 'guest:\\\\ ready' on the guest's console did not come within 24.9162 s")
    assert first == steady("-cpu host: 'guest:\\\\ ready' on the guest's console did not come within 24.1 s")
    assert f"within {KVM_LIMIT:g} s" in first
    assert "\\" not in first


def test_the_network_is_the_one_asked_for():
    assert "user,id=hostnet0" in options_of_today("user")
    assert "hubport,hubid=0,id=hostnet0" in options_of_today("hubport,hubid=0")


NOW = [
    Frame("vring_used_idx_set", "hw/virtio/virtio.c", 854),
    Frame("virtqueue_split_flush", "hw/virtio/virtio.c", 1409),
    Frame("virtqueue_flush", "hw/virtio/virtio.c", 1457),
    Frame("virtqueue_push", "hw/virtio/virtio.c", 1466),
    Frame("virtio_blk_req_complete", "hw/block/virtio-blk.c", 65),
    Frame("virtio_blk_rw_complete", "hw/block/virtio-blk.c", 132),
    Frame("blk_aio_complete", "block/block-backend.c", 1502),
    Frame("blk_aio_write_entry", "block/block-backend.c", 1569),
    Frame("coroutine_trampoline", "util/coroutine-ucontext.c", 177),
]


def test_the_two_stacks_meet_at_the_functions_both_have():
    rows = [
        (pair.then.function if pair.then else None, pair.now.function if pair.now else None) for pair in align(list(THEN), NOW)
    ]
    assert rows == [
        ("vring_used_idx_set", "vring_used_idx_set"),
        (None, "virtqueue_split_flush"),
        ("virtqueue_flush", "virtqueue_flush"),
        ("virtqueue_push", "virtqueue_push"),
        ("virtio_blk_complete_request", None),
        ("virtio_blk_req_complete", "virtio_blk_req_complete"),
        ("virtio_blk_rw_complete", "virtio_blk_rw_complete"),
        ("bdrv_co_complete", "blk_aio_complete"),
        ("bdrv_co_do_rw", "blk_aio_write_entry"),
        ("coroutine_trampoline", "coroutine_trampoline"),
    ]


def test_no_frame_is_lost_when_stacks_are_aligned():
    pairs = align(list(THEN), NOW)
    assert [pair.then for pair in pairs if pair.then] == list(THEN)
    assert [pair.now for pair in pairs if pair.now] == NOW


def test_a_row_of_the_table_says_what_happened():
    gone, new = Frame("bdrv_co_do_rw", "block/io.c"), Frame("blk_aio_write_entry", "block/block-backend.c", 1569)
    assert table([Pair(gone, None)], ENGLISH).endswith(
        "| <code>bdrv_<wbr>co_<wbr>do_<wbr>rw</code><br>block/io.c | — | **gone** |"
    )
    assert "</code><br>block/block-backend.c:1569 | **new**: " in table([Pair(None, new)], ENGLISH)
    assert "**another function does this now**: " in table([Pair(gone, new)], ENGLISH)
    assert table([Pair(gone, gone)], ENGLISH).endswith("**the same** |")


def test_both_languages_have_the_same_rows_and_reasons():
    pairs = align(list(THEN), NOW)
    english, chinese = table_en(pairs).splitlines(), table_zh(pairs).splitlines()
    assert len(english) == len(chinese) == len(pairs) + 2
    assert ENGLISH.why.keys() == CHINESE.why.keys()
    assert [line.split("|")[1:3] for line in english[2:]] == [line.split("|")[1:3] for line in chinese[2:]]


def test_what_is_gone_was_there():
    assert set(GONE) <= {frame.function for frame in THEN}


def test_hits_of_breakpoints_are_read_from_gdbs_table() -> None:
    table = """\
Num     Type           Disp Enb Address            What
2       breakpoint     keep y   0x000056346852f88a in virtio_queue_notify 
                                                   at ../hw/virtio/virtio.c:2921
\tignore next 1000 hits
3       breakpoint     keep y   0x000056346852f7c1 in handle_aiocb_rw at ../block/file-posix.c:1533
\tbreakpoint already hit 1 time
\tignore next 999 hits
8       breakpoint     keep y   0x000056346852bb2b in virtqueue_flush at ../virtio.c:1449
\tbreakpoint already hit 6 times
"""  # noqa: W291  # gdb's own space at the end of a line
    assert hits(table) == {"virtio_queue_notify": 0, "handle_aiocb_rw": 1, "virtqueue_flush": 6}
