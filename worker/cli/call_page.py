"""The report of a call: one HTML file with waveforms, transcripts, curves and transitions; nothing from outside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from worker.cli.call_log import LEVEL_S, CallLog, SpeakerLog, Window

_WIDTH, _WAVE, _CURVES = 960, 70, 150
_CURVES_SHOWN = 6
_LEAST = 0.15  # a category that never scores higher has no curve
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --flag: #f5b800; --block: #e5484d; --allow: #30a46c }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem }
svg { width: 100%; height: auto; display: block } text { font: 11px system-ui, sans-serif; fill: currentColor }
.state { padding: .1rem .5rem; border-radius: .6rem; color: #fff; font-size: .85rem }
.allow { background: var(--allow) } .flag { background: var(--flag); color: #000 } .block { background: var(--block) }
p.said span { padding: 0 .1em; border-radius: .2em }
p.said .flag { background: color-mix(in srgb, var(--flag) 45%, transparent); color: inherit }
p.said .block { background: color-mix(in srgb, var(--block) 45%, transparent); color: inherit }
ul.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .85rem }
ul.legend i { display: inline-block; width: 1.2em; height: .25em; vertical-align: middle; margin-right: .4em }
table { border-collapse: collapse; font-size: .85rem } td, th { text-align: left; padding: .15rem .8rem .15rem 0 }
tr + tr td { border-top: 1px solid var(--line) }
"""


def page(book: CallLog, title: str) -> str:
    """The whole file. It holds what was said: keep it as the recording itself is kept."""
    seconds = max(book.seconds, 1.0)
    parts = "".join(_speaker(name, one, seconds) for name, one in book.speakers.items())
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    about = f"<p>{_clock(book.seconds)} long, {len(book.speakers)} speaker(s), {book.decisions} chunks decided.</p>"
    legend = "<p>Coloured words stand in a sentence or window that passed: yellow is flag, red is block.</p>"
    body = f"<h1>Call: {escape(title)}</h1>{about}{legend}{parts}"
    return f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{body}</body></html>\n'


def _speaker(name: str, one: SpeakerLog, seconds: float) -> str:
    shown = _shown(one.windows)
    state = f'<span class="state {one.state}">{one.state}</span>'
    return (
        f"<section><h2>{escape(name)} {state}</h2>"
        f"{_chart(one, shown, seconds)}{_legend(shown)}{_said(one)}{_changes(one)}</section>"
    )


def _shown(windows: Sequence[Window]) -> list[str]:
    """The categories with a curve, highest first."""
    best: dict[str, float] = {}
    for window in windows:
        for category, score in window.scores.items():
            best[category] = max(score, best.get(category, 0.0))
    return sorted((c for c, score in best.items() if score >= _LEAST), key=lambda c: -best[c])[:_CURVES_SHOWN]


def _chart(one: SpeakerLog, shown: Sequence[str], seconds: float) -> str:
    """Waveform above, scores of the windows below, transitions through both."""

    def x(at: float) -> float:
        return round(at / seconds * _WIDTH, 1)

    top, bottom = _WAVE + 10, _WAVE + 10 + _CURVES
    marks = [_wave(one, x), _grid(seconds, x, top, bottom)]
    for colour, category in zip(_COLOURS, shown, strict=False):
        heights = [(x(w.t1), bottom - w.scores.get(category, 0.0) * _CURVES) for w in one.windows if w.scores]
        line = " ".join(f"{left},{height:.1f}" for left, height in heights)
        dots = "".join(f'<circle cx="{left}" cy="{height:.1f}" r="2.5"/>' for left, height in heights)
        drawn = f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
        marks.append(f'<g fill="{colour}"><title>{escape(category)}</title>{drawn}{dots}</g>')
    for change in one.changes:
        left, after = x(change["t1"]), change["after"]
        label = escape(f"{change['category']}: {change['before']} → {after} ({change['cause']})")
        marks.append(
            f'<line x1="{left}" x2="{left}" y1="0" y2="{bottom}" stroke="var(--{after})" stroke-width="2" '
            f'stroke-dasharray="4 3"><title>{label}</title></line>'
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {bottom + 18}" role="img" aria-label="waveform and scores">{"".join(marks)}</svg>'
    )


def _wave(one: SpeakerLog, x: object) -> str:
    assert callable(x)
    middle = _WAVE / 2
    path = "".join(
        f"M{x(place * LEVEL_S)} {middle - level * middle:.1f}V{middle + level * middle:.1f}"
        for place, level in enumerate(one.levels)
        if level > 0.005
    )
    return f'<path d="{path}" stroke="currentColor" stroke-width="1" opacity=".6"/>'


def _grid(seconds: float, x: object, top: int, bottom: int) -> str:
    """Lines at scores of 0, 0.5 and 1, and the seconds below."""
    assert callable(x)
    rows = [
        f'<line x1="0" x2="{_WIDTH}" y1="{y}" y2="{y}" stroke="var(--line)"/><text x="2" y="{y - 3}">{score:g}</text>'
        for score in (0.0, 0.5, 1.0)
        for y in [bottom - score * (bottom - top)]
    ]
    step = next((one for one in (5, 10, 30, 60, 300, 600) if seconds / one <= 12), 3600)
    ticks = [f'<text x="{x(at)}" y="{bottom + 14}">{_clock(at)}</text>' for at in range(0, int(seconds) + 1, step)]
    return "".join([*rows, *ticks])


def _legend(shown: Sequence[str]) -> str:
    items = "".join(
        f'<li><i style="background:{colour}"></i>{escape(category)}</li>'
        for colour, category in zip(_COLOURS, shown, strict=False)
    )
    return f'<ul class="legend">{items}</ul>' if items else ""


def _said(one: SpeakerLog) -> str:
    words = []
    for word in one.words:
        action = one.action_at(word)
        kind = "" if action == "allow" else f' class="{action}"'
        words.append(f'<span{kind} title="{_clock(word.start)}">{escape(word.text)}</span>')
    return f'<p class="said">{" ".join(words)}</p>' if words else '<p class="said">Nobody was heard.</p>'


def _changes(one: SpeakerLog) -> str:
    rows = "".join(
        f"<tr><td>{_clock(c['t1'])}</td><td>{escape(c['category'])}</td><td>{c['before']} → {c['after']}</td>"
        f"<td>{escape(c['cause'])}</td><td>{_clock(c['t0'])} to {_clock(c['t1'])}</td></tr>"
        for c in one.changes
    )
    head = "<tr><th>at</th><th>category</th><th>state</th><th>cause</th><th>window</th></tr>"
    return f"<table>{head}{rows}</table>" if rows else ""


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
