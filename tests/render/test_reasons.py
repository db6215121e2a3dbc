"""Skip reasons of the engine are translated to the language of a page."""

from __future__ import annotations

from pathlib import Path

import pytest

import kvmdocs
from kvmdocs.render import Language
from kvmdocs.render.reasons import reason
from tests.support.render_samples import HOSTILE

ENGINE = Path(kvmdocs.__file__).parent

KNOWN = [
    (
        "execution/modes.py",
        "there is no record of it yet, and this build runs nothing; `kvmdocs run a` makes one",
        "还没有它的记录，而这次构建什么都不运行；运行 <code>kvmdocs run a</code> 就会得到一份",
    ),
    ("execution/plan.py", "it builds on a, which failed", "它依赖的 <code>a</code> 失败了"),
    (
        "execution/plan.py",
        "it builds on a, which was skipped: it builds on b, which was skipped: the build does not run as root",
        "它依赖的 <code>a</code> 被跳过：它依赖的 <code>b</code> 被跳过：构建不是以 root 运行的",
    ),
    ("host/probes.py", "one.example cannot be reached from this host (timed out)", "这台宿主机连不上 one.example（timed out）"),
    ("host/probes.py", "the setting qemu.mirror is no URL", "设置项 <code>qemu.mirror</code> 不是 URL"),
    ("host/probes.py", "the setting qemu.provider is 'git'", "设置项 <code>qemu.provider</code> 是 &#39;git&#39;"),
    (
        "host/probes.py",
        "this host does not let one process trace another (No such process; CAP_SYS_PTRACE allows it)",
        "这台宿主机不允许一个进程跟踪另一个（No such process；CAP_SYS_PTRACE 可以放开）",
    ),
    ("host/probes.py", "the build does not run as root", "构建不是以 root 运行的"),
    (
        "host/probes.py",
        "this host has no apt, so it has no Debian source packages",
        "这台宿主机没有 apt，也就没有 Debian 的源码包",
    ),
    ("host/probes.py", "apt on this host is configured with no archive", "这台宿主机的 apt 没有配置任何软件仓库"),
    ("execution/plan.py", "this host lacks gdb, ninja", "这台宿主机缺少 gdb, ninja"),
    (
        "lab/machine.py",
        "-cpu host: the guest was not ready within 25 s",
        '<code><span class="kd-nb">-cpu</span> host</code>：客户机 25 秒内没有就绪',
    ),
    (
        "execution/project.py",
        "install with: apt-get install gdb",
        '安装命令：<code><span class="kd-nb">apt-get</span> install gdb</code>',
    ),
    ("execution/project.py", "install by hand: gdb, ninja", "请自行安装：gdb, ninja"),
]
"""The engine's file that contains the reason, the reason, and its translation as HTML."""


@pytest.mark.parametrize(("text", "translation"), [row[1:] for row in KNOWN])
def test_reasons_of_the_engine_are_translated(text, translation):
    assert reason(text, Language.ZH) == translation
    assert 'lang="en"' not in reason(text, Language.EN)


@pytest.mark.parametrize(
    ("file", "pieces"),
    [
        ("execution/modes.py", ["there is no record of it yet, and this build runs nothing; `", "` makes one"]),
        ("execution/plan.py", ["it builds on ", ", which ", "failed", "was skipped: "]),
        (
            "host/probes.py",
            [
                " cannot be reached from this host (",
                "the setting ",
                " is no URL",
                "this host does not let one process trace another (",
            ],
        ),
        (
            "host/probes.py",
            [
                " allows it)",
                *(text for file, text, _ in KNOWN if file == "host/probes.py" and " is " not in text and "(" not in text),
            ],
        ),
        ("execution/plan.py", ["this host lacks "]),
        ("execution/project.py", ["install with: ", "install by hand: "]),
    ],
)
def test_the_engine_has_these_reasons(file, pieces):
    """If this fails, the text of a reason has changed. Change it here and in `_PATTERNS` of `kvmdocs.render.reasons`."""
    source = (ENGINE / file).read_text("utf-8")
    assert [piece for piece in pieces if piece not in source] == []


def test_several_reasons_are_translated_together_or_not_at_all():
    both = reason("this host lacks gdb; install with: apt-get install gdb", Language.ZH)
    assert both == '这台宿主机缺少 gdb；安装命令：<code><span class="kd-nb">apt-get</span> install gdb</code>'
    own = "the build does not run as root; only a full moon will do"
    assert reason(own, Language.ZH) == f'<span lang="en">{own}</span>'


def test_a_reason_of_a_recipe_is_not_translated():
    assert reason("pip cannot get `it`", Language.ZH) == '<span lang="en">pip cannot get <code>it</code></span>'
    assert reason("pip cannot get `it`", Language.EN) == "pip cannot get <code>it</code>"
    inner = "it builds on a, which was skipped: pip cannot get it"
    assert reason(inner, Language.ZH) == f'<span lang="en">{inner}</span>'


@pytest.mark.parametrize("text", [*HOSTILE.values()] if isinstance(HOSTILE, dict) else HOSTILE)
def test_hostile_reasons_stay_text(text):
    for language in Language:
        for sentence in (text, f"it builds on a, which was skipped: {text}", f"this host lacks {text}"):
            assert "<script" not in reason(sentence, language)
