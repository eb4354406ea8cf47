"""The report as one HTML page that needs nothing beside it: tables, and curves as SVG in the page's own colours."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from worker.core.shares import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that stand for the page's: replaced in the SVG, so that a picture follows light and dark.
_INK, _LINE = "#010203", "#c1c2c3"
_SERIES = ("#3b7dd8", "#d9662b", "#3f9b5f", "#a45bb5", "#c2a32b", "#5aa6b8", "#c94f6d", "#7c8a3c")
_COLOURS = {_INK: "currentColor", _LINE: "var(--line)"}
_STYLE = """
:root { color-scheme: light dark; --line: #d8dbe0; --paper: #ffffff; --ink: #1c2024; --soft: #f4f5f7; --dim: #666e78 }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a4048; --paper: #16191d; --ink: #e4e7eb; --soft: #1f2429; --dim: #98a1ad }
}
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem } p.dim, td small { color: var(--dim) }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left } thead th { color: var(--dim); font-weight: 600 }
.charts { display: flex; flex-wrap: wrap; gap: 1rem } .charts svg { max-width: 100%; height: auto }
"""

Drawn = dict[str, str]  # SVG by name


def page(report: Mapping[str, Any], title: str) -> str:
    """The whole page."""
    pictures = draw(report)
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="dim">{html.escape(heading(report))}</p>',
        "<h2>Categories</h2>",
        _categories(report),
        f'<div class="charts">{"".join(pictures.values())}</div>',
        "<h2>Operating points</h2>",
        _points(report),
    ]
    if report["groups"]:
        parts += ["<h2>Groups</h2>", _groups(report)]
    if report["swaps"] is not None:
        parts += ["<h2>The same said of others</h2>", f"<p>{html.escape(swaps_told(report['swaps']))}</p>"]
    if report["attacks"]:
        told = html.escape(together_told(report["attacks_together"]))
        parts += ["<h2>Attacks</h2>", f"<p>{told}</p>", _attacks(report)]
    head = (
        f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{html.escape(title)}</title>"
    )
    return (
        f"<!doctype html><html lang='en'><head>{head}<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def heading(report: Mapping[str, Any]) -> str:
    """One line that says what was measured."""
    policy = report.get("policy", {})
    told = [f"{report['rows']} events", f"rows {report['rows_digest']}"]
    if policy:
        told.append(f"policy {policy['id']} {policy['version']}")
    told += [f"{model['name']} {model['version']}" for model in report.get("models", ())]
    if report.get("events_per_s"):
        told.append(f"{report['events_per_s']:.0f} events/s")
    if report["degraded"]:
        told.append(f"{report['degraded']} degraded")
    return " · ".join(told)


def swaps_told(swaps: Mapping[str, Any]) -> str:
    """The counterfactual swaps in one sentence."""
    spread = swaps["spread"]
    return (
        f"{swaps['pairs']} sentences, each said of several groups: the score moves by {spread['mean']:.3f} on average, "
        f"{spread['p95']:.3f} in one of twenty, {spread['largest']:.3f} at most; "
        f"{percent(swaps['decided_apart']['share'])} are decided differently for some of them."
    )


def together_told(together: Mapping[str, Any]) -> str:
    """All attacks in one sentence."""
    worst, ratio = together["worst_success"], together["false_flags_ratio"]
    flags = (
        "none of the harmless rows is flagged plain"
        if ratio is None
        else f"harmless rows are flagged {ratio:.2f} times as often"
    )
    return (
        f"attacks hide {percent(together['mean_success'])} of what is caught plain on average, "
        f"{worst['attack']} the most with {percent(worst['value'])}; {flags}"
    )


def draw(report: Mapping[str, Any]) -> Drawn:
    """ROC, precision over recall and reliability of every category that has a curve; attacks when there are any."""
    shown = {name: one for name, one in report["categories"].items() if one.get("roc")}
    pictures = {
        "roc": _picture("ROC", "false-positive rate", "recall", lambda on: _lines(on, shown, "roc")),
        "precision_recall": _picture(
            "precision over recall", "recall", "precision", lambda on: _lines(on, shown, "precision_recall")
        ),
        "reliability": _picture("reliability", "score", "share that violates", lambda on: _reliability(on, shown)),
    }
    if report["attacks"]:
        pictures["attacks"] = _picture("attacks", "share of caught harm that is missed", "", _bars(report), unit=False)
    return pictures


def _picture(title: str, across: str, up: str, plot: Callable[[Axes], None], *, unit: bool = True) -> str:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif", "font.size": 9}
    with mpl.rc_context({**settings, "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _LINE}):
        figure = Figure(figsize=(4.6, 4.2) if unit else (9.6, 7), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_alpha(0)
        on = figure.subplots()
        on.patch.set_alpha(0)
        on.set(title=title, xlabel=across, ylabel=up)
        on.tick_params(colors=_INK)
        on.grid(color=_LINE, linewidth=0.5)
        if unit:
            on.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        plot(on)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    for colour, ours in _COLOURS.items():
        svg = svg.replace(colour, ours)
    # Two pictures on one page must not share names.
    return re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{title.replace(' ', '-')}-", svg)


def _lines(on: Axes, shown: Mapping[str, Any], curve: str) -> None:
    for i, (name, one) in enumerate(shown.items()):
        across, up = zip(*one[curve], strict=True)
        style = "-" if i < len(_SERIES) else "--"
        on.plot(across, up, style, color=_SERIES[i % len(_SERIES)], linewidth=2.2 if name == "any" else 1.1, label=name)
    _legend(on)


def _reliability(on: Axes, shown: Mapping[str, Any]) -> None:
    on.plot((0, 1), (0, 1), color=_LINE, linewidth=1)
    for i, (name, one) in enumerate(shown.items()):
        points = [(bin_["score"], bin_["share"]) for bin_ in one["reliability"] if bin_["of"] >= 10]
        if points:
            across, up = zip(*points, strict=True)
            on.plot(across, up, "o-", color=_SERIES[i % len(_SERIES)], linewidth=1.1, markersize=3, label=name)
    _legend(on)


def _bars(report: Mapping[str, Any]) -> Callable[[Axes], None]:
    def plot(on: Axes) -> None:
        told = sorted(report["attacks"].items(), key=lambda item: float(item[1]["success"]["share"]))
        places = range(len(told))
        on.barh(places, [one["success"]["share"] for _, one in told], height=0.6, color=_SERIES[0])
        on.set_yticks(places, [name for name, _ in told])
        on.set_xlim(0, 1)

    return plot


def _legend(on: Axes) -> None:
    if on.get_legend_handles_labels()[1]:
        on.legend(fontsize=7, frameon=False, labelcolor=_INK)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """An HTML table; cells are text."""
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def figure_told(found: Mapping[str, Any] | None) -> str:
    """`.912 (.897–.927)`; a dash for none."""
    return "–" if found is None else f"{found['value']:.3f} ({found['low']:.3f}–{found['high']:.3f})"


def share_told(found: Mapping[str, Any]) -> str:
    """`12 % (8.1–17 %)`; a dash where there is nothing to count."""
    if not found["of"]:
        return "–"
    return f"{percent(found['share'])} ({percent(found['low']).removesuffix(' %')}–{percent(found['high'])})"


def _categories(report: Mapping[str, Any]) -> str:
    head = ("category", "violate", "do not", "AUROC", "average precision", "calibration error")
    return table(head, category_rows(report))


def category_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Cells of the table of categories."""
    rows = []
    for name, one in report["categories"].items():
        counts = (str(one["positives"]), str(one["negatives"]))
        rows.append([name, *counts, figure_told(one["auroc"]), figure_told(one["ap"]), f"{one['ece']:.3f}"])
    return rows


def _points(report: Mapping[str, Any]) -> str:
    return table(("category", "at", "recall", "precision", "false positives"), point_rows(report))


def point_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Cells of the table of operating points."""
    return [
        [name, point, *(share_told(told[rate]) for rate in ("recall", "precision", "false_positive_rate"))]
        for name, one in report["categories"].items()
        for point, told in one["points"].items()
    ]


def _groups(report: Mapping[str, Any]) -> str:
    head = ("group", "events", "false positives", "gap", "subgroup AUC", "BPSN AUC", "BNSP AUC")
    return table(head, group_rows(report))


def group_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Cells of the table of groups, worst gap first."""
    rows = []
    for name, one in report["groups"].items():
        gap = "–" if one["false_positive_gap"] is None else f"{100 * one['false_positive_gap']:+.1f} %"
        aucs = (figure_told(one[auc]) for auc in ("subgroup_auc", "bpsn_auc", "bnsp_auc"))
        rows.append([name, str(one["rows"]), share_told(one["false_positive_rate"]), gap, *aucs])
    return rows


def _attacks(report: Mapping[str, Any]) -> str:
    head = ("attack", "caught plain, missed attacked", "harmless flagged plain", "harmless flagged attacked")
    return table(head, attack_rows(report))


def attack_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Cells of the table of attacks, the most successful first."""
    told = sorted(report["attacks"].items(), key=lambda item: -item[1]["success"]["share"])
    return [
        [name, *(share_told(one[key]) for key in ("success", "flagged_plain", "flagged_attacked"))]
        for name, one in told
    ]
