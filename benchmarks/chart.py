"""A bar chart of ratios as SVG. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape

from benchmarks.report import Ratio

WIDTH = 720
LABELS = 190
"""Pixels left of the bars."""
VALUES = 70
"""Pixels right of the longest bar."""
TOP = 64
ROW = 34
BAR = 18
LINE = 16
MARGIN = 16
NOTE_LENGTH = 110
"""Characters of small print that fit on a line."""
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.small { font-size: 11px; fill: #59636e }
.paper { fill: #ffffff }
.bar { fill: #0969da }
.over { fill: #cf222e }
.floor { stroke: #59636e }
.goal { stroke: #1a7f37; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .small { fill: #9198a1 } .paper { fill: #0d1117 } .bar { fill: #4493f8 }
.floor { stroke: #9198a1 } .goal { stroke: #3fb950 }
}
"""


def chart(ratios: Sequence[Ratio], notes: Sequence[str]) -> str:
    """One bar a scenario, a line where nginx stands (1), a tick where the goal is.

    `notes` stand below: machine and versions.
    """
    small = [line for note in notes for line in textwrap.wrap(note, NOTE_LENGTH)]
    longest = max((max(one.value, one.scenario.goal) for one in ratios), default=1.0) or 1.0
    scale = (WIDTH - LABELS - VALUES) / longest
    bottom = TOP + ROW * len(ratios)
    height = bottom + LINE * len(small) + 2 * MARGIN
    floor = LABELS + scale
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-labelledby="title">',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>',
        '<text class="title" id="title" x="16" y="28">'
        "CPU per request or token, as a multiple of nginx forwarding the same bytes</text>",
        '<text class="small" x="16" y="48">shorter is better; grey line: nginx; green tick: goal'
        "</text>",
        *(_row(one, TOP + ROW * number, scale) for number, one in enumerate(ratios)),
        f'<line class="floor" x1="{floor:.1f}" x2="{floor:.1f}" y1="{TOP - 4}" y2="{bottom}"/>',
        *(
            f'<text class="small" x="16" y="{bottom + MARGIN + LINE * number:g}">{escape(note)}'
            "</text>"
            for number, note in enumerate(small)
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _row(ratio: Ratio, top: int, scale: float) -> str:
    scenario = ratio.scenario
    length = ratio.value * scale
    kind = "over" if ratio.verdict in {"misses", "failed"} else "bar"
    goal = LABELS + scenario.goal * scale
    middle = top + BAR - 4
    label = f"{scenario.name}: {scenario.about}"
    tick = (
        f'<line class="goal" x1="{goal:.1f}" x2="{goal:.1f}" y1="{top - 3}" y2="{top + BAR + 3}"/>'
        if scenario.goal
        else ""
    )
    # Right of bar and tick alike, so that the number never lies on the tick.
    after = LABELS + max(length, scenario.goal * scale) + 6
    return (
        f'<text x="16" y="{middle}">{escape(label)}</text>'
        f'<rect class="{kind}" x="{LABELS}" y="{top}" width="{length:.1f}" height="{BAR}"/>'
        f'{tick}<text x="{after:.1f}" y="{middle}">{ratio.value:.1f}x</text>'
    )
