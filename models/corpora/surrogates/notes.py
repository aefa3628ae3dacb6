"""Real notes with made-up identifiers put in where notes carry them.

What the notes say themselves is taken as free of identifiers only where it is ordinary: a capitalised word
that no note writes small, a long number, or a fraction that may be a date is "anything".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

from models.corpora.surrogates.draft import LABELS, Draft
from models.corpora.surrogates.numbers import MONTHS, day_between, written
from models.corpora.surrogates.slots import ANY, Scene
from models.corpora.surrogates.tables import templates, words

MONTH = rf"(?:{'|'.join((*MONTHS, *(month[:3] for month in MONTHS), 'Sept'))})\b\.?"
BLANK = r"(?:X{1,9}|[YZ]|X?XYZ|Xyz|ABCD?|Abcd?|X+x+)"
MARKS = re.compile(
    rf"""(?P<titled>\b(?:Dr|Mr|Mrs|Ms|Miss)\b\.?\s{{1,2}}(?:{BLANK}|[A-Z]\w*(?:\s[A-Z][a-z]+)?)\b)
      |(?P<sample>\bSample\ (?:Patient|Name)\b)
      |(?P<place>\b{BLANK}\s(?:Hospital|Clinic|Medical\sCenter|University|Street|City|County|ER)\b)
      |(?P<blank>\b(?:{BLANK}|_{{2,}})\b)
      |(?P<day>\b(?:Month\ DD,\ YYYY|MM/DD/YY(?:YY)?|XX/XX/XX(?:XX)?|\d\d?/\d\d?/\d\d(?:\d\d)?)\b)
      |(?P<long>\b{MONTH}\s(?:\d{{1,2}}(?:st|nd|rd|th)?,?\s)?(?:of\s)?(?:19|20)\d\d\b)
      |(?P<patient>\b[Tt]he\spatient(?='s\b|\s(?:was|is|has|had|will|states|denies|reports|tolerated)\b))
      |(?P<old>\b(?:9\d|10\d)(?=[-\s]year))
      |(?P<fraction>\b\d{{1,3}}/\d{{1,3}}(?:/\d+)?\b)
      |(?P<month>\b{MONTH}(?:\s\d{{1,2}}(?:st|nd|rd|th)?\b)?)
      |(?P<weekday>\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b)
      |(?P<number>(?<![\w.])[\#(]?\d[\d\-() ]{{4,}}\d\b|\b(?=\w*\d)(?=\w*[A-Z])\w{{5,}}\b)
      |(?P<at>\S+@\S+|\bwww\.\S+|\bhttps?:\S+)
      |(?P<word>(?<!\w)[A-Z][\w'’]*(?:-\w+)*)""",
    re.VERBOSE,
)
SPLIT = re.compile(
    r"(?<!Dr\.)(?<!Mr\.)(?<!Ms\.)(?<!Mrs\.)(?<=[.!?])\s+(?=[A-Z])"
    r"|\n+|(?<=[.:;]),\s*(?=[A-Z0-9])|,(?=[A-Z]{3,}[A-Z ]*:)"
)
HEADING = re.compile(r"^([A-Z][A-Z /&()-]{2,50}):\s*,?\s*")
SPINE = re.compile(r"[CTLS]\d{1,2}(?:-[CTLS]?\d{1,2})?")
JOBS = re.compile(
    r"\b(?:work(?:s|ed|ing)?|retired|employ\w*|occupation\w*|job|career|[a-z]+(?:ician|ist|yer))\b", re.I
)
WORD = re.compile(r"\w+")
DIALOGUE = re.compile(r"\[(?:doctor|patient)\]")


class Notes:
    """Raw texts of notes, cut into sentences as they are needed, and the words that are ordinary in them."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts: Sequence[str] = [DIALOGUE.split(text, maxsplit=1)[0] for text in texts]
        seen = Counter(word for text in self.texts for word in WORD.findall(text) if word.islower())
        self.ordinary = (
            frozenset(word for word, times in seen.items() if times > 1 and len(word) > 1) | _known()
        )

    def __repr__(self) -> str:
        return f"Notes({len(self.texts)} texts)"

    def stretch(self, scene: Scene, low: int, high: int) -> list[str]:
        """Some sentences in a row of one note, `low` to `high` characters together."""
        text = scene.chance.choice(self.texts)
        wanted = scene.chance.randint(low, high)
        start = scene.chance.randrange(max(1, len(text) - wanted))
        end = start + wanted + 200
        cut = SPLIT.split(text[start:end])
        whole = cut[start > 0 : len(cut) - (end < len(text))]  # what begins and ends in the stretch
        found: list[str] = []
        for sentence in whole or cut:
            if sum(map(len, found)) >= wanted:
                break
            found.append(sentence.strip(" ,\n"))
        return [sentence for sentence in found if sentence]


@cache
def _known() -> frozenset[str]:
    kinds = ("eponym", "sign", "drug", "disease", "score", "gene", "lab", "procedure", "vitals")
    return frozenset(word.lower() for kind in kinds for text in words(kind) for word in WORD.findall(text))


def add_note(draft: Draft, notes: Notes, scene: Scene) -> frozenset[str]:
    """A stretch of a note with identifiers put in: the categories that it covers."""
    sentences = notes.stretch(scene, 150, 1100)
    lines = scene.chance.random() < 0.5
    named = scene.chance.random() < 0.6
    inserted = scene.chance.choice((0, 1, 1, 2, 3))
    places = set(scene.chance.sample(range(len(sentences) + 1), min(inserted, len(sentences) + 1)))
    for number in range(len(sentences) + 1):
        if number in places:
            draft.fill(scene.chance.choice(templates("clinical")), scene)
            draft.add("\n" if lines else "  ")
        if number < len(sentences):
            _add_sentence(draft, sentences[number], notes, scene, named)
            draft.add("\n" if lines and scene.chance.random() < 0.6 else "  ")
    return LABELS - {"PROFESSION"} if any(map(JOBS.search, sentences)) else LABELS


def _add_sentence(draft: Draft, sentence: str, notes: Notes, scene: Scene, named: bool) -> None:
    at = 0
    for mark in MARKS.finditer(HEADING.sub(r"\1: ", sentence)):
        draft.add(mark.string[at : mark.start()])
        _add_mark(draft, mark, notes, scene, named)
        at = mark.end()
    draft.add(HEADING.sub(r"\1: ", sentence)[at:])


def _add_mark(draft: Draft, mark: re.Match[str], notes: Notes, scene: Scene, named: bool) -> None:
    text, kind = mark[0], mark.lastgroup
    if kind == "titled":
        draft.fill("{doctor}" if text.startswith("Dr") else "{mr}", scene)
    elif kind == "sample":
        draft.fill("{patient}", scene)
    elif kind == "place":
        draft.fill("{hospital}", scene)
    elif kind == "long":
        draft.add(text, "DATE")
    elif kind == "day":
        draft.add(written("date", day_between(1998, 2024, scene.chance), scene.chance), "DATE")
    elif kind == "patient" and named and scene.chance.random() < 0.35:
        draft.fill(scene.pick("{mr}", "{mr}", "{first}", "{name}", "{last}"), scene)
    elif kind == "old":
        draft.add(text, "AGE")
    else:
        draft.add(text, ANY if _doubtful(kind, text, notes) else None)


def _doubtful(kind: str | None, text: str, notes: Notes) -> bool:
    """Whether what a note says may identify somebody."""
    if kind == "fraction":
        first, second, *more = map(int, text.split("/"))
        return bool(more) or not (first <= second <= 6 or second == 10 or first > 31 or first == 20)
    if kind == "word":
        return not _ordinary(text, notes)
    return kind in ("blank", "month", "weekday", "number", "at") and not SPINE.fullmatch(text)


def _ordinary(text: str, notes: Notes) -> bool:
    """Whether notes write every part of a capitalised word small, or it is a short abbreviation."""
    if text.isupper() and len(text) <= 4:
        return True
    parts = WORD.findall(text.lower())
    return all(part in notes.ordinary or len(part) == 1 for part in parts)
