#!/usr/bin/env python3
"""Draws docs/hot_rows.svg from a result of the lock-hold benchmark.

usage: hot_rows_chart.py RESULT.json > hot_rows.svg

One panel for each number of branches and round trip: the transactions a second that 8 threads get
through one hot row of each database, medians of the rounds.
"""

import json
import sys
from html import escape

BARS = [
    ("the best Java peer", None, "#9aa5b1"),
    ("local commits, not atomic", "local", "#c9a66b"),
    ("xa_tm, interactive", "ours", "#8fb8de"),
    ("xa_tm, one-shot", "ours_one_shot", "#5b93c7"),
    ("xa_tm, conflict keys", "ours_keys", "#2f6ea8"),
    ("xa_tm, combined", "ours_combined", "#124a7d"),
]
PANELS = [(2, 0.0), (4, 0.0), (2, 1.0), (4, 1.0)]
WIDTH, PANEL, LINE, LABEL, BAR = 860, 186, 22, 190, 480


def throughputs(result, branches, rtt_ms):
    """By contender, of the hot cell with 8 threads that writes in every transaction."""
    wanted = {"branches": branches, "rtt_ms": rtt_ms, "rows": "hot", "threads": 8,
              "read_only_share": 0.0, "servers": ["postgres", "mariadb"]}
    for cell in result["cells"]:
        if all(cell.get(name) == value for name, value in wanted.items()):
            return {one["name"]: one["throughput"]["median"] for one in cell["contenders"]}
    sys.exit(f"the result has no hot cell of {branches} branches at {rtt_ms} ms")


def text(x, y, words, extra=""):
    return f'<text x="{x}" y="{y}" {extra}>{escape(words)}</text>'


def panel(result, top, branches, rtt_ms):
    measured = throughputs(result, branches, rtt_ms)
    peer = max(value for name, value in measured.items() if name.endswith("_best"))
    largest = max(measured[name] for _, name, _ in BARS if name)
    place = "loopback" if rtt_ms == 0 else f"{rtt_ms:g} ms network"
    lines = [text(0, top + 14, f"{branches} databases, {place}", 'font-weight="bold"')]
    for row, (label, name, color) in enumerate(BARS):
        value = measured[name] if name else peer
        y = top + 24 + row * LINE
        width = max(1, round(BAR * value / largest))
        lines.append(text(LABEL - 8, y + 13, label, 'text-anchor="end"'))
        lines.append(f'<rect x="{LABEL}" y="{y}" width="{width}" height="16" fill="{color}"/>')
        lines.append(text(LABEL + width + 6, y + 13, f"{value:,.0f}/s ({value / peer:.2f} ×)"))
    return lines


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    with open(sys.argv[1], encoding="utf-8") as file:
        result = json.load(file)
    height = PANEL * len(PANELS)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
             'font-family="sans-serif" font-size="13" fill="#1f2933">',
             f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
    for place, (branches, rtt_ms) in enumerate(PANELS):
        lines += panel(result, place * PANEL, branches, rtt_ms)
    print("\n".join([*lines, "</svg>"]))


main()
