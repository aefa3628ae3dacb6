"""More word pieces for a BERT: whole words of one's own texts that its vocabulary cuts to bits.

Method: words of letters that fall into three pieces or more and stand in several texts, those first whose
single piece saves most pieces over all texts. They are appended to the vocabulary, so that all old numbers
stay; the embedding of each is the mean of its old pieces' (Gee et al. 2022, "Fast vocabulary transfer for
language model compression"), and so is its bias where hidden words are guessed: the trunk starts near to what
it knew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from tokenizers import Tokenizer

from models.errors import CheckpointError
from models.huggingface import download, read_json
from models.training.bases import base_folder
from models.training.bert import open_bert, quietly, save_bert

FEWEST_PIECES = 3
LEAST_TEXTS = 5
"""A word of fewer texts may be a person's name, and is rare in any case."""
LISTED = "new-pieces.tsv"
ARCHITECTURES = (
    "BertForMaskedLM", "BertForPreTraining", "BertForTokenClassification", "BertForSequenceClassification",
)  # fmt: skip
"""That are kept as they are; of others the trunk."""


@dataclass(frozen=True)
class NewPiece:
    """`count` times in all texts, in `texts` of them; `old`: numbers of the pieces that it fell into."""

    word: str = field(repr=False)
    count: int
    texts: int
    old: tuple[int, ...]

    @property
    def saved(self) -> int:
        return self.count * (len(self.old) - 1)


@dataclass(frozen=True)
class Extension:
    """`before`, `after`: pieces that a word of the texts has, on average."""

    folder: Path
    new: tuple[NewPiece, ...]
    before: float
    after: float


@dataclass(frozen=True)
class Words:
    """How often each word is there, and in how many texts, as a tokenizer tells words apart."""

    counts: Counter[str] = field(repr=False)
    texts: Counter[str] = field(repr=False)

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Tokenizer) -> Words:
        counts, within = Counter[str](), Counter[str]()
        normalizer, words = tokenizer.normalizer, tokenizer.pre_tokenizer
        if words is None:
            raise CheckpointError("the tokenizer of the base does not part words; take another base")
        for text in texts:
            plain = normalizer.normalize_str(text) if normalizer is not None else text
            own = Counter(word for word, _ in words.pre_tokenize_str(plain))
            counts.update(own)
            within.update(own.keys())
        return cls(counts, within)

    def pieces(self, tokenizer: Tokenizer) -> float:
        """A word has so many, on average over all texts."""
        pieces = tokenizer.model  # asked for once: it is copied whenever it is
        total = sum(count * len(pieces.tokenize(word)) for word, count in self.counts.items())
        return total / max(1, self.counts.total())


def extend(base: str | Path, texts: Sequence[str], count: int, out: Path) -> Extension:
    """Write to `out` the BERT `base` with up to `count` more pieces, each a word of `texts`.

    `new-pieces.tsv` lists them, for a look before the folder is given away: words of notes are among them.
    Raises `CheckpointError` for what is no BERT of word pieces, and where no word falls to bits.
    """
    start = base_folder(str(base))
    folder = Path(start) if Path(start).is_dir() else download(start)
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    architecture = next((a for a in config.get("architectures") or () if a in ARCHITECTURES), "BertModel")
    model, tokenizer, _ = open_bert(str(folder), architecture)
    old: Tokenizer = tokenizer.backend_tokenizer
    words = Words.of(texts, old)
    new = chosen(words, old, count)
    if not new:
        raise CheckpointError(
            f"no word of the texts falls into {FEWEST_PIECES} pieces of {base} and stands in {LEAST_TEXTS} "
            "texts or more; leave the vocabulary as it is"
        )
    extended = _extended(tokenizer, [piece.word for piece in new])
    first = len(tokenizer)
    _grow(model, first, new)
    save_bert(model, extended, out)
    pieces = {number: piece for piece, number in old.get_vocab().items()}
    rows = (f"{p.word}\t{p.count}\t{p.texts}\t{' '.join(pieces[n] for n in p.old)}\n" for p in new)
    listed = "".join(["word\tcount\ttexts\told pieces\n", *rows])
    (out / LISTED).write_text(listed, encoding="utf-8")
    return Extension(out, new, words.pieces(old), words.pieces(extended.backend_tokenizer))


def chosen(words: Words, tokenizer: Tokenizer, count: int) -> tuple[NewPiece, ...]:
    """The words that save most pieces; those that save as many in alphabetical order."""
    unknown, pieces = tokenizer.token_to_id("[UNK]"), tokenizer.model
    found = []
    for word, often in words.counts.items():
        if words.texts[word] < LEAST_TEXTS or not word.isalpha():
            continue
        old = tuple(token.id for token in pieces.tokenize(word))
        if len(old) >= FEWEST_PIECES and unknown not in old:
            found.append(NewPiece(word, often, words.texts[word], old))
    return tuple(sorted(found, key=lambda piece: (-piece.saved, piece.word))[:count])


def _extended(tokenizer: Any, words: Sequence[str]) -> Any:
    """The tokenizer with the words as pieces like all others, after its last."""
    from transformers import AutoTokenizer

    with TemporaryDirectory() as place, quietly():
        tokenizer.save_pretrained(place)
        path = Path(place) / "tokenizer.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["model"].get("type", "WordPiece") != "WordPiece":
            raise CheckpointError("the vocabulary of the base has no word pieces; take another base")
        vocabulary = content["model"]["vocab"]
        vocabulary |= {word: len(tokenizer) + place for place, word in enumerate(words)}
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        return AutoTokenizer.from_pretrained(place)


@torch.no_grad()
def _grow(model: Any, first: int, new: Sequence[NewPiece]) -> None:
    """Rows for the new pieces, from number `first` on, in every table that counts pieces."""
    rows = first + len(new)
    if rows > model.config.vocab_size:
        model.resize_token_embeddings(rows, mean_resizing=False)
    tables = [model.get_input_embeddings().weight]
    guessing = getattr(getattr(model, "cls", None), "predictions", None)
    if guessing is not None:
        tables += [guessing.decoder.weight, guessing.decoder.bias, guessing.bias]
    for table in {id(own): own for own in tables}.values():
        for number, piece in enumerate(new, start=first):
            table[number] = table[list(piece.old)].mean(0)
