"""`streamer annotate --explain`: records with the words that moved them, as JSON, in colour, or as a page.

Also the deletion test of `streamer bench explain`: whether the words that are named matter more than others.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import msgspec
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.style import Style
from rich.table import Table
from rich.text import Text

from models import calibration
from models.errors import EngineError
from models.explaining.asking import WORDS
from models.explanation import METHODS, Explanation, Method, shortened
from models.types import Annotation, Note
from streamer import annotating, checkpoints, explaining_page, formats, samples, show
from streamer.errors import NoteError, SettingError, WorldError
from streamer.explaining_words import excerpt, heading, level, measured, place, signed, strongest, visible
from streamer.settings import Settings

if TYPE_CHECKING:
    from models.annotator import Annotator
    from models.explaining.deletion import Tested
    from models.explaining.explain import Explainer

FOR = ("", "black on #d6e6ff", "black on #a9caff", "white on #2f6fc4", "white on #1b4f9c", "white on #0b3577")
AGAINST = (
    "", "black on #ffe0dd", "black on #ffb8b2", "white on #c23b3b", "white on #9c2323", "white on #701212",
)  # fmt: skip
"""By how strong a word is; each says text and ground, so that it can be read on any terminal's own."""
LONGEST_SAMPLE = 1200
"""Characters of the bundled notes that the deletion test takes: integrated gradients cost what is read."""


def method(name: str | None, *, html: Path | None = None, every_axis: bool = False) -> Method | None:
    """The method of that name. Raises SettingError for any other, and for options that need one."""
    if name is None:
        if html or every_axis:
            raise SettingError("--html and --every-axis say how to explain: give --explain, too")
        return None
    return known(name)


def known(name: str) -> Method:
    """The method of that name. Raises SettingError for any other."""
    for own in METHODS:
        if own == name:
            return own
    raise SettingError(f"--explain {name}: not a method; give one of {', '.join(METHODS)}")


def run(
    files: Sequence[Path],
    settings: Settings,
    how: Method,
    *,
    show_text: bool = False,
    html: Path | None = None,
    every_axis: bool = False,
) -> int:
    """Annotate and explain every note; 0 if each could be read, 1 if any could not.

    Records with an `explanations` array go to standard output, or coloured text with `show_text`; `html`: a
    page to write as well. `every_axis`: all four axes of every assertion, not only those that moved.
    """
    missing = next((path for path in files if not path.is_file()), None)
    if missing is not None:
        raise SettingError(
            f"{missing} is not a file, and --explain knows {', '.join(METHODS)}; "
            "give JSONL notes, single notes, or nothing for standard input"
        )
    annotator, explainer = _both(settings)
    failed = 0
    with _page(html) as page, annotator:
        items = annotating._items(files)
        while chunk := list(islice(items, annotating.TOGETHER)):
            notes = [note for _, note in chunk if isinstance(note, Note)]
            answers = iter(annotator.annotate_many(notes))
            for place, note in chunk:
                answer = note if isinstance(note, NoteError) else next(answers)
                if isinstance(answer, Exception) or isinstance(note, NoteError):
                    print(f"{place}: {answer}", file=sys.stderr)
                    failed += 1
                    continue
                found = _explained(explainer, note, answer, how, every_axis, place)
                _write(note, answer, found, show_text)
                if page is not None:
                    page.write(explaining_page.section(note, answer, found))
    return 1 if failed else 0


def _both(settings: Settings) -> tuple[Annotator, Explainer]:
    """What reads, in the precision that it always reads in, and what explains."""
    checkpoint = checkpoints.opened(settings)
    finish = checkpoints.finish(settings, checkpoint)
    chosen = calibration.choose(checkpoint, settings.device, settings.precision, settings.accept_loss)
    precision = chosen.prepare()
    from models.annotator import Annotator  # imports torch, before which the choice is prepared
    from models.explaining.explain import Explainer

    return Annotator(checkpoint, settings.device, precision, finish), Explainer(checkpoint, settings.device)


def _explained(
    explainer: Explainer, note: Note, annotation: Annotation, how: Method, every_axis: bool, place: str
) -> tuple[Explanation, ...]:
    """With a line on standard error that says how far it is, where somebody looks at it."""
    console = Console(stderr=True)
    try:
        with console.status(f"explaining {place}") as status:
            return explainer.explain(
                note,
                annotation,
                how,
                every_axis=every_axis,
                on_progress=lambda done, total: status.update(f"explaining {place}: {done} of {total}"),
            )
    except EngineError as error:  # what it needs is not installed
        raise SettingError(str(error)) from None


def _write(note: Note, annotation: Annotation, found: Sequence[Explanation], show_text: bool) -> None:
    if show_text:
        Console().print(show.render(annotation, note.text), render(note, annotation, found))
        return
    short = tuple(shortened(own, WORDS) for own in found)
    whole = msgspec.structs.replace(annotation, explanations=short)
    sys.stdout.buffer.write(msgspec.json.encode(whole) + b"\n")
    sys.stdout.buffer.flush()


@contextmanager
def _page(path: Path | None) -> Iterator[TextIO | None]:
    """A page that is there, whole, when everything was written."""
    if path is None:
        yield None
        return
    try:
        with path.open("w", encoding="utf-8", errors="replace") as page:
            page.write(explaining_page.BEGIN)
            yield page
            page.write(explaining_page.END)
    except OSError as error:
        raise WorldError(f"{path} cannot be written: {error.strerror}; give --html another place") from None


# --- in a terminal ---------------------------------------------------------------------------------


def render(note: Note, annotation: Annotation, found: Sequence[Explanation]) -> RenderableType:
    """Every explanation of a note: its words in colour, and the strongest with their weights.

    Blue speaks for what the record says, red against it. Nothing in the text can steer the terminal.
    """
    shown: list[RenderableType] = [_legend(found)]
    for explanation in found:
        shown += [Text(), *_block(note, annotation, explanation)]
    title = Text(f"{visible(annotation.document.id)} · {len(found)} explanations")
    return Panel(Group(*shown), title=title, padding=(1, 2))


def _block(note: Note, annotation: Annotation, explanation: Explanation) -> list[RenderableType]:
    of, said = heading(annotation, explanation)
    head = Text(visible(of), "bold").append(f"  {said}", "not bold")
    lines = [head, Text(f"  {measured(explanation)}", "dim")]
    if not explanation.words:
        return [*lines, Text("  no word moved it")]
    words = " · ".join(f"{visible(word.text)} {signed(word.weight)}" for word in strongest(explanation))
    return [*lines, _coloured(note, annotation, explanation), Text(f"  {words}")]


def _coloured(note: Note, annotation: Annotation, explanation: Explanation) -> Text:
    span, own = excerpt(annotation, explanation), place(annotation, explanation)
    text = Text(visible(note.text[span.start : span.end]))
    text.stylize("bold underline", own.start - span.start, own.end - span.start)
    for word in explanation.words:
        strength = level(word, explanation)
        if strength and span.start <= word.span.start < span.end:
            colours = FOR if word.weight > 0 else AGAINST
            style = Style.parse(colours[strength])
            text.stylize(style, word.span.start - span.start, word.span.end - span.start)
    before, after = "…" * (span.start > 0), "…" * (span.end < len(note.text))
    return Text("  ").append(before).append_text(text).append(after)


def _legend(found: Sequence[Explanation]) -> Text:
    if all(own.method == "rollout" for own in found):
        looked = Text(" looked at most ", FOR[-1]).append(" … ").append(" looked at ", FOR[1])
        return looked.append("   numbers: shares of what was looked at", "dim")
    legend = Text(" speaks for it ", FOR[-1]).append(" … ").append(" a little ", FOR[1]).append("   ")
    legend = legend.append(" a little ", AGAINST[1]).append(" … ").append(" against it ", AGAINST[-1])
    return legend.append("   numbers: log-odds; + for it, − against it", "dim")


# --- the deletion test -------------------------------------------------------------------------------


def bench(
    settings: Settings, how: Method, notes: int, *, k: int, stand_in: str, as_json: bool = False
) -> int:
    """Delete the k strongest words, and k random ones, of bundled notes; print what that did. 0: measured."""
    annotator, explainer = _both(settings)
    from models.explaining import deletion

    chosen = list(islice(_samples(), notes))
    with annotator:
        read = list(zip(chosen, annotator.annotate_many(chosen), strict=True))
    pairs = [(note, answer) for note, answer in read if not isinstance(answer, EngineError)]
    figures: dict[str, list[Tested]] = {}
    for name, context_only in (("every word", False), ("context only", True)):
        found = []
        with Console(stderr=True).status(f"deleting: {name}") as status:
            for drop in deletion.drops(
                explainer, pairs, how, k=k, context_only=context_only, stand_in=stand_in
            ):
                found.append(drop)
                status.update(f"deleting: {name}: {len(found)} targets")
        figures[name] = deletion.summary(found)
    if as_json:
        shape = {"method": how, "k": k, "standIn": stand_in, "notes": len(pairs)}
        print(json.dumps(shape | {name: [asdict(row) for row in rows] for name, rows in figures.items()}))
    else:
        for name, rows in figures.items():
            Console().print(_table(f"{how}, {k} words deleted of {name}", rows))
    return 0


def _samples() -> Iterator[Note]:
    for value in samples.values():
        note = formats.decode(value, None, "sample")
        if len(note.text) <= LONGEST_SAMPLE:
            yield note


def _table(title: str, rows: Sequence[Tested]) -> Table:
    table = Table(title=title, caption="mean loss of probability; p: notes' signs flipped at random")
    for column in ("targets", "n", "notes", "deleted", "random", "p", "only these left", "random", "p"):
        table.add_column(column, justify="left" if column == "targets" else "right")
    for row in rows:
        deleted = row.comprehensiveness, row.comprehensiveness_random, row.comprehensiveness_p
        left = row.sufficiency, row.sufficiency_random, row.sufficiency_p
        table.add_row(row.group, str(row.targets), str(row.notes), *_figures(deleted), *_figures(left))
    return table


def _figures(of: tuple[float, float, float]) -> tuple[str, ...]:
    top, random, chance = of
    return f"{top:.3f}", f"{random:.3f}", f"{chance:.1g}"
