"""Training data that users bring: a file or folder in a format of the field → documents that can be learned.

Nothing here knows a label: their names are what the files say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from models.corpora import brat, conll, jsonl, pubtator_own, tables
from models.corpora.asserted import only, span_axes, used_flags
from models.corpora.checks import checked
from models.corpora.files import Format, Found, Part, find
from models.corpora.learnable import LabelSets, learnable
from models.corpora.problems import Problem, Problems
from models.corpora.raw import RawDocument
from models.corpora.scheme import Document, Labelled, Place, Related, held_out
from models.corpora.tables import Columns

Read = Callable[[Path, Problems], Iterable[RawDocument]]


@dataclass(frozen=True)
class Own:
    """What a user's file or folder holds, in the order of its files.

    `train` has all documents unless the folder names parts (`split_given`). `labels`: of all parts together.
    `problems`: what was left out, and what somebody should know; none of them is fatal.
    """

    format: Format
    train: tuple[Document, ...]
    dev: tuple[Document, ...]
    test: tuple[Document, ...]
    labels: LabelSets
    problems: tuple[Problem, ...]

    @property
    def split_given(self) -> bool:
        return bool(self.dev or self.test)

    @property
    def documents(self) -> tuple[Document, ...]:
        return self.train + self.dev + self.test

    def split(self, seed: str, share: float) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
        """Documents to learn from, and others to measure on while learning: the folder's dev if it has one.

        Else by a seeded hash of their ids, those with the same text together; each side has one at least,
        if there are two texts.
        """
        if self.dev:
            return self.train, self.dev
        first: dict[str, str] = {}
        keys = [first.setdefault(document.text, document.id) for document in self.train]
        held = {key for key in keys if held_out(key, seed, share)}
        if len(set(keys)) > 1 and not held:
            held = {min(keys, key=lambda key: _digest(key, seed))}
        elif len(set(keys)) > 1 and held == set(keys):
            held -= {max(keys, key=lambda key: _digest(key, seed))}
        sides = list(zip(keys, self.train, strict=True))
        return tuple(d for key, d in sides if key not in held), tuple(d for key, d in sides if key in held)


def read_own(
    path: Path,
    *,
    labels: Collection[str] | None = None,
    columns: Columns | None = None,
    corpus: str = "own",
) -> Own:
    """Read, check and count all that a file or folder holds.

    `labels`: names to learn; all others are left out and named. `columns`: of tables, which is which.
    Whatever the files hold, raises nothing but `DataError`, which says all that is wrong.
    """
    problems = Problems()
    parts: dict[Part | None, list[RawDocument]] = {}
    found = find(path, problems)
    for document, part in _unrepeated(_read(found, labels, columns, problems), problems):
        parts.setdefault(part, []).append(document)
    problems.stop(path)
    train, dev, test = _parts(path, parts, problems)
    if problems.lost > len(train + dev + test):
        what = f"{problems.lost} of {problems.lost + len(train + dev + test)} examples could not be read"
        problems.fatal(path, 0, what, "see whether this is the format that it looks like")
        problems.stop(path)
    label_sets = learnable(path, train, dev + test, problems)
    problems.stop(path)
    finish = _Finish(corpus, label_sets, used_flags(train))
    return Own(
        format=found[0].format,
        train=tuple(map(finish.document, train)),
        dev=tuple(map(finish.document, dev)),
        test=tuple(map(finish.document, test)),
        labels=label_sets,
        problems=tuple(problems.found),
    )


def _read(
    found: Iterable[Found], labels: Collection[str] | None, columns: Columns | None, problems: Problems
) -> Iterator[tuple[RawDocument, Part | None]]:
    """Documents that passed their checks; those without an id have their file and line for one."""
    readers: Mapping[Format, Read] = {
        "brat": brat.read,
        "pubtator": pubtator_own.read,
        "conll": conll.read,
        "jsonl": jsonl.read,
        "table": partial(tables.read, columns=columns),
    }
    for file in found:
        before, count = len(problems.found), 0
        for raw in readers[file.format](file.path, problems):
            count += 1
            document = checked(raw, labels, problems)
            if document is not None:
                place = f"{file.name}:{raw.line}" if raw.line else file.name
                yield replace(document, id=raw.id or place), file.part
        if not count and len(problems.found) == before:
            problems.skipped(file.path, 0, "is empty")


def _unrepeated(
    documents: Iterable[tuple[RawDocument, Part | None]], problems: Problems
) -> Iterator[tuple[RawDocument, Part | None]]:
    """Without those whose id and text were there before. The same id with another text is kept."""
    seen: dict[str, set[str]] = {}
    again: dict[Path, list[int]] = {}
    for document, part in documents:
        before = seen.setdefault(document.id, set())
        if document.text in before:
            problems.skipped(document.path, document.line, "its id and its text were there before")
            continue
        if before:
            again.setdefault(document.path, []).append(document.line)
        before.add(document.text)
        yield document, part
    for path, lines in again.items():
        what = f"{len(lines)} examples, the first here, have the id of another with another text"
        problems.warn(path, lines[0], what, "kept; those of one id are held out together")


def _parts(
    root: Path, parts: Mapping[Part | None, list[RawDocument]], problems: Problems
) -> tuple[list[RawDocument], list[RawDocument], list[RawDocument]]:
    """Files of no part are learned from; where all are of one part, that is no split."""
    train = parts.get("train", []) + parts.get(None, [])
    dev, test = parts.get("dev", []), parts.get("test", [])
    if not train and (not dev or not test):
        return dev + test, [], []
    if not train:
        problems.fatal(root, 0, "has a dev and a test part, and none to learn from", "add one named train")
    texts = {document.text for document in train}
    for name, part in (("dev", dev), ("test", test)):
        shared = sum(document.text in texts for document in part)
        if shared:
            what = f"{shared} of the {len(part)} texts of its {name} part are in the train part as well"
            problems.warn(root, 0, what, "kept, but figures on them say little")
    return train, dev, test


@dataclass(frozen=True)
class _Finish:
    """Makes documents of what was checked, when it is known what there is to learn."""

    corpus: str
    labels: LabelSets
    used: Mapping[str, frozenset[str]]

    def document(self, raw: RawDocument) -> Document:
        """Every entity label is covered wherever the file speaks of spans; so are relations."""
        spans = (raw.spans or ()) if self.labels.entities else ()
        return Document(
            self.corpus,
            raw.id,
            raw.text,
            tuple(
                Labelled(
                    span.start,
                    span.end,
                    frozenset({span.label}),
                    only(span_axes(span, self.used), self.labels.assertion),
                    span.codes,
                )
                for span in spans
            ),
            covered=frozenset(self.labels.entities) if raw.spans is not None else frozenset(),
            relations=tuple(
                Related(r.label, _place(raw, r.source), _place(raw, r.target))
                for r in raw.relations or ()
                if r.label in self.labels.relations
            ),
            related=frozenset(self.labels.relations) if raw.relations is not None else frozenset(),
            code_pairs=frozenset(pair for pair in raw.pairs if pair[0] in self.labels.relations),
            classes={
                task: frozenset(labels) for task, labels in raw.classes.items() if task in self.labels.classes
            },
        )


def _place(document: RawDocument, span: int) -> Place:
    return (document.spans or ())[span].place


def _digest(key: str, seed: str) -> bytes:
    return hashlib.sha256(f"{seed}:{key}".encode()).digest()
