"""Words and phrases of the renderer, in each language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import ceil

from kvmdocs.core import units
from kvmdocs.core.model import Where
from kvmdocs.core.units import DurationForms


class Language(StrEnum):
    """Language of the site; the value is its HTML language code."""

    EN = "en"
    ZH = "zh"

    @classmethod
    def of(cls, code: str) -> Language:
        """Return the language of a code such as ``zh`` or ``zh-Hans``; English for a language without a table here."""
        base = code.replace("_", "-").partition("-")[0].lower()
        return next((language for language in cls if language.value == base), cls.EN)


@dataclass(frozen=True)
class Labels:
    """Words of the renderer in one language. Names in braces are placeholders.

    Attributes:
        badges: Text of the badge above a run of steps, by the program that they were typed into.
    """

    badges: dict[Where, str]
    transcript: str
    as_text: str
    diagram: str
    pic_of: str
    pic_from: str
    pic_to: str
    pic_what: str
    lies_in: str
    colon: str
    copy_run: str
    in_background: str
    exit_status: str
    killed: str
    took: str
    lines: str
    only_in_log: str
    not_kept: str
    lost: str
    whole_log: str
    source_lines: str
    browse: str
    close: str
    session: str
    script: str
    part_of: str
    whole_recipe: str
    at_line: str
    at_lines: str
    as_it_is_now: str
    astray: str
    patched: str
    ran: str
    cached: str
    recorded_today: str
    recorded_yesterday: str
    recorded_before: str
    stale: str
    running: str
    stale_title: str
    running_title: str
    first_title: str
    problem_title: str
    skipped: str
    missing: str
    failed: str
    blocked: str
    skipped_title: str
    missing_title: str
    failed_title: str
    blocked_title: str
    failed_recipe: str
    to_run_it: str
    instead: str
    next: str
    at: str
    step: str
    status: str
    last_lines: str
    up_to_failure: str
    emulated: str
    recipe: str
    host: str
    system: str
    kernel: str
    hardware: str
    hardware_value: str
    started: str
    duration: str
    tools: str
    settings: str
    key: str
    repeat: str
    page_script: str
    page_script_is: str
    first_time: str
    most_of_it: str
    comma: str
    about_a_minute: str
    about_minutes: str
    about_hours: str
    install_first: str
    install_is: str
    date: str
    seconds: str
    minutes: str
    hours: str


_EN = Labels(
    badges={
        Where.HOST: "host · user shell",
        Where.ROOT: "host · root shell",
        Where.GUEST: "guest",
        Where.GDB: "gdb",
        Where.HMP: "QEMU monitor",
        Where.QMP: "QMP",
        Where.FILE: "file",
    },
    transcript="Transcript",
    as_text="The picture in words",
    diagram="Diagram",
    pic_of="It shows: {what}.",
    pic_from="from",
    pic_to="to",
    pic_what="what",
    lies_in="lies in",
    colon=": ",
    copy_run="Copy these commands",
    in_background="goes on in the background",
    exit_status="exit status {status}",
    killed="killed by {signal}",
    took="took {time}",
    lines="… {count} lines …",
    only_in_log="… {count} lines ({size}) are only in the log …",
    not_kept="… {count} lines ({size}) are not kept here; {command} gives them …",
    lost="The log's limit was reached: {size} were not kept.",
    whole_log="whole output",
    source_lines="source at these {count} places",
    browse="open in the source browser",
    close="Close",
    session="Session",
    script="Script",
    part_of="A part of |the script of this page|, which has the functions that are called here.",
    whole_recipe="the whole recipe {recipe}",
    at_line="{path}, line {first}",
    at_lines="{path}, lines {first}–{last}",
    as_it_is_now="as it is now; the record may be of an earlier state",
    astray="The compiler gives this line to {function}",
    patched="The distribution's patches move lines of this file: upstream's may have this one elsewhere",
    ran="ran for this build",
    cached="cached",
    recorded_today="recorded today",
    recorded_yesterday="recorded yesterday",
    recorded_before="recorded {days} days ago",
    stale="stale",
    running="running again",
    stale_title="Stale: this record is from before a change",
    running_title="Stale, and running again now: the page reloads when it is done",
    first_title="Running now: the page reloads when it is done",
    problem_title="This cannot be shown",
    skipped="skipped",
    missing="no record",
    failed="failed",
    blocked="not run",
    skipped_title="Not run on this host",
    missing_title="No record",
    failed_title="This recipe failed",
    blocked_title="Not run, since a recipe that it builds on failed",
    failed_recipe="Failed recipe",
    to_run_it="To run it",
    instead="Below is the approved record, from the host its stamp names.",
    next="Next",
    at="Where",
    step="Step",
    status="Status",
    last_lines="Last lines of its output",
    up_to_failure="What happened up to the failure",
    emulated="under emulation: times say nothing about speed",
    recipe="Recipe",
    host="Host",
    system="System",
    kernel="Kernel",
    hardware="Machine",
    hardware_value="{machine}, {cpus} processors, {memory} memory",
    started="Run at",
    duration="Duration",
    tools="Tools",
    settings="Settings",
    key="Key",
    repeat="Run it",
    page_script="Script of this page",
    page_script_is=": all that is typed here, as one bash script that you can run",
    first_time="; {time} the first time",
    most_of_it=", most of it for {recipes}",
    comma=", ",
    about_a_minute="a minute at most",
    about_minutes="about {m} min",
    about_hours="about {h} h {m} min",
    install_first="What to install first",
    install_is="All that the commands of this page use, and those of the pages it builds on. As root:",
    date="{day} {month} {year}, {time} UTC",
    seconds="{s} s",
    minutes="{m} min {s} s",
    hours="{h} h {m} min",
)

_ZH = Labels(
    badges={
        Where.HOST: "宿主机 · 用户终端",
        Where.ROOT: "宿主机 · root 终端",
        Where.GUEST: "客户机",
        Where.GDB: "gdb",
        Where.HMP: "QEMU 监视器",
        Where.QMP: "QMP",
        Where.FILE: "文件",
    },
    transcript="运行记录",
    as_text="图中内容的文字版",
    diagram="示意图",
    pic_of="图中有：{what}。",
    pic_from="从",
    pic_to="到",
    pic_what="内容",
    lies_in="位于",
    colon="：",
    copy_run="复制这些命令",
    in_background="在后台继续运行",
    exit_status="退出状态 {status}",
    killed="被 {signal} 终止",
    took="用时 {time}",
    lines="… {count} 行 …",
    only_in_log="… {count} 行（{size}）只在日志中 …",
    not_kept="… {count} 行（{size}）没有保存在这里；运行 {command} 可以得到 …",
    lost="已达到日志上限：有 {size} 没有保存。",
    whole_log="完整输出",
    source_lines="这 {count} 处的源码",
    browse="在源码浏览器中打开",
    close="关闭",
    session="会话",
    script="脚本",
    part_of="取自|本页脚本|，这里调用的函数都定义在那里。",
    whole_recipe="完整的配方 {recipe}",
    at_line="{path}，第 {first} 行",
    at_lines="{path}，第 {first}–{last} 行",
    as_it_is_now="这是现在的代码；记录可能来自改动之前",
    astray="编译器把这一行算在 {function} 里",
    patched="发行版的补丁移动了此文件中的行：上游的这一行可能在别处",
    ran="本次构建时运行",
    cached="取自存储",
    recorded_today="今天的记录",
    recorded_yesterday="昨天的记录",
    recorded_before="{days} 天前的记录",
    stale="已过期",
    running="正在重新运行",
    stale_title="已过期：这份记录早于最近的改动",
    running_title="已过期，正在重新运行：完成后本页会自动刷新",
    first_title="正在运行：完成后本页会自动刷新",
    problem_title="这里无法显示",
    skipped="已跳过",
    missing="没有记录",
    failed="失败",
    blocked="未运行",
    skipped_title="没有在这台宿主机上运行",
    missing_title="没有记录",
    failed_title="此配方运行失败",
    blocked_title="没有运行，因为它依赖的配方失败了",
    failed_recipe="失败的配方",
    to_run_it="如何让它运行",
    instead="下面是经过核准的记录，来自其戳记所写的宿主机。",
    next="下一步",
    at="位置",
    step="步骤",
    status="退出状态",
    last_lines="输出的最后几行",
    up_to_failure="失败之前的过程",
    emulated="在模拟下运行：用时不能说明性能",
    recipe="配方",
    host="宿主机",
    system="系统",
    kernel="内核",
    hardware="机器",
    hardware_value="{machine}，{cpus} 个处理器，{memory} 内存",
    started="运行于",
    duration="用时",
    tools="工具",
    settings="设置",
    key="键",
    repeat="运行它",
    page_script="本页脚本",
    page_script_is="：本页输入的全部命令，一个可以直接运行的 bash 脚本",
    first_time="；第一次运行{time}",
    most_of_it="，大部分用于 {recipes}",
    comma="、",
    about_a_minute="不超过一分钟",
    about_minutes="大约 {m} 分钟",
    about_hours="大约 {h} 小时 {m} 分钟",
    install_first="先安装这些",
    install_is="本页以及它所依赖的各页的命令要用到的全部软件包。以 root 身份执行：",
    date="{year} 年 {number} 月 {day} 日 {time} UTC",
    seconds="{s} 秒",
    minutes="{m} 分 {s} 秒",
    hours="{h} 小时 {m} 分",
)

_TABLE = {Language.EN: _EN, Language.ZH: _ZH}

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip


def words(language: Language) -> Labels:
    """Return the words of a language."""
    return _TABLE[language]


def moment_of(started: str) -> datetime | None:
    """Return a record's time in UTC, or None if the text is not a time."""
    try:
        moment = datetime.fromisoformat(started)
    except ValueError:
        return None
    # Records are in UTC. A time without an offset is UTC as well, not the local time of the site's builder.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def month(number: int) -> str:
    """Return the English name of a month, counted from 1."""
    return _MONTHS[number - 1]


def date(started: str, say: Labels) -> str:
    """Return an ISO 8601 time in the language's usual form, in UTC, or the text itself if it is not a time."""
    moment = moment_of(started)
    if moment is None:
        return started
    return say.date.format(
        day=moment.day,
        month=month(moment.month),
        number=moment.month,
        year=moment.year,
        time=f"{moment:%H:%M}",
    )


def age(started: str, say: Labels, now: datetime) -> str:
    """Return the age of a record in days (UTC), in words.

    Args:
        started: Time of the record, in ISO 8601.
        say: The words.
        now: The current time, with its offset.
    """
    moment = moment_of(started)
    if moment is None:
        return say.recorded_before.format(days="?")
    # Clocks of two hosts may differ; a record from the future counts as today's.
    days = max((now.astimezone(UTC).date() - moment.date()).days, 0)
    return (say.recorded_today, say.recorded_yesterday, say.recorded_before)[min(days, 2)].format(days=days)


def duration(seconds: float, say: Labels) -> str:
    """Return a duration in the language, as `kvmdocs.core.units.duration` does."""
    return units.duration(seconds, DurationForms(say.seconds, say.minutes, say.hours))


def about(seconds: float, say: Labels) -> str:
    """Return an estimate in minutes. It is rounded up, since another host may be slower."""
    minutes = ceil(seconds / 60)
    if minutes <= 1:
        return say.about_a_minute
    return say.about_hours.format(h=minutes // 60, m=minutes % 60) if minutes >= 60 else say.about_minutes.format(m=minutes)
