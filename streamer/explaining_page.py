"""Explanations as one HTML page that needs nothing else: no script, no font, no picture, no address.

Blue speaks for what the record says, red against it, the more the deeper; what speaks for it is underlined,
what speaks against it dashed, so that no colour is needed. Every block lists its strongest words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from models.explanation import Explanation, Word
from models.types import Annotation, Note, Span
from streamer.explaining_words import (
    NAMES,
    heading,
    level,
    measured,
    place,
    signed,
    strongest,
    visible,
)

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --card: #f6f7f9; --text: #1b1f24; --dim: #57606a;
  --line: #d0d7de; --for: 37 99 235; --against: 220 38 38; --link: #0a4fb3 }
@media (prefers-color-scheme: dark) { :root { --ground: #0f1216; --card: #181c22; --text: #e8ebef;
  --dim: #a3adb8; --line: #363d47; --for: 70 130 240; --against: 225 75 75; --link: #8ab8ff } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem; max-width: 72rem; background: var(--ground); color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem }
h3 { font-size: 1.05rem; margin: 0 }
h3 small { font-weight: 400; color: var(--dim) }
p { margin: .4rem 0 } a { color: var(--link) } .dim { color: var(--dim); font-size: .85rem }
.legend { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; align-items: baseline; font-size: .9rem }
.text { white-space: pre-wrap; overflow-wrap: anywhere }
.whole { border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; margin: .8rem 0 1.2rem }
.group { margin: 0 0 1.4rem; padding-top: .6rem; border-top: 1px solid var(--line) }
.blocks { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: .8rem;
  margin-top: .6rem }
.group:target > h3 { text-decoration: underline .15em var(--link) }
.block { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem }
.block h4 { margin: 0; font-size: .95rem } .top { margin: .5rem 0 0; padding: 0; list-style: none;
  display: flex; flex-wrap: wrap; gap: .15rem .9rem; font-size: .85rem }
.top b { font-variant-numeric: tabular-nums } mark { background: none; color: inherit; border-radius: .2em }
""" + "".join(
    f".{name}{step} {{ background: rgb(var(--{colour}) / {share});"
    f" text-decoration: underline {line} {width}em; text-underline-offset: .2em }}\n"
    for name, colour, line in (("f", "for", "solid"), ("a", "against", "dashed"))
    for step, (share, width) in enumerate(
        zip((0.1, 0.2, 0.32, 0.45, 0.6), (0.04, 0.06, 0.08, 0.1, 0.14), strict=True), start=1
    )
)

BEGIN = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Explanations</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Explanations</h1>
<p>Which words moved what the record says. Point at a word for its weight, in log-odds; the strongest words
are listed in every block. Not a medical device.</p>
<p class="legend"><span>speaks for it: <mark class="f1">little</mark> <mark class="f3">more</mark>
<mark class="f5">most</mark></span> <span>speaks against it: <mark class="a1">little</mark>
<mark class="a3">more</mark> <mark class="a5">most</mark></span>
<span class="dim">of attention rollout: looked at, for or against</span></p>
"""
END = "</body>\n</html>\n"


def section(note: Note, annotation: Annotation, found: Sequence[Explanation]) -> str:
    """One note: its text, each entity in it leading to its blocks; then a block for every explanation."""
    who = f"{annotation.pipeline.name} {annotation.pipeline.version}"
    by = ", ".join(sorted({NAMES[own.method] for own in found})) or "nothing to explain"
    groups: dict[str | None, list[Explanation]] = {}
    for explanation in found:
        groups.setdefault(explanation.reference, []).append(explanation)
    blocks = "".join(_group(note, annotation, reference, own) for reference, own in groups.items())
    return (
        f"<section>\n<h2>{_text(annotation.document.id)}</h2>\n"
        f'<p class="dim">{_text(who)} · {len(found)} explanations · {_text(by)}</p>\n'
        f'<div class="text whole">{"".join(_linked(note, annotation))}</div>\n{blocks}</section>\n'
    )


def _group(note: Note, annotation: Annotation, reference: str | None, found: Sequence[Explanation]) -> str:
    of, _ = heading(annotation, found[0])
    anchor = f' id="{escape(_anchor(annotation, reference))}"' if reference else ""
    categories = {entity.id: entity.category for entity in annotation.entities}
    categories |= {own.id: own.category for own in annotation.phi}
    what = f" <small>{_text(categories[reference])}</small>" if reference in categories else ""
    blocks = "".join(_block(note, annotation, own) for own in found)
    head = f"<h3>{_text(of)}{what}</h3>\n"
    return f'<div class="group"{anchor}>\n{head}<div class="blocks">\n{blocks}</div>\n</div>\n'


def _block(note: Note, annotation: Annotation, explanation: Explanation) -> str:
    _, said = heading(annotation, explanation)
    top = "".join(
        f"<li>{_text(word.text)} <b>{signed(word.weight)}</b></li>" for word in strongest(explanation)
    )
    words = "".join(_coloured(note, annotation, explanation))
    return (
        f'<div class="block">\n<h4>{_text(said)}</h4>\n<p class="dim">{_text(measured(explanation))}</p>\n'
        f'<p class="text">{words}</p>\n<ul class="top">{top}</ul>\n</div>\n'
    )


def _coloured(note: Note, annotation: Annotation, explanation: Explanation) -> Iterator[str]:
    """The passage, or the note, with every word marked; words may touch but never overlap twice."""
    own = place(annotation, explanation)
    words = sorted(explanation.words, key=lambda word: word.span)
    done = words[0].span.start if words else 0
    for word in words:
        start = max(done, word.span.start)
        if start >= word.span.end:
            continue
        yield _text(note.text[done:start])
        marked = _marked(word, explanation, note.text[start : word.span.end])
        yield f"<b>{marked}</b>" if own.overlaps(word.span) else marked
        done = word.span.end


def _marked(word: Word, explanation: Explanation, text: str) -> str:
    step = level(word, explanation)
    kind = f' class="{"f" if word.weight > 0 else "a"}{step}"' if step else ""
    return f'<mark{kind} title="{signed(word.weight)}">{_text(text)}</mark>'


def _linked(note: Note, annotation: Annotation) -> Iterator[str]:
    """The note; of entities that overlap the first is a link."""
    done = 0
    for entity in annotation.entities:
        span: Span = entity.span
        if span.start < done:
            continue
        yield _text(note.text[done : span.start])
        inside = _text(note.text[span.start : span.end])
        where, what = escape(_anchor(annotation, entity.id)), _text(entity.category)
        yield f'<a href="#{where}" title="{what}">{inside}</a>'
        done = span.end
    yield _text(note.text[done:])


def _anchor(annotation: Annotation, reference: str) -> str:
    """Of several notes in one page, too, each place has its own name."""
    return f"{annotation.id}-{reference}"


def _text(text: str) -> str:
    return escape(visible(text))
