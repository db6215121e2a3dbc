"""Model of a sequence diagram."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """A participant.

    Attributes:
        key: The name by which messages refer to the participant.
        name: The displayed name.
    """

    key: str
    name: str


@dataclass(frozen=True)
class Message:
    """A message from one actor to another, or an action of one actor.

    Attributes:
        source: The sender's key.
        target: The receiver's key; the sender's for an action.
        text: The text.
        name: The name of a function, or other code, above the text.
        href: The target of a link on the name; "" for no link.
        title: The tooltip of the link.
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
    """A note.

    Attributes:
        over: The keys of the actors that it is about.
        text: The text.
    """

    over: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class MessageGroup:
    """A group of messages, such as those of a loop.

    Attributes:
        text: The heading of the group.
        items: The messages and notes.
    """

    text: str
    items: tuple[Message | Note, ...]


Item = Message | Note | MessageGroup
