"""Texts of the status page and of the lines under titles, in each language. Names in braces are placeholders."""

from __future__ import annotations

from dataclasses import dataclass

from kvmdocs.core.words import moment_of, month
from kvmdocs.render import Language
from kvmdocs.site.status.data import State
from kvmdocs.store.drift import DriftCause as DriftKind


@dataclass(frozen=True)
class StatusWords:
    """Texts in one language.

    Attributes:
        states: Name of each state.
        meanings: Meaning of each state, for the legend.
        modes: Effect of each mode of a build.
        drifts: Likely causes of drift.
        advice: Advice that makes a skipped recipe run, by the kind of capability that it lacks; "" for all other kinds.
    """

    states: dict[State, str]
    meanings: dict[State, str]
    modes: dict[str, str]
    drifts: dict[str, str]
    advice: dict[str, str]
    one: str
    many: str
    all_of_them: str
    some: str
    between: str
    built: str
    with_engine: str
    data: str
    schema: str
    no_recipes: str
    recipe: str
    state: str
    ran: str
    took: str
    host: str
    approved: str
    chapter_none: str
    caption: str
    days: str
    today: str
    yesterday: str
    emulated: str
    same: str
    differs: str
    unapproved: str
    approved_on: str
    not_compared: str
    shown_on: str
    details: str
    defined: str
    system: str
    processors: str
    tools: str
    settings: str
    builds_on: str
    used_by: str
    nothing: str
    key: str
    why: str
    filter_text: str
    filter_state: str
    any_state: str
    by_chapter: str
    sort: str
    only_page: str
    clear: str
    found: str
    none_found: str
    no_skips: str
    untried: str
    to_run_it: str
    wants_tools: str
    hence: str
    incomplete: str
    incomplete_is: str
    not_run: str
    all_stand: str
    no_drift: str
    uncompared: str
    sections: str
    omitted: str
    stop: str
    semicolon: str
    badge: str
    badge_hosts: str
    date: str


_EN = StatusWords(
    states={
        State.CURRENT: "current",
        State.RECORDED: "recorded",
        State.SKIPPED: "skipped",
        State.NONE: "no record",
        State.RUNNING: "running again",
        State.STALE: "stale",
        State.BLOCKED: "not run",
        State.FAILED: "failed",
    },
    meanings={
        State.CURRENT: "ran for this build, or nothing that could change its record has changed since it ran",
        State.RECORDED: "has a record; this build did not check whether it is current",
        State.SKIPPED: "this host cannot run it; its page shows the approved record, if there is one",
        State.NONE: "never ran on this host, and has no approved record",
        State.RUNNING: "something has changed since it ran; it is running again now",
        State.STALE: "something has changed since it ran",
        State.BLOCKED: "a recipe that it builds on failed; no other record is shown in its place",
        State.FAILED: "its last run failed",
    },
    modes={
        "live": "stale recipes were run",
        "fresh": "every recipe was run",
        "recorded": "no recipe was run: pages show the newest records",
        "serve": "a preview for authors: pages show the newest records",
    },
    drifts={
        DriftKind.TOOL: "tools or settings differ",
        DriftKind.HOST: "the host differs",
        DriftKind.BEHAVIOUR: "behaviour has changed",
    },
    advice={
        "reach": "network access to the address in the setting {setting}, or a mirror of it in {variable}",
        "setting": "{variable}={value}",
        "ptrace": "permission to attach to processes: kernel.yama.ptrace_scope=0, or SYS_PTRACE for a container",
        "": "a host with this capability: {need}",
    },
    one="1 recipe",
    many="{n} recipes",
    all_of_them="all {state}",
    some="{n} {state}",
    between=", ",
    built="Built {date} on {host}; {mode}.",
    with_engine="kvmdocs {version}",
    data="this report as JSON",
    schema="its JSON Schema",
    no_recipes="This site has no recipes.",
    recipe="Recipe",
    state="State",
    ran="Ran",
    took="Took",
    host="Host",
    approved="Approved record",
    chapter_none="Shown on no page",
    caption="Every recipe of this site, by the part of the site that shows it first",
    days="{n} days before this build",
    today="on the day of this build",
    yesterday="the day before this build",
    emulated="emulated",
    same="matches",
    differs="drift: {kind}",
    unapproved="none",
    approved_on="{date}, {host}",
    not_compared="not compared",
    shown_on="On",
    details="Details",
    defined="Defined in",
    system="System",
    processors="{n} processors",
    tools="Versions",
    settings="Settings",
    builds_on="Builds on",
    used_by="Used by",
    nothing="nothing",
    key="Key",
    why="Why",
    filter_text="Filter by name, page, tool, host",
    filter_state="State",
    any_state="any",
    by_chapter="by chapter",
    sort="Sort by this column",
    only_page="Only recipes on {page}",
    clear="Show all",
    found="{shown} of {all} shown",
    none_found="No recipe matches.",
    no_skips="Every recipe could run on the host that built this site.",
    untried="This build ran no recipe, so none was skipped.",
    to_run_it="What would make it run",
    wants_tools="on the host: {tools}",
    hence="Skipped for want of it",
    incomplete="This site is incomplete",
    incomplete_is="These recipes failed during the build. The pages that show them say so and show no other record instead.",
    not_run="Not run because of that",
    all_stand="State of every recipe",
    no_drift="Records compared with their approved ones: {n}. No differences.",
    uncompared="Nothing was compared: no recipe has both an approved record and another one.",
    sections="; sections:",
    omitted="{n} more lines; the full diff:",
    stop=".",
    semicolon="; ",
    badge="State of these recipes",
    badge_hosts="ran on {hosts}",
    date="{day} {month} {year}",
)

_ZH = StatusWords(
    states={
        State.CURRENT: "有效",
        State.RECORDED: "取自记录",
        State.SKIPPED: "已跳过",
        State.NONE: "没有记录",
        State.RUNNING: "正在重新运行",
        State.STALE: "已过期",
        State.BLOCKED: "未运行",
        State.FAILED: "失败",
    },
    meanings={
        State.CURRENT: "为本次构建运行过，或者自上次运行以来，能影响其记录的一切都没有变",
        State.RECORDED: "有记录；本次构建没有检查它是否仍然成立",
        State.SKIPPED: "这台宿主机无法运行它；如有核准记录，页面就展示那一份",
        State.NONE: "从未运行过，别处也没有核准记录",
        State.RUNNING: "自上次运行以来有东西变了，此刻正在重新运行",
        State.STALE: "自上次运行以来有东西变了",
        State.BLOCKED: "它依赖的配方失败了；没有用别的记录代替",
        State.FAILED: "最近一次运行失败了",
    },
    modes={
        "live": "过期的配方都为它重新运行了",
        "fresh": "所有配方都为它重新运行了",
        "recorded": "没有为它运行任何配方：各页展示现有的最新记录",
        "serve": "写作时的预览：各页展示现有的最新记录",
    },
    drifts={
        DriftKind.TOOL: "工具或设置不同",
        DriftKind.HOST: "宿主机不同",
        DriftKind.BEHAVIOUR: "行为变了",
    },
    advice={
        "reach": "能访问设置 {setting} 中地址的网络，或者用 {variable} 指定一个镜像",
        "setting": "{variable}={value}",
        "ptrace": "附加到进程的权限：kernel.yama.ptrace_scope=0，容器则需要 SYS_PTRACE",
        "": "一台具备此能力的宿主机：{need}",
    },
    one="1 个配方",
    many="{n} 个配方",
    all_of_them="全部{state}",
    some="{n} 个{state}",
    between="，",
    built="{date} 构建于 {host}；{mode}。",
    with_engine="kvmdocs {version}",
    data="同样内容的数据",
    schema="其 JSON Schema",
    no_recipes="本站没有配方。",
    recipe="配方",
    state="状态",
    ran="运行日期",
    took="用时",
    host="宿主机",
    approved="核准记录",
    chapter_none="没有页面展示",
    caption="本站的全部配方，按最先展示它的章节排列",
    days="构建前 {n} 天",
    today="构建当天",
    yesterday="构建前一天",
    emulated="模拟运行",
    same="内容一致",
    differs="有漂移：{kind}",
    unapproved="无",
    approved_on="{date}，{host}",
    not_compared="未比较",
    shown_on="见",
    details="详情",
    defined="定义于",
    system="系统",
    processors="{n} 个处理器",
    tools="版本",
    settings="设置",
    builds_on="依赖",
    used_by="被依赖",
    nothing="无",
    key="键",
    why="原因",
    filter_text="按名称、页面、工具、宿主机筛选",
    filter_state="状态",
    any_state="不限",
    by_chapter="按章节",
    sort="按此列排序",
    only_page="只看《{page}》展示的配方",
    clear="显示全部",
    found="显示 {all} 个中的 {shown} 个",
    none_found="没有这样的配方。",
    no_skips="构建本站的宿主机能运行全部配方。",
    untried="本次构建没有运行任何配方，也就谈不上有什么不能运行。",
    to_run_it="如何让它运行",
    wants_tools="宿主机上要有：{tools}",
    hence="因此也跳过了",
    incomplete="本站不完整",
    incomplete_is="构建本站时，以下配方失败了。展示它们的页面会说明这一点，不会用别的记录代替。",
    not_run="因此没有运行",
    all_stand="所有配方的状态",
    no_drift="与核准记录比较过的记录：{n} 份，都一致，没有漂移。",
    uncompared="没有比较任何记录：没有哪个配方既有核准记录，又有另一份记录。",
    sections="；小节：",
    omitted="另有 {n} 行；全部差异：",
    stop="。",
    semicolon="；",
    badge="它们的状态",
    badge_hosts="运行于 {hosts}",
    date="{year} 年 {number} 月 {day} 日",
)

_TABLE = {Language.EN: _EN, Language.ZH: _ZH}


def status_words(language: Language) -> StatusWords:
    """Return the texts of a language."""
    return _TABLE[language]


def recipes(count: int, words: StatusWords) -> str:
    """Return a number of recipes as text."""
    return words.one if count == 1 else words.many.format(n=count)


def counted(counts: dict[State, int], words: StatusWords) -> str:
    """Return the number of recipes in each state as text: ``all current``, or ``10 current, 2 skipped``."""
    if len(counts) == 1:
        ((state, count),) = counts.items()
        return words.all_of_them.format(state=words.states[state]) if count > 1 else words.states[state]
    return words.between.join(words.some.format(n=count, state=words.states[state]) for state, count in counts.items())


def day(made: str, words: StatusWords) -> str:
    """Return the day (UTC) of a time in ISO 8601; the text itself if it is not one."""
    moment = moment_of(made)
    if moment is None:
        return made
    return words.date.format(day=moment.day, month=month(moment.month), number=moment.month, year=moment.year)
