"""The report of a run: one HTML file that needs no network, no script and no second file."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest

import matplotlib
from matplotlib.figure import Figure

from ..writing import write_file
from .names import OMIT, VARIABLE, without_names

_DPI = 192  # two pixels of a picture to one of the page
_PROSE = 32  # characters: a column with a longer cell is read, not compared, so its lines are broken


Pictures = Sequence[tuple[str, Figure]]


@dataclass(frozen=True)
class Report:
    """What a report says, in reading order; all of it plain text.

    `numbers` are (label, value, unit, comparison), the first five shown; `figures` are (caption, figure), `gallery`
    the same smaller; `tables` are (caption, rows), the first row the heading; `notes` say what limits the result;
    `configuration` is TOML, `reproduce` shell commands; `provenance` may nest.
    """

    title: str
    verdict: str
    good: bool
    numbers: Sequence[tuple[str, str, str, str]]
    figures: Pictures
    notes: Sequence[str]
    configuration: str
    provenance: Mapping[str, object]
    reproduce: str
    tables: Sequence[tuple[str, Sequence[Sequence[str]]]] = ()
    gallery: Pictures = ()


def write_report(path: str | os.PathLike[str], report: Report) -> None:
    """Write the report as one HTML file, whole or not at all; InputError where it cannot be written.

    Without names of files and cells where the environment asks for that (see `names`).
    """
    if os.environ.get(VARIABLE) == OMIT:
        report = without_names(report)
    # A name taken from a layout may hold what UTF-8 cannot say.
    write_file(path, _page(report).encode("utf-8", "replace"))


def _page(report: Report) -> str:
    sections = [
        ("Pictures", "\n".join(_figure(caption, figure) for caption, figure in report.figures), "figures"),
        ("Worst places", "\n".join(_figure(caption, figure) for caption, figure in report.gallery), "gallery"),
        ("Tables", "\n".join(_table(caption, rows) for caption, rows in report.tables), "tables"),
        ("Limits of this result", _list(report.notes), "notes"),
        ("Configuration", _code(report.configuration), "configuration"),
        ("How to reproduce", _code(report.reproduce), "reproduce"),
        ("Provenance", _terms(report.provenance), "provenance"),
    ]
    title, verdict = escape(report.title), escape(report.verdict)
    numbers = "\n".join(_number(*number) for number in report.numbers[:5])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Actinic">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<header>
<h1>{title}</h1>
<p class="verdict {"good" if report.good else "bad"}"><span aria-hidden="true">{_MARK[report.good]}</span>{verdict}</p>
</header>
<section aria-label="Key numbers">
<dl class="numbers">
{numbers}
</dl>
</section>
{"".join(_section(*section) for section in sections)}</main>
</body>
</html>
"""


def _section(heading: str, content: str, name: str) -> str:
    if not content:
        return ""
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{heading}</h2>\n<div>\n{content}\n</div>\n</section>\n'


def _number(label: str, value: str, unit: str, comparison: str) -> str:
    # A number and its unit stay on one line.
    comparison = re.sub(r"(?<=\d) (?=[^\W\d]|%)", "\u00a0", comparison)
    label, value, unit, comparison = (escape(part) for part in (label, value, unit, comparison))
    shown = f'{value} <span class="unit">{unit}</span>' if unit else value
    below = f'<dd class="comparison">{comparison}</dd>' if comparison else ""
    return f'<div><dt>{label}</dt><dd class="value">{shown}</dd>{below}</div>'


def _figure(caption: str, figure: Figure) -> str:
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return (
        f'<figure>\n<img src="{_picture(figure)}" width="{width}" height="{height}" alt="{escape(_shows(figure))}">\n'
        f"<figcaption>{escape(caption)}</figcaption>\n</figure>"
    )


def _picture(figure: Figure) -> str:
    """The figure as a data URI: lines where they are the smaller file, else pixels."""
    svg, png = io.BytesIO(), io.BytesIO()
    # The salt and the missing date make the same figure the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "actinic"}):
        figure.savefig(svg, format="svg", facecolor="none", dpi=_DPI, metadata={"Date": None})
    figure.savefig(png, format="png", facecolor="none", dpi=_DPI, metadata={"Software": None})
    kind, data = min(("svg+xml", svg.getvalue()), ("png", png.getvalue()), key=lambda item: len(item[1]))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _shows(figure: Figure) -> str:
    """What a figure shows, out of its own words, for who cannot see it: the caption says what to see in it."""
    parts = []
    for ax in figure.axes:
        legend = ax.get_legend()
        keys = ", ".join(text.get_text() for text in legend.get_texts()) if legend else ""
        across, up = ax.get_xlabel(), ax.get_ylabel()
        axes = f"{up} over {across}" if up and across else up or across
        parts.append(": ".join(part for part in (axes, keys) if part))
    return "; ".join(["Plot", *filter(None, parts)]).replace("Plot; ", "Plot of ", 1)


def _table(caption: str, rows: Sequence[Sequence[str]]) -> str:
    head, *body = [[escape(cell) for cell in row] for row in rows]
    longest = (max(map(len, column)) for column in zip_longest(*rows, fillvalue=""))
    kinds = [' class="prose"' if length > _PROSE else "" for length in longest]
    columns = "".join(f'<th scope="col"{kind}>{cell}</th>' for cell, kind in zip(head, kinds, strict=False))
    lines = "\n".join(
        f"<tr>{''.join(f'<td{kind}>{cell}</td>' for cell, kind in zip(row, kinds, strict=False))}</tr>" for row in body
    )
    return (
        f'<div class="table">\n<table>\n<caption>{escape(caption)}</caption>\n<thead><tr>{columns}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody>\n</table>\n</div>"
    )


def _list(notes: Sequence[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{escape(note)}</li>" for note in notes) + "\n</ul>" if notes else ""


def _code(text: str) -> str:
    """Text as it is, its paragraphs kept whole where the page is set in columns."""
    blocks = [f"<span>{escape(block)}</span>" for block in re.split(r"(?<=\n\n)", text.strip())]
    return f"<pre><code>{''.join(blocks)}</code></pre>" if text.strip() else ""


def _terms(values: Mapping[str, object]) -> str:
    rows = [f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in _flat(values)]
    return '<dl class="terms">\n' + "\n".join(rows) + "\n</dl>" if rows else ""


def _flat(values: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """Nested tables as (key, text), the keys joined by dots."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{above}{key}", ", ".join(map(str, value))
        else:
            yield f"{above}{key}", str(value)


_MARK = {True: "✓", False: "✕"}

_STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1b1a; --soft: #62625e; --line: #e3e3df; --panel: #f7f7f5;
  --good: #00684a; --bad: #a63c00;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #161615; --ink: #ecece8; --soft: #a3a39d; --line: #343431; --panel: #1f1f1d;
    --good: #5fc9a2; --bad: #f39a5f;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 400 1rem/1.55 var(--sans); }
main { max-width: 72rem; margin: 0 auto; padding: clamp(1.75rem, 6vw, 5rem) clamp(1.25rem, 5vw, 3.5rem); }
h1, h2, p, dl, dd, figure, pre { margin: 0; }
h1 { font-size: 1rem; font-weight: 500; color: var(--soft); text-wrap: balance; overflow-wrap: anywhere; }
.verdict {
  margin-top: 0.6rem; max-width: 34em; font-size: clamp(1.5rem, 1.1rem + 1.8vw, 2.25rem); font-weight: 500;
  line-height: 1.22; letter-spacing: -0.015em; text-wrap: balance; overflow-wrap: anywhere;
}
.verdict span { margin-right: 0.45em; }
.good span { color: var(--good); }
.bad span { color: var(--bad); }
.numbers {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 2.25rem 2rem;
  margin-top: clamp(2.5rem, 6vw, 4.5rem);
}
.numbers > div { border-top: 1px solid var(--ink); padding-top: 0.7rem; }
.numbers dt, .comparison { font-size: 0.875rem; line-height: 1.4; color: var(--soft); }
.value {
  margin: 0.35rem 0 0.2rem; font-size: 2.5rem; font-weight: 300; line-height: 1.15; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums lining-nums; white-space: nowrap;
}
.unit { font-size: 1rem; font-weight: 400; letter-spacing: 0; color: var(--soft); }
section[aria-labelledby] { margin-top: clamp(3.5rem, 8vw, 6rem); }
h2 { margin-bottom: 1.5rem; font-size: 1.25rem; font-weight: 500; letter-spacing: -0.01em; }
#figures + div {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 3rem 3.5rem;
  align-items: start;
}
#gallery + div {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); gap: 2.5rem;
  align-items: start;
}
figure { min-width: 0; }
figure img {
  display: block; width: 100%; max-width: 36rem; height: auto; border-radius: 4px;
}
@media screen and (prefers-color-scheme: dark) { figure img { padding: 0.5rem; background: #e9e9e5; } }
figcaption { margin-top: 0.75rem; max-width: 34em; font-size: 0.875rem; line-height: 1.5; color: var(--soft); }
.table { overflow-x: auto; margin-bottom: 2.5rem; }
table { border-collapse: collapse; font-size: 0.8125rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
caption { padding-bottom: 0.75rem; text-align: left; font-size: 0.875rem; color: var(--soft); }
th, td { padding: 0.3rem 1.5rem 0.3rem 0; border-top: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { font-weight: 500; color: var(--soft); }
th:first-child, td:first-child { text-align: left; }
.prose:not(:first-child) { text-align: left; white-space: normal; min-width: 14rem; }
ul { margin: 0; padding: 0; max-width: 42em; list-style: none; }
li { padding: 0.6rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
li:last-child { border-bottom: 1px solid var(--line); }
pre {
  padding: 1.25rem 1.5rem; background: var(--panel); border-radius: 4px; font: 0.8125rem/1.6 var(--mono);
  white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 2;
}
code { font: inherit; }
#configuration + div code { display: block; columns: 22rem; column-gap: 3rem; }
#configuration + div span { display: block; break-inside: avoid; }
.terms > div {
  display: grid; grid-template-columns: minmax(8rem, 14rem) 1fr; gap: 0 2rem; padding: 0.5rem 0;
  border-top: 1px solid var(--line); font-size: 0.875rem;
}
.terms > div:last-child { border-bottom: 1px solid var(--line); }
.terms dt { color: var(--soft); overflow-wrap: anywhere; }
.terms dd { overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
@media (max-width: 32rem) {
  .numbers { grid-template-columns: 1fr 1fr; gap: 1.75rem 1.25rem; }
  .value { font-size: 2rem; }
  .terms > div { grid-template-columns: 1fr; }
  pre { padding: 1rem; }
}
@media print {
  @page { margin: 18mm; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .numbers { grid-template-columns: repeat(5, 1fr); gap: 1rem; margin-top: 1.5rem; }
  .numbers dt, .comparison { font-size: 0.7rem; }
  .value { font-size: 1.6rem; }
  #configuration + div code { columns: 2; }
  section[aria-labelledby] { margin-top: 2rem; }
  #figures + div { grid-template-columns: 1fr 1fr; gap: 1.5rem; }
  #gallery + div { grid-template-columns: 1fr 1fr 1fr; gap: 1rem; }
  h2 { break-after: avoid; }
  figure, li, .numbers > div, .terms > div { break-inside: avoid; }
  pre { border: 1px solid var(--line); background: none; }
}
"""
