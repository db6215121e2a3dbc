"""Translation of skip reasons to the language of a page.

Reasons are in English: records store them, terminals print them, and one record is shown on the pages of every language. The
engine's own reasons follow a few patterns, which are translated here. A reason from a recipe (`sh.skip`) is not translated and
is marked as English.
"""

from __future__ import annotations

import re

from kvmdocs.core.html import prose
from kvmdocs.core.words import Language

_PATTERNS = {
    # A group whose name starts with an underscore contains another reason, which is translated as well.
    Language.ZH: (
        (
            r"there is no record of it yet, and this build runs nothing; (?P<how>`.+`) makes one",
            "还没有它的记录，而这次构建什么都不运行；运行 {how} 就会得到一份",
        ),
        (r"it builds on (?P<what>\w+), which failed", "它依赖的 `{what}` 失败了"),
        (r"it builds on (?P<what>\w+), which was skipped: (?P<_why>.+)", "它依赖的 `{what}` 被跳过：{_why}"),
        (r"(?P<where>\S+) cannot be reached from this host \((?P<why>.+)\)", "这台宿主机连不上 {where}（{why}）"),
        (r"the setting (?P<name>\S+) is no URL", "设置项 `{name}` 不是 URL"),
        (r"the setting (?P<name>\S+) is (?P<value>'.*')", "设置项 `{name}` 是 {value}"),
        (
            r"this host does not let one process trace another \((?P<why>.+); (?P<how>.+) allows it\)",
            "这台宿主机不允许一个进程跟踪另一个（{why}；{how} 可以放开）",
        ),
        (r"an attempt to trace a process did not end within (?P<time>\S+) s", "试着跟踪一个进程，{time} 秒内没有结束"),
        (
            r"apt on this host did not list its archives within (?P<time>\S+) s",
            "这台宿主机的 apt 在 {time} 秒内没有列出软件仓库",
        ),
        (r"the build does not run as root", "构建不是以 root 运行的"),
        (r"this host has no apt, so it has no Debian source packages", "这台宿主机没有 apt，也就没有 Debian 的源码包"),
        (r"apt on this host is configured with no archive", "这台宿主机的 apt 没有配置任何软件仓库"),
        (r"this host lacks (?P<what>[^;]+)", "这台宿主机缺少 {what}"),
        (r"(?P<how>-cpu [^:`]+): the guest was not ready within (?P<time>\S+) s", "`{how}`：客户机 {time} 秒内没有就绪"),
        (r"install with: (?P<how>.+)", "安装命令：`{how}`"),
        (r"install by hand: (?P<what>.+)", "请自行安装：{what}"),
    ),
}


def reason(text: str, language: Language) -> str:
    """Return a reason as HTML. A reason of the engine is translated; any other is left in English and marked as such.

    Args:
        text: The reason, in English, with code in backticks.
        language: The language of the page.
    """
    translation = text if language is Language.EN else _translate(text, language)
    return f'<span lang="en">{prose(text)}</span>' if translation is None else prose(translation)


def _translate(text: str, language: Language) -> str | None:
    """Translate a reason; return None if it matches no pattern."""
    for pattern, translation in _PATTERNS.get(language, ()):
        if match := re.fullmatch(pattern, text):
            parts = match.groupdict()
            inner = {name: _translate(part, language) for name, part in parts.items() if name.startswith("_")}
            if None not in inner.values():
                return translation.format(**{**parts, **inner})
    sentences = text.split("; ")
    translations = [_translate(sentence, language) for sentence in sentences] if len(sentences) > 1 else [None]
    return "；".join(one for one in translations if one) if all(translations) else None
