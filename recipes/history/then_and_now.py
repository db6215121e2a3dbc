"""The debugging session of 2015 beside today's: functions that are the same, renamed, gone or new."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path

from kvmdocs import Shell, recipe
from recipes.debug.qemu_gdb import Frame

THEN = (
    Frame("vring_used_idx_set", "hw/virtio/virtio.c"),
    Frame("virtqueue_flush", "hw/virtio/virtio.c"),
    Frame("virtqueue_push", "hw/virtio/virtio.c"),
    Frame("virtio_blk_complete_request", "hw/block/virtio-blk.c"),
    Frame("virtio_blk_req_complete", "hw/block/virtio-blk.c"),
    Frame("virtio_blk_rw_complete", "hw/block/virtio-blk.c"),
    Frame("bdrv_co_complete", "block/io.c"),
    Frame("bdrv_co_do_rw", "block/io.c"),
    Frame("coroutine_trampoline", "util/coroutine-ucontext.c"),
)
"""The call stack of a finished write in QEMU 2.5, innermost first.

Source: QEMU 2.5.0, from the callers in hw/virtio/virtio.c:291 and 305, hw/block/virtio-blk.c:49, 62 and 90,
block/io.c:2111 and 2140, util/coroutine-ucontext.c:63.
"""

GONE = ("virtio_blk_complete_request", "bdrv_co_complete", "bdrv_co_do_rw")
"""Functions of that stack that no longer exist in QEMU."""


@dataclass(frozen=True)
class Pair:
    """One row of the two call stacks set side by side.

    Attributes:
        then: The frame of 2015; None if the row is new.
        now: Today's frame; None if the row is gone.
    """

    then: Frame | None
    now: Frame | None


@recipe(expects="2s")
def then_and_now(sh: Shell, qemu_source: Path, step_virtqueue_flush: list[Frame]) -> list[Pair]:
    """Set the call stack of 2015 beside the one just seen, and look for the functions that are gone.

    Returns:
        The two stacks, aligned at the functions that both have.
    """
    with sh.section("gone"), sh.cd(qemu_source):
        for function in GONE:
            # Status 1 means that grep found nothing.
            sh.grep("-rnw", "--include=*.c", function, "hw", "block", _ok_code=[1])
    with sh.section("moved"), sh.cd(qemu_source):
        assert sh.grep("-n", "^static void virtqueue_split_flush", "hw/virtio/virtio.c")
        assert sh.grep("-n", "old = vq->used_idx", "hw/virtio/virtio.c")
        assert sh.grep("-nE", "blk_aio_(complete|write_entry)\\(", "block/block-backend.c")
    pairs = align(list(THEN), step_virtqueue_flush)
    lost = {pair.then.function for pair in pairs if pair.then and (not pair.now or pair.now.function != pair.then.function)}
    assert lost == set(GONE), lost
    return pairs


def align(then: list[Frame], now: list[Frame]) -> list[Pair]:
    """Align two call stacks: equal functions share a row, the others are paired as far as they go."""
    pairs: list[Pair] = []
    matcher = SequenceMatcher(None, [frame.function for frame in then], [frame.function for frame in now], autojunk=False)
    for _, a, b, c, d in matcher.get_opcodes():
        pairs += [Pair(old, new) for old, new in zip_longest(then[a:b], now[c:d])]
    return pairs


@dataclass(frozen=True)
class Words:
    """Texts of the table in one language.

    Attributes:
        head: Titles of the columns.
        same: Remark for a frame that both stacks have.
        renamed: Remark for a frame whose work another function does now.
        gone: Remark for a frame without a successor.
        new: Remark for a frame that did not exist in 2015.
        why: Explanation of a function, by its current name or, if it is gone, by its name of 2015.
    """

    head: tuple[str, str, str]
    same: str
    renamed: str
    gone: str
    new: str
    why: dict[str, str]


ENGLISH = Words(
    head=("2015: QEMU 2.5", "Now", "What happened"),
    same="the same",
    renamed="another function does this now",
    gone="gone",
    new="new",
    why={
        "virtqueue_split_flush": "there are two layouts of a ring now, split and packed; `virtqueue_flush` chooses",
        "virtqueue_flush": "in 2015 it held the code that is in `virtqueue_split_flush` today",
        "virtio_blk_complete_request": "the step existed so that the data plane could put its own function in its place; "
        "the data plane now uses the ordinary virtio code",
        "blk_aio_complete": "the asynchronous calls moved from single block nodes up to the block backend",
        "blk_aio_write_entry": "the coroutine is now started by the block backend, not below it",
    },
)

CHINESE = Words(
    head=("2015 年：QEMU 2.5", "现在", "变化"),
    same="相同",
    renamed="改由另一个函数承担",
    gone="已删除",
    new="新增",
    why={
        "virtqueue_split_flush": "现在的环有 split 和 packed 两种布局，由 `virtqueue_flush` 选择",
        "virtqueue_flush": "2015 年，今天 `virtqueue_split_flush` 里的代码就写在这个函数里",
        "virtio_blk_complete_request": "这一层当年是为了让 data plane 换上自己的函数；现在 data plane 走普通的 virtio 代码",
        "blk_aio_complete": "异步接口从单个块节点上移到了 block backend",
        "blk_aio_write_entry": "协程现在由 block backend 启动，而不是在它下面的一层",
    },
)


def table_en(pairs: list[Pair]) -> str:
    """Return the two stacks as a Markdown table in English."""
    return table(pairs, ENGLISH)


def table_zh(pairs: list[Pair]) -> str:
    """Return the two stacks as a Markdown table in Chinese."""
    return table(pairs, CHINESE)


def table(pairs: list[Pair], words: Words) -> str:
    """Return the two stacks as a Markdown table, one frame per row, innermost first."""
    rows = [f"| {' | '.join(words.head)} |", "|---|---|---|"]
    rows += [f"| {_cell(pair.then)} | {_cell(pair.now)} | {_verdict(pair, words)} |" for pair in pairs]
    return "\n".join(rows)


def _cell(frame: Frame | None) -> str:
    if frame is None:
        return "—"
    place = f"{frame.file}:{frame.line}" if frame.line else frame.file
    # Allow a line break in a long name only after an underscore.
    return f"<code>{frame.function.replace('_', '_<wbr>')}</code><br>{place}"


def _verdict(pair: Pair, words: Words) -> str:
    if pair.now is None:
        verdict = words.gone
    elif pair.then is None:
        verdict = words.new
    else:
        verdict = words.same if pair.then.function == pair.now.function else words.renamed
    frame = pair.now or pair.then
    why = words.why.get(frame.function, "") if frame else ""
    return f"**{verdict}**{': ' if words is ENGLISH else '：'}{why}" if why else f"**{verdict}**"
