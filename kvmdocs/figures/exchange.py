"""What a sequence diagram is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """Somebody who takes part.

    Attributes:
        key: A name for it in messages.
        name: What it is called.
    """

    key: str
    name: str


@dataclass(frozen=True)
class Message:
    """Something that goes from one actor to another, or that one does by itself.

    Attributes:
        source: Who it comes from.
        target: Who it goes to.
        text: What it is.
        name: The function, or another name in code, above the text.
        href: Where the name leads.
        title: What is said of that.
        answer: True for an answer to an earlier message.
    """

    source: str
    target: str
    text: str
    name: str = ""
    href: str = ""
    title: str = ""
    answer: bool = False


@dataclass(frozen=True)
class Note:
    """A remark.

    Attributes:
        over: Whom it is about.
        text: The remark.
    """

    over: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class MessageGroup:
    """Some messages that belong together, such as those of a loop.

    Attributes:
        text: What they are.
        items: The messages and notes.
    """

    text: str
    items: tuple[Message | Note, ...]


Item = Message | Note | MessageGroup
