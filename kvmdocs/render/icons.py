"""Status icons.

Each state has its own shape, for readers who cannot tell colours apart; the style sheet colours them by class.
"""

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
"""The SVG of each state's icon (`kvmdocs.site.status.data.State`), centred on the origin, within 5 pixels of it."""


def mark(state: str) -> str:
    """Return the icon as HTML for a line of text. It is hidden from screen readers, since the state's name is beside it."""
    return (
        f'<svg class="ks-mark ks-{state}" viewBox="-5 -5 10 10" width="10" height="10" aria-hidden="true">{SHAPES[state]}</svg>'
    )
