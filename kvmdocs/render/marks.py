"""The mark of each state: a shape of its own, since not everybody tells colours apart. Style sheets colour it by its class."""

from __future__ import annotations

SHAPES = {
    "current": '<circle r="4"/>',
    "recorded": '<circle r="3.2" class="ks-line"/><path d="M0-3.2a3.2 3.2 0 0 1 0 6.4z"/>',
    "skipped": '<path d="M-3.6 0h7.2" class="ks-line"/>',
    "none": '<circle r="3.2" class="ks-line" stroke-dasharray="1.7 1.65"/>',
    "running": '<path d="M-3-4 4.4 0-3 4z"/>',
    "stale": '<path d="M0-4.6 4.6 0 0 4.6-4.6 0z"/>',
    "blocked": '<circle r="3.8" class="ks-line"/><path d="M-2.7 2.7 2.7-2.7" class="ks-line"/>',
    "failed": '<path d="M-3.2-3.2l6.4 6.4M-3.2 3.2l6.4-6.4" class="ks-line"/>',
}
"""What is drawn for each state (`kvmdocs.site.status.data.State`), around the origin and within 5 pixels of it."""


def mark(state: str) -> str:
    """The mark in a line of text. It says nothing by itself: the state's name stands beside it."""
    return (
        f'<svg class="ks-mark ks-{state}" viewBox="-5 -5 10 10" width="10" height="10" aria-hidden="true">{SHAPES[state]}</svg>'
    )
