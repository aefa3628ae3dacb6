"""Documents and the records that a checkpoint gives of them → counts: of each corpus, all that it can tell.

What a corpus has labels for is asked of every checkpoint that has a head for it; nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from models.corpora.maccrobat import MACCROBAT
from models.corpora.scheme import EVENTS, PHI, PROBLEM, Document
from models.evaluation import asserted, classes, related, spans
from models.evaluation.abilities import Abilities
from models.evaluation.counts import Kind, Tally, Threes, tally
from models.evaluation.events import Drugs, drugs_and_effects, finds_events, gold_events
from models.types import AXES, Annotation

Pair = tuple[Document, Annotation]
Count = Callable[[Document, Annotation], Threes]
Fresh = Callable[[Document], bool]

EXACT = "the exact span"
TWELVE = (
    "Age", "Sex", "Date", "Duration", "Sign_symptom", "Disease_disorder", "Diagnostic_procedure",
    "Therapeutic_procedure", "Medication", "Lab_value", "Biological_structure", "Dosage",
)  # fmt: skip
"""The types of MACCROBAT that its goals are about, as it calls them."""
OVERLAP = "overlap"
UNSEEN = "not found is missed"
LABELS = "all labels"


@dataclass(frozen=True)
class Measure:
    """`what`: how it was counted. `documents`: texts that were read; those of one id are one group."""

    corpus: str
    task: str
    what: str
    documents: int
    tally: Tally
    kind: Kind = "f1"

    @property
    def key(self) -> tuple[str, str]:
        return self.corpus, self.task


def anything(_: Document) -> bool:
    return True


def measures(
    corpus: str, pairs: Sequence[Pair], can: Abilities, drugs: Drugs = "all", fresh: Fresh = anything
) -> Iterator[Measure]:
    """`drugs`: see `models.evaluation.events`. `fresh`: documents to which no threshold was fitted; labels
    that have thresholds are counted in these alone."""
    for part in (_entities, _twelve, partial(_events, drugs=drugs), _assertions, _relations, _phi):
        yield from part(corpus, pairs, can)
    yield from _classes(corpus, pairs, can, fresh)


def _measure(
    corpus: str,
    task: str,
    what: str,
    pairs: Sequence[Pair],
    count: Count,
    labels: Iterable[str],
    kind: Kind = "f1",
) -> Measure:
    rows = ((document.id, count(document, record)) for document, record in pairs)
    return Measure(corpus, task, what, len(pairs), tally(rows, labels), kind)


# --- entities --------------------------------------------------------------------------------------


def _entities(corpus: str, pairs: Sequence[Pair], can: Abilities) -> Iterator[Measure]:
    covered = frozenset().union(*(document.covered for document, _ in pairs))
    allowed = {span.allowed for document, _ in pairs for span in document.spans}
    names = merged(covered or frozenset().union(*allowed), allowed, can)
    if not names:
        return
    labels = set(names.values())
    if not covered:
        what = f"{EXACT}; recall alone means something: the rest of such a text is not labelled"
        yield _measure(corpus, "arguments", what, pairs, _exact(names), labels, "recall")
        return
    also = "; a problem is DISEASE or SIGN_OR_SYMPTOM" if "PROBLEM" in names.values() else " and category"
    yield _measure(corpus, "entities", EXACT + also, pairs, _exact(names), labels)
    what = "any overlap, one to one"
    yield _measure(corpus, f"entities, {OVERLAP}", what, pairs, _lenient(names), labels)
    if set(names) >= PROBLEM and "PROBLEM" not in names.values():
        names = names | dict.fromkeys(PROBLEM, "PROBLEM")
        what = f"{EXACT}; DISEASE and SIGN_OR_SYMPTOM are one"
        yield _measure(corpus, "entities, problems are one", what, pairs, _exact(names), set(names.values()))


def merged(categories: Iterable[str], allowed: Iterable[frozenset[str]], can: Abilities) -> dict[str, str]:
    """What categories are called where a corpus does not tell some of them apart: those of one name count as
    one. Only those are left of which the checkpoint knows at least one."""
    groups = {category: frozenset({category}) for category in categories}
    for several in allowed:
        group = frozenset().union(*(groups.get(category, frozenset()) for category in several))
        groups |= dict.fromkeys(group, group)
    return {
        category: _name(group) for category, group in sorted(groups.items()) if can.knows(group)
    }  # fmt: skip


def _name(group: frozenset[str]) -> str:
    return "PROBLEM" if group == PROBLEM else "/".join(sorted(group))


def _twelve(corpus: str, pairs: Sequence[Pair], can: Abilities) -> Iterator[Measure]:
    names = {MACCROBAT[name]: name for name in TWELVE}
    if corpus == "maccrobat" and can.knows(names):
        yield _measure(corpus, "12 types", f"{EXACT} and type", pairs, _exact(names), TWELVE)
        what = "any overlap, one to one, and type"
        yield _measure(corpus, f"12 types, {OVERLAP}", what, pairs, _lenient(names), TWELVE)


def _exact(names: spans.Names) -> Count:
    return lambda document, record: spans.exact(
        spans.gold_places(document.spans, names), spans.found_places(record.entities, names)
    )


def _lenient(names: spans.Names) -> Count:
    return lambda document, record: spans.lenient(
        spans.gold_places(document.spans, names), spans.found_places(record.entities, names)
    )


# --- events, assertion, relations --------------------------------------------------------------------


def _events(corpus: str, pairs: Sequence[Pair], can: Abilities, drugs: Drugs) -> Iterator[Measure]:
    pairs = [pair for pair in pairs if "events" in pair[0].layers]
    if not pairs or not finds_events(can):
        return
    of = "all medications" if drugs == "all" else "medications that are related to anything"
    for task, how, count in (
        ("events", EXACT, spans.exact),
        (f"events, {OVERLAP}", "any overlap, one to one,", spans.lenient),
    ):
        what = f"{how} of drugs ({of}) and of their effects"
        yield _measure(corpus, task, what, pairs, _drugs_and_effects(count, can, drugs), EVENTS)


def _drugs_and_effects(
    count: Callable[[frozenset[spans.Place], frozenset[spans.Place]], Threes], can: Abilities, drugs: Drugs
) -> Count:
    return lambda document, record: count(gold_events(document), drugs_and_effects(record, can, drugs))


def _assertions(corpus: str, pairs: Sequence[Pair], can: Abilities) -> Iterator[Measure]:
    if not can.categories:
        return
    judged = [(document.id, list(asserted.judged(document, record))) for document, record in pairs]
    for axis in AXES:
        own = [one for _, some in judged for one in some if one.axis == axis]
        if all(one.left == {AXES[axis][0]} for one in own):
            continue  # nothing there, or nothing but the usual
        found = sum(bool(one.said) for one in own)
        for task, what, unseen in (
            (axis, f"on {found} found of {len(own)} concepts", False),
            (f"{axis}, {UNSEEN}", f"on all {len(own)} concepts, {len(own) - found} of which not found", True),
        ):
            rows = ((group, asserted.by_value(some, axis, unseen=unseen)) for group, some in judged)
            yield Measure(corpus, task, what, len(pairs), tally(rows, AXES[axis]))
    if any(one.left == asserted.SPECULATED for _, some in judged for one in some):
        rows = ((group, asserted.graded(some)) for group, some in judged)
        what = "on found effects: speculated ones are asserted positivePossible or neutralPossible"
        yield Measure(corpus, "graded certainty", what, len(pairs), tally(rows))


def _relations(corpus: str, pairs: Sequence[Pair], can: Abilities) -> Iterator[Measure]:
    known = frozenset().union(*(document.related for document, _ in pairs)) & can.relations

    def count(document: Document, record: Annotation) -> Threes:
        return {name: n for name, n in related.strict(document, record).items() if name in known}

    if known:
        what = "category, direction and the exact spans of both ends, found by the checkpoint"
        yield _measure(corpus, "relations", what, pairs, count, known)


# --- protected health information, classes -------------------------------------------------------------


def _phi(corpus: str, pairs: Sequence[Pair], can: Abilities) -> Iterator[Measure]:
    own = [(document, record) for document, record in pairs if "phi" in document.layers]
    if not own or not can.phi:
        return
    yield _measure(corpus, "phi", f"{EXACT} and category", own, _phi_spans(False), PHI)
    what = f"{EXACT} and category; neighbours of one category are one (parts of an address)"
    yield _measure(corpus, "phi, neighbours joined", what, own, _phi_spans(True), PHI)
    what = "characters, hidden under any category; precision: of all hidden ones"
    yield _measure(corpus, "phi, characters", what, own, _phi_characters, PHI, "coverage")


def _phi_spans(side_by_side: bool) -> Count:
    from models.evaluation.phi import document_scores

    def count(document: Document, record: Annotation) -> Threes:
        found = [(one.span, one.category, one.confidence) for one in record.phi]
        scores = document_scores(document, found, side_by_side)
        return {name: (s.gold, s.found, s.right) for name, s in scores.items()}

    return count


def _phi_characters(document: Document, record: Annotation) -> Threes:
    from models.evaluation.phi import document_scores

    found = [(one.span, one.category, one.confidence) for one in record.phi]
    scores = document_scores(document, found)
    return {name: (s.characters, s.covered + s.over, s.covered) for name, s in scores.items()}


def _classes(corpus: str, pairs: Sequence[Pair], can: Abilities, fresh: Fresh) -> Iterator[Measure]:
    named = sorted({task for document, _ in pairs for task in document.classes} & can.tasks.keys())
    many = [task for task in named if not single(task, pairs)]
    new = [pair for pair in pairs if fresh(pair[0])]
    for task in named:
        labels = can.tasks[task]
        own = [pair for pair in (new if task in many else pairs) if task in pair[0].classes]
        if task in many:
            yield _measure(corpus, task, "any number of labels", own, _several([task], can), labels)
        else:
            yield _measure(corpus, task, "one label, the likeliest", own, _best(task), labels, "accuracy")
    if len(many) > 1:
        every = {label for task in many for label in can.tasks[task]}
        what = f"any number of labels, those of {' and '.join(many)} together"
        yield _measure(corpus, LABELS, what, new, _several(many, can), every)


def single(task: str, pairs: Iterable[Pair]) -> bool:
    """Whether every text has just one label of a task."""
    return all(len(document.classes.get(task, "1")) == 1 for document, _ in pairs)


def _several(tasks: Sequence[str], can: Abilities) -> Count:
    return lambda document, record: classes.several(document, record, tasks, can.decided)


def _best(task: str) -> Count:
    return lambda document, record: classes.best(document, record, task)
