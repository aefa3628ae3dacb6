"""One annotated note in colour, for a person at a terminal.

Categories have colours, negated findings are struck through, possible ones dotted and followed by "?". What
identifies a person stands in reverse. Below: what kind of note it is, relations, and codes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.segment import ControlType, Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from models.types import Annotation, Classification, Entity, Phi
from streamer import samples

PALETTE = (
    "bright_red", "bright_cyan", "bright_green", "bright_yellow", "bright_magenta", "bright_blue",
    "orange1", "turquoise2", "violet", "gold3", "spring_green3", "deep_pink2", "sky_blue2", "salmon1",
    "dark_olive_green2", "plum1", "light_steel_blue", "sandy_brown", "medium_purple1", "pale_green3",
)  # fmt: skip
DOTTED, NOT_UNDERLINED = "\x1b[4:4m", "\x1b[24m"
"""Dotted underline, as kitty, VTE, mintty and WezTerm have it; other terminals ignore it."""
MOST = 8
"""Lines of relations, and codes, that are shown below a note."""
LIKELY = 0.85
"""Codes below this score are right too seldom to be shown at a glance; records have them, with the score."""
HIDDEN = Style(reverse=True, dim=True)
_UNSEEN = dict.fromkeys((*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "·")
_UNSEEN |= {ord("\n"): "\n", ord("\t"): " ", ord("\r"): " "}


def render(annotation: Annotation, text: str, width: int | None = None) -> RenderableType:
    """The note's `text` with its entities marked, a legend below; `width` in columns, the terminal's if None.

    Nothing in the text can steer the terminal: control characters are shown as a dot.
    """
    colours = _colours(annotation.entities)
    note = Text(text.translate(_UNSEEN), no_wrap=False)
    for section in annotation.sections:
        if section.title:
            at = text.find(section.title, section.span.start, section.span.end)
            note.stylize("bold underline", at, at + len(section.title))
    for entity in annotation.entities:
        note.stylize(_style(entity, colours[entity.category]), entity.span.start, entity.span.end)
    for identifier in annotation.phi:
        note.stylize(HIDDEN, identifier.span.start, identifier.span.end)
    return _framed(annotation, _Dotted(_with_marks(note, annotation.entities)), width)


def record(value: bytes, width: int | None = None) -> RenderableType:
    """An annotation record as published; with its note's text if that is one of the bundled notes."""
    annotation = msgspec.json.decode(value, type=Annotation)
    for note_id in (annotation.document.id, annotation.document.id.rpartition("-")[0]):
        text = samples.text_of(note_id)
        if text is not None and _digest(text) == annotation.document.content_sha256:
            return render(annotation, text, width)
    return _framed(annotation, _listed(annotation.entities), width)


def telling(value: bytes) -> int:
    """How much a record shows of what the service does, for choosing an example; 0: too long or little."""
    annotation = msgspec.json.decode(value, type=Annotation)
    if not 400 <= annotation.document.characters <= 1400 or not annotation.entities:
        return 0
    categories = len({entity.category for entity in annotation.entities})
    negated = sum(entity.assertion.certainty == "negative" for entity in annotation.entities)
    possible = sum(_possible(entity) for entity in annotation.entities)
    of_others = sum(entity.assertion.association == "other" for entity in annotation.entities)
    told = categories + 2 * min(negated, 4) + 3 * min(possible, 2) + 3 * min(of_others, 1)
    return told + min(len(annotation.relations), 6) + 2 * min(len(annotation.phi), 2)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _framed(annotation: Annotation, body: RenderableType, width: int | None) -> Panel:
    title = Text(f"{annotation.document.id} · {annotation.pipeline.name} {annotation.pipeline.version}")
    found = f"{len(annotation.entities)} entities in {len(annotation.sections)} sections"
    parts = [body, Text(), _legend(annotation.entities, annotation.phi), *_below(annotation)]
    return Panel(Group(*parts), title=title, subtitle=found, width=width, padding=(1, 2))


def _below(annotation: Annotation) -> Iterator[RenderableType]:
    """Classes, relations and codes, as far as there are any."""
    kinds = [_kind(own) for own in annotation.classifications if own.labels]
    if kinds:
        yield Text("   ".join(kinds), "bold")
    words = {entity.id: " ".join(entity.text.translate(_UNSEEN).split()) for entity in annotation.entities}
    related = [
        f"{words[own.source]} → {own.category.lower().replace('_', ' ')} → {words[own.target]}"
        for own in annotation.relations
        if own.source in words and own.target in words
    ]
    coded = {
        f"{words[entity.id]} = {entity.links[0].system} {entity.links[0].code} {entity.links[0].name}": None
        for entity in annotation.entities
        if entity.links and entity.links[0].score >= LIKELY
    }
    for name, lines in (("relations", related), ("codes", list(coded))):
        if lines:
            more = f"   … and {len(lines) - MOST} more" if len(lines) > MOST else ""
            yield Text.assemble((f"{name}  ", "bold"), (" · ".join(lines[:MOST]) + more, "dim"))


def _kind(own: Classification) -> str:
    labels = ", ".join(f"{label.label} ({label.confidence:.2f})" for label in own.labels[:3])
    return f"{own.task.replace('_', ' ')}: {labels}"


def _colours(entities: Iterable[Entity]) -> dict[str, str]:
    """Colours by category, the most frequent first, so that few categories never share one."""
    counts = Counter(entity.category for entity in entities)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {category: PALETTE[place % len(PALETTE)] for place, (category, _) in enumerate(ranked)}


def _style(entity: Entity, colour: str) -> Style:
    negated = entity.assertion.certainty == "negative"
    return Style(color=colour, strike=negated, italic=_possible(entity), meta=_meta(entity))


def _meta(entity: Entity) -> dict[str, bool]:
    return {"dotted": True} if _possible(entity) else {}


def _possible(entity: Entity) -> bool:
    return entity.assertion.certainty.endswith("Possible")


def _with_marks(note: Text, entities: Iterable[Entity]) -> Text:
    """The note with "?" after what is possible and "‹other›" after what another person has."""
    marked = Text()
    done = 0
    for entity in sorted(entities, key=lambda entity: entity.span.end):
        mark = "?" * _possible(entity) + "‹other›" * (entity.assertion.association == "other")
        if mark:
            marked.append_text(note[done : entity.span.end])
            marked.append(mark, "dim")
            done = entity.span.end
    return marked.append_text(note[done:])


def _legend(entities: Sequence[Entity], phi: Sequence[Phi]) -> Text:
    counts = Counter(entity.category for entity in entities)
    legend = Text()
    for category, colour in _colours(entities).items():
        legend.append(f"{category.lower().replace('_', ' ')} {counts[category]}", colour)
        legend.append("   ")
    legend.append("negated", "strike dim").append("   ")
    legend.append("possible", "italic").append("?", "dim")
    legend.append("   another person's").append("‹other›", "dim")
    for category, count in Counter(own.category for own in phi).most_common():
        legend.append("   ").append(f"{category.lower().replace('_', ' ')} {count}", HIDDEN)
    return legend


def _listed(entities: Sequence[Entity]) -> Table:
    colours = _colours(entities)
    table = Table("text", "category", "certainty", "confidence", box=None)
    for entity in entities:
        words = Text(entity.text.translate(_UNSEEN), _style(entity, colours[entity.category]))
        table.add_row(words, entity.category, entity.assertion.certainty, f"{entity.confidence:.2f}")
    return table


class _Dotted:
    """Text whose parts with `dotted` in their style's meta are underlined with dots where a terminal can."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._text, options):
            dotted = segment.style is not None and segment.style.meta.get("dotted")
            if dotted:
                yield _code(DOTTED)
            yield segment
            if dotted:
                yield _code(NOT_UNDERLINED)


def _code(sequence: str) -> Segment:
    """Bytes for the terminal that take no room; rich leaves them out where no terminal is."""
    return Segment(sequence, None, [(ControlType.BELL,)])
