"""Front matter of a printed site: a cover that names the build's time, commit and host, and the contents with page numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from kvmdocs.core.units import size
from kvmdocs.render import Language

_WORDS = {
    Language.EN: ("Contents", "Built", "Commit", "Host", "System", "Kernel", "{cpus} processors, {memory} of memory"),
    Language.ZH: ("目录", "构建时间", "提交", "宿主机", "系统", "内核", "{cpus} 个处理器，{memory} 内存"),
}

_STYLE = """
@page { size: A4; margin: 20mm 18mm }
body { margin: 0; color: #1f1d1a; font: 10.5pt/1.5 "Inter", "Noto Sans CJK SC", "Noto Sans", sans-serif }
h1, h2 { font-family: "Palatino Linotype", "P052", "Noto Serif CJK SC", Georgia, serif; font-weight: 600; line-height: 1.2 }
h1 { margin: 62mm 0 8mm; padding-bottom: 6mm; border-bottom: 3px double #5d574d; font-size: 32pt }
h2 { margin: 0 0 6mm; font-size: 20pt; break-before: page }
.lead { max-width: 120mm; font-size: 13pt }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 1mm 6mm; margin: 60mm 0 0 }
dt { color: #5d574d }
dd { margin: 0 }
ol { margin: 0; padding: 0; list-style: none }
li { display: flex; break-inside: avoid }
li.over { margin-top: 3mm; font-weight: 600; break-after: avoid }
li a { display: flex; flex: 1; color: inherit; text-decoration: none }
li a::after { content: attr(data-page); order: 3 }
li i { flex: 1; margin: 0 2mm 1.2mm; border-bottom: 1px dotted #5d574d }
"""


@dataclass(frozen=True)
class ContentsLine:
    """Line of the contents.

    Attributes:
        title: Its text.
        depth: Its depth; 0 for the outermost.
        url: The page it links to; "" for a section.
        page: Number of the page's first sheet.
    """

    title: str
    depth: int
    url: str
    page: int


def cover(
    language: Language, title: str, lead: str, built: str, commit: str, host: Mapping[str, Any], lines: Iterable[ContentsLine]
) -> str:
    """Return cover and contents as one HTML page.

    Args:
        language: The language.
        title: The site's name.
        lead: The site's description.
        built: Time of the build (ISO 8601).
        commit: Commit that the site was built from; "" if unknown.
        host: The building host as in ``report.json``; may be empty.
        lines: The contents.
    """
    contents_head, built_head, commit_head, host_head, system_head, kernel_head, resources = _WORDS[language]
    facts = {built_head: built.replace("T", " ").replace("+00:00", " UTC"), commit_head: commit}
    if host:
        machine = resources.format(cpus=host["cpus"], memory=size(host["memory"]))
        facts |= {
            host_head: f"{host['name']}, {host['machine']}, {machine}",
            system_head: host["system"],
            kernel_head: host["kernel"],
        }
    entries = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items() if value)
    return (
        f'<!doctype html><html lang="{language.value}"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style>"
        f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p><dl>{entries}</dl>'
        f"<h2>{escape(contents_head)}</h2><ol>{''.join(map(_item, lines))}</ol></html>"
    )


def _item(line: ContentsLine) -> str:
    indent = f' style="padding-left: {line.depth * 6}mm"' if line.depth else ""
    if not line.url:
        return f'<li class="over"{indent}>{escape(line.title)}</li>'
    link = f'<a href="{escape(line.url)}" data-page="{line.page}">{escape(line.title)}<i></i></a>'
    return f"<li{indent}>{link}</li>"
