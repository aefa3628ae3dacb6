"""The report of a run: one HTML page that needs nothing else: no script, no font, no picture, no address.

Nothing is told by colour alone: lines differ in dashes, cells hold their numbers, what is marked is named.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

import msgspec

from models.evaluation.bootstrap import Figure
from models.evaluation.calibrated import Calibration
from models.evaluation.report import Table
from models.training.charts import reliability
from models.training.curves import curves, table
from models.training.examined import MISSED, SPURIOUS, Confusion, Examined, Mistake
from models.training.own import HISTORY, RUN, Trained
from models.training.report_style import BEGIN, END

REPORT = "report.html"
EXAMPLES = 30
"""Of each kind, so many are quoted."""
AROUND = 90
"""Characters of a text on either side of a span that is quoted."""
OPENING = 400
"""Characters of a text that is quoted as a whole."""
MOST_LABELS = 16
"""In a confusion; the others are together."""
OTHERS = "others"


def report(
    folder: Path, done: Trained, found: Examined, problems: Sequence[str] = (), *, examples: bool = True
) -> Path:
    """Write `folder / "report.html"` of the run in it. `problems`: of its data; `examples`: whether mistakes
    are shown, which quote the data."""
    sections = [
        _head(done, found, examples=examples),
        curves(folder / HISTORY),
        *(f"<section><h2>{_title(own)}</h2>\n{_scores(own)}</section>\n" for own in found.tables),
        _confusions(found.confusions),
        _calibrations(found.calibrations),
        _mistakes(found.mistakes) if examples else "",
        _settings(folder / RUN, done),
        _problems(problems),
    ]
    page = BEGIN + "".join(sections) + END
    (folder / REPORT).write_text(page, encoding="utf-8", errors="replace")
    return folder / REPORT


def _head(done: Trained, found: Examined, *, examples: bool) -> str:
    name = escape(f"{done.config.name} {done.config.version}")
    quoted = (
        "<p class='warning'><strong>This page quotes your texts.</strong> Keep it where they may be kept, or "
        "have it written without: <code>--no-examples</code>.</p>\n"
        if examples
        else ""
    )
    return (
        f"<h1>{name}</h1>\n{quoted}<p>Learned from {done.learned:,} texts; every figure here is of "
        f"{found.documents:,} others. They chose when to stop, so other texts still may do a little worse. "
        f"Not a medical device.</p>\n{_overview(found.tables)}"
    )


def _overview(tables: Sequence[Table]) -> str:
    rows = [
        [
            _title(own),
            percent(own),
            interval(own.micro.figure),
            f"{own.micro.gold:,}",
        ]
        for own in tables
    ]
    return table(("what", "per cent", "95 %", "labelled"), rows, "Figures at a glance") if rows else ""


# --- tables ------------------------------------------------------------------------------------------


def _title(whole: Table) -> str:
    return escape(whole.task)


def _scores(whole: Table) -> str:
    header = ("label", "gold", "found", "right", "precision", "recall", "F1", "95 %")
    scores = (*whole.scores, whole.micro) if len(whole.scores) > 1 else whole.scores
    rows = [
        [
            escape(own.label),
            *(f"{number:,}" for number in (own.gold, own.found, own.right)),
            *(f"{100 * share:.1f}" for share in (own.precision, own.recall, own.f1)),
            interval(own.figure),
        ]
        for own in scores
    ]
    return table(header, rows, f"{whole.documents:,} texts; {whole.what}", last=len(whole.scores) > 1)


def percent(whole: Table) -> str:
    """F1 of all labels together, or recall where that is what is measured."""
    return f"{100 * (whole.micro.recall if whole.kind in ('recall', 'coverage') else whole.micro.f1):.1f}"


def interval(figure: Figure) -> str:
    """In per cent; empty where there is none."""
    if figure.low is None or figure.high is None:
        return ""
    return f"{100 * figure.low:.1f}–{100 * figure.high:.1f}"


def _confusions(found: Sequence[Confusion]) -> str:
    if not found:
        return ""
    drawn = "".join(_confusion(own) for own in found)
    return f"<section><h2>What is taken for what</h2>\n{drawn}</section>\n"


def _confusion(whole: Confusion) -> str:
    own = _joined(whole)
    heads = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in own.said)
    body = []
    for name, counts in zip(own.gold, own.counts, strict=True):
        total = max(1, sum(counts))
        cells = []
        for said, count in zip(own.said, counts, strict=True):
            kind = "right" if said == name else "wrong"
            depth = min(4, round(4 * count / total + 0.49)) if count else 0
            cells.append(f'<td class="{kind}{depth}">{count or "·"}</td>')
        body.append(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>\n')
    caption = f"{escape(own.what)}: a row is what it is, a column what is said; on the diagonal it is right"
    return (
        f'<div class="wide"><table class="confusion"><caption>{caption}</caption>\n'
        f"<tr><th></th>{heads}</tr>\n{''.join(body)}</table></div>\n"
    )


def _joined(own: Confusion) -> Confusion:
    """With the rarer labels as one, where there are many."""
    names = [name for name in own.gold if name != SPURIOUS]
    if len(names) <= MOST_LABELS:
        return own
    kept = (*names[: MOST_LABELS - 1], SPURIOUS, MISSED)
    rows = tuple(dict.fromkeys(name if name in kept else OTHERS for name in own.gold))
    columns = tuple(dict.fromkeys(name if name in kept else OTHERS for name in own.said))
    counts = [[0] * len(columns) for _ in rows]
    for name, line in zip(own.gold, own.counts, strict=True):
        for said, count in zip(own.said, line, strict=True):
            row, column = (one if one in kept else OTHERS for one in (name, said))
            counts[rows.index(row)][columns.index(column)] += count
    return Confusion(own.what, rows, columns, tuple(map(tuple, counts)))


def _calibrations(found: Sequence[Calibration]) -> str:
    if not found:
        return ""
    drawn = []
    for own in found:
        error = own.equal_mass.value
        told = (
            f"{own.head}: expected calibration error {100 * error:.1f} %" if error is not None else own.head
        )
        bins = [(one.confidence, one.right, one.answers) for one in own.bins]
        drawn.append(reliability(f"{told}, {own.answers:,} answers", bins))
    return (
        '<section><h2>Whether it is as sure as it is right</h2>\n<p class="dim">Circles on the line: of all '
        "that it says with confidence 0.8, 80 % is right. Below the line it is too sure.</p>\n"
        f'<div class="charts">{"".join(drawn)}</div></section>\n'
    )


# --- mistakes ----------------------------------------------------------------------------------------


def _mistakes(found: Sequence[Mistake]) -> str:
    if not found:
        return "<section><h2>Mistakes</h2>\n<p>None.</p></section>\n"
    said = [own for own in found if own.said and not own.task]
    missed = [own for own in found if not own.said and not own.task]
    texts = [own for own in found if own.task]
    parts = [
        _listed("Said, and not so, or not quite there: the surest first", said),
        _listed("Not found", missed),
        _listed("Texts with other labels: the surest first", texts),
    ]
    key = (
        '<p class="dim">In the texts: <mark class="gold">what it is</mark>, <mark class="said">what is said'
        '</mark>, <mark class="both">both</mark>.</p>\n'
    )
    return f'<section class="mistakes"><h2>Mistakes</h2>\n{key}{"".join(parts)}</section>\n'


def _listed(title: str, found: Sequence[Mistake]) -> str:
    if not found:
        return ""
    rest = f" <small>{EXAMPLES} of {len(found):,}</small>" if len(found) > EXAMPLES else ""
    items = "".join(f"<li>{_mistake(own)}</li>\n" for own in found[:EXAMPLES])
    return f"<h3>{escape(title)}{rest}</h3>\n<ul>\n{items}</ul>\n"


def _mistake(own: Mistake) -> str:
    gold, said = escape(own.gold) or SPURIOUS, escape(own.said) or MISSED
    if own.gold == own.said:
        gold += ", with other bounds"
    sure = f" ({own.sure:.2f})" if own.sure else ""
    task = f"{escape(own.task)}: " if own.task else ""
    told = f'{task}said <b class="said">{said}</b>{sure}; it is <b class="gold">{gold}</b>'
    where = f'<span class="dim">{escape(own.document)}</span>'
    return f"<p>{told} {where}</p>\n<blockquote>{quoted(own)}</blockquote>"


def quoted(own: Mistake) -> str:
    """A span with what stands around it, or how a text begins."""
    if own.task:
        more = "…" if len(own.text) > OPENING else ""
        return escape(own.text[:OPENING].strip()) + more
    first, last = max(0, own.start - AROUND), min(len(own.text), own.end + AROUND)
    bounds = sorted({first, last, own.start, own.end, *(at for at in (*own.there, *own.found) if at)})
    inside = "".join(_marked(own, start, end) for start, end in pairwise(bounds))
    return ("…" if first else "") + inside + ("…" if last < len(own.text) else "")


def _marked(own: Mistake, start: int, end: int) -> str:
    """A stretch that lies in the gold span, in the said one, in both or in neither."""
    gold, said = (start >= place[0] and end <= place[1] for place in (own.there, own.found))
    kind = "both" if gold and said else "gold" if gold else "said" if said else ""
    inside = escape(own.text[start:end])
    return f'<mark class="{kind}">{inside}</mark>' if kind else inside


# --- how it was made ---------------------------------------------------------------------------------


def _settings(path: Path, done: Trained) -> str:
    told = json.loads(path.read_bytes()) if path.is_file() else {}
    recipe, base = told.get("recipe", {}), told.get("base", {})
    started = f"{base.get('name', '')} {base.get('version', '')} ({base.get('fingerprint', '')})"
    rows = [["started from", escape(started)], ["steps at most", f"{done.config.steps:,}"]]
    rows += [[escape(name), escape(_shown(value))] for name, value in recipe.items()]
    return f"<section><h2>Settings</h2>\n{table(('setting', 'value'), rows, 'Of this run')}</section>\n"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "as found"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _problems(problems: Sequence[str]) -> str:
    if not problems:
        return "<section><h2>The data</h2>\n<p>Nothing in it was left out or looked odd.</p></section>\n"
    items = "".join(f"<li>{escape(own)}</li>\n" for own in problems)
    return f"<section><h2>What was left out of the data, or looked odd</h2>\n<ul>{items}</ul></section>\n"
