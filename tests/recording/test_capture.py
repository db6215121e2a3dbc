"""Capture of a step's output: head, tail, log, limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.core.paths import PathDisplay
from kvmdocs.recording.capture import HEAD, TAIL, Capture

LIMIT = 1 << 20


@pytest.fixture
def names(tmp_path) -> PathDisplay:
    return PathDisplay(tmp_path / "work")


@pytest.fixture
def capture(tmp_path) -> Capture:
    return Capture(tmp_path / "logs" / "001.log", LIMIT)


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %07d\n" % number for number in range(first, last))


def test_a_short_output_is_all_there_and_leaves_no_log(capture, names, tmp_path):
    capture.write(b"one\n")
    capture.write("två\n")
    output = capture.finish(names)
    assert (output.head, output.text, output.log) == ("one\ntvå\n", "one\ntvå\n", None)
    assert (output.omitted_bytes, output.omitted_lines, output.lost_bytes, output.tail) == (0, 0, 0, "")
    assert not (tmp_path / "logs").exists()


def test_what_is_kept_of_a_long_output_can_be_looked_at_before_its_end(capture, names):
    capture.write(b"first words\n")
    capture.write(lines(0, 20_000))
    so_far = capture.text()
    assert so_far.startswith("first words\n")
    assert so_far.endswith("line 0019999\n")
    capture.write(b"more\n")
    output = capture.finish(names)
    assert output.text.endswith("more\n")
    assert output.log


def test_no_output(capture, names):
    assert capture.finish(names).text == ""
    assert capture.last_line() == ""


def test_what_just_fits_leaves_no_log(capture, names):
    capture.write(b"x" * HEAD)
    assert (capture.finish(names).log, len(capture.finish(names).head)) == (None, HEAD)


@pytest.mark.parametrize("chunk", [1000, 4096, 65536, 1 << 22], ids=str)
def test_a_long_output_has_its_ends_and_a_whole_log(capture, names, tmp_path, chunk):
    data = lines(0, 40_000)
    for start in range(0, len(data), chunk):
        capture.write(data[start : start + chunk])
    output = capture.finish(names)
    assert output.log == "001.log"
    assert (tmp_path / "logs" / "001.log").read_bytes() == data
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["001.log"]
    assert data.startswith(output.head.encode())
    assert data.endswith(output.tail.encode())
    assert output.head.endswith("\n")
    assert output.tail.startswith("line ")
    assert HEAD - 20 < len(output.head) <= HEAD
    assert TAIL - 20 < len(output.tail) <= TAIL
    assert len(output.head) + output.omitted_bytes + len(output.tail) == len(data)
    assert output.head.count("\n") + output.omitted_lines + output.tail.count("\n") == 40_000
    assert output.lost_bytes == 0
    assert f"[… {output.omitted_lines} lines …]" in output.text


def test_what_passes_the_limit_of_the_log_is_counted_and_the_end_is_kept(capture, names, tmp_path):
    data = lines(0, 200_000)
    for start in range(0, len(data), 65536):
        capture.write(data[start : start + 65536])
    output = capture.finish(names)
    assert (tmp_path / "logs" / "001.log").stat().st_size == LIMIT
    assert output.lost_bytes == len(data) - LIMIT
    assert data.endswith(output.tail.encode())
    assert output.tail.endswith("line 0199999\n")


def test_one_endless_line(capture, names):
    for _ in range(100):
        capture.write(b"x" * 10_000)
    output = capture.finish(names)
    assert (len(output.head), len(output.tail), output.omitted_lines) == (HEAD, TAIL, 0)
    assert output.omitted_bytes == 1_000_000 - HEAD - TAIL


def test_memory_is_bounded(capture):
    for _ in range(2000):
        capture.write(b"x" * 65536)
    assert capture._tail_size <= TAIL + 65536
    assert len(capture._head) <= HEAD
    capture.finish(None)


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        (b"10%\r50%\r100%\ndone\n", "100%\ndone\n"),
        (b"one\r\ntwo\r\n", "one\ntwo\n"),
        (b"one\r\r\ntwo\r", "one\ntwo"),
        (b"gone\rlast", "last"),
        (b"\r\n\r\n", "\n\n"),
    ],
)
def test_a_line_that_was_overwritten_is_gone(capture, names, printed, kept):
    capture.write(printed)
    assert capture.finish(names).head == kept


def test_a_long_log_with_overwritten_lines_is_cleaned_as_a_short_one(tmp_path, names):
    capture = Capture(tmp_path / "001.log", 8 << 20)
    line = b"".join(b"%5d%%\r" % number for number in range(900)) + b"done\n"
    for _ in range(600):
        capture.write(line)
    capture.finish(names)
    assert (tmp_path / "001.log").read_bytes() == b"done\n" * 600


def test_binary_is_kept_as_far_as_it_is_text(capture, names, tmp_path):
    capture.write(b"\x00\xff\xfe text \x80\n")
    assert capture.finish(names).head == "\x00\ufffd\ufffd text \ufffd\n"
    big = Capture(tmp_path / "002.log", LIMIT)
    big.write(bytes(range(256)) * 1000)
    output = big.finish(names)
    assert output.omitted_bytes > 0
    (tmp_path / "002.log").read_text("utf-8")


def test_a_character_that_came_in_two_pieces_is_one(capture, names):
    for byte in "虚拟机\n".encode():
        capture.write(bytes([byte]))
    assert capture.finish(names).head == "虚拟机\n"


def test_a_character_is_not_cut_where_head_and_tail_end(capture, names):
    for _ in range(30):
        capture.write(("虚" * 3001).encode())
    output = capture.finish(names)
    assert set(output.head) == {"虚"}
    assert set(output.tail) == {"虚"}


def test_paths_of_the_host_are_readable_in_output_and_log(tmp_path, names):
    path = tmp_path / "work" / "first-0123456789abcdef" / "made"
    capture = Capture(tmp_path / "001.log", LIMIT)
    capture.write(f"in {path}\n".encode() * 3000)
    output = capture.finish(names)
    for text in (output.head, output.tail, (tmp_path / "001.log").read_text()):
        assert str(tmp_path) not in text
        assert text.endswith("in ~/kvm-lab/first/made\n")


def test_the_last_line_is_known_while_it_runs(capture):
    capture.write(b"one\n10%\r20%")
    assert capture.last_line() == "20%"
    capture.write(b"\n\n  \n")
    assert capture.last_line() == "20%"
    capture.write(lines(0, 10_000))
    assert capture.last_line() == "line 0009999"
    assert capture.text().endswith("line 0009999\n")
    capture.finish(None)


def test_asking_twice_gives_the_same(capture, names):
    capture.write(lines(0, 10_000))
    assert capture.finish(names) == capture.finish(names)


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_nothing_is_lost_that_fits(tmp_path_factory, chunks):
    capture = Capture(tmp_path_factory.getbasetemp() / "any.log", LIMIT)
    for chunk in chunks:
        capture.write(chunk)
    text = b"".join(chunks).decode("utf-8", "replace")
    found = capture.finish(None)
    if "\r" not in text:
        assert found.head == text
    assert found.head.count("\n") == text.count("\n")
