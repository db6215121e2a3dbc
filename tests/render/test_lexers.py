from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.lexer import Lexer

from kvmdocs.core.model import Where
from kvmdocs.render import lexers
from kvmdocs.render.ansi import Spans, plain
from kvmdocs.render.lexers import GdbCommandLexer, GdbLexer, MonitorLexer, highlight_command, highlight_output

FRAME = "#1  0x000055d0c8a3b2f0 in virtqueue_flush (vq=0x7f2b2c0c3010, count=1) at ../hw/virtio/virtio.c:1449"

SESSION = [
    FRAME,
    'Thread 3 "CPU 0/TCG" hit Breakpoint 1, virtqueue_flush (vq=0x7f, count=1) at ../hw/virtio/virtio.c:1449',
    "Breakpoint 1 at 0x55d0c8a3b2f0: file ../hw/virtio/virtio.c, line 1449.",
    "Temporary breakpoint 2, main () at x.c:1",
    "1449\t    if (virtio_device_disabled(vq->vdev)) {",
    '$1 = {next = 0x0, name = "a \\" b"}',
    "[Switching to Thread 0x7f2b3c9fd6c0 (LWP 4242)]",
    "(gdb) info breakpoints",
]


def looks(spans: Spans) -> dict[str, str]:
    return {text: look for look, text in spans if look}


@pytest.mark.parametrize("lexer", [GdbLexer(), GdbCommandLexer(), MonitorLexer()], ids=lambda lexer: lexer.name)
@given(
    text=st.text(st.characters(codec="utf-8"), max_size=80)
    | st.sampled_from(SESSION)
    | st.text(st.sampled_from('#0x1a (gdb)"=<>:.[]\n\t'), max_size=40)
)
def test_our_lexers_keep_every_character(lexer: Lexer, text: str) -> None:
    assert "".join(value for _, _, value in lexer.get_tokens_unprocessed(text)) == text


@pytest.mark.parametrize("where", Where)
@given(text=st.text(st.characters(codec="utf-8"), max_size=80))
def test_colours_never_change_a_character(where: Where, text: str) -> None:
    assert "\n".join(plain(line) for line in highlight_command(text, where)) == text
    line = text.replace("\n", " ")
    assert plain(highlight_output(line, where)) == line


@given(name=st.sampled_from(["a.c", "init", "a.py", "a.json", "Kconfig", "a.sh"]), text=st.text(max_size=80))
def test_neither_do_those_of_files(name: str, text: str) -> None:
    assert "\n".join(plain(line) for line in lexers.highlight_file(name, text)) == text


def test_a_frame_of_a_call_stack() -> None:
    found = looks(highlight_output(FRAME, Where.GDB))
    assert found["#1"] == "tr-n"
    assert found["virtqueue_flush"] == "tr-f"
    assert found["../hw/virtio/virtio.c"] == "tr-p"
    assert found["1449"] == "tr-n"
    assert found["vq"] == "tr-a"


def test_a_breakpoint_that_was_hit() -> None:
    found = looks(highlight_output(SESSION[1], Where.GDB))
    assert found["Thread"] == "tr-k"
    assert found['"CPU 0/TCG"'] == "tr-s"
    assert found["virtqueue_flush"] == "tr-f"


def test_a_gdb_command() -> None:
    found = looks(highlight_command("break virtio.c:virtqueue_flush", Where.GDB)[0])
    assert found == {"break": "tr-k", "virtio.c": "tr-p", ":": "tr-o", "virtqueue_flush": "tr-f"}


def test_options_of_a_shell_command() -> None:
    found = looks(highlight_command("make -j2 --quiet V=1 # all", Where.ROOT)[0])
    assert found["-j2"] == found["--quiet"] == "tr-a"
    assert found["# all"] == "tr-c"


def test_what_the_monitor_answers_has_names_and_values() -> None:
    found = looks(highlight_output('    Cache mode:       writeback, direct = 3 (0x3) "a"', Where.HMP))
    assert found == {"mode": "tr-a", ":": "tr-o", "direct": "tr-a", "=": "tr-o", "3": "tr-n", "(0x3)": "tr-c", '"a"': "tr-s"}
    assert not looks(highlight_output("type System", Where.HMP)), "the first word of an answer is no command"


def test_qmp_is_json() -> None:
    found = looks(highlight_output('{"return": {"running": true}}', Where.QMP))
    assert found['"return"'] == "tr-a"


def test_output_of_a_shell_is_plain() -> None:
    assert highlight_output('if "x" then 12', Where.HOST) == (("", 'if "x" then 12'),)


def test_a_script_without_a_known_name() -> None:
    assert looks(lexers.highlight_file("init", "#!/bin/sh\necho x\n")[1]) == {"echo": "tr-k"}
