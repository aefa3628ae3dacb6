"""A checkpoint whose weights were written by hand, so that what decides each of its answers is known.

"pain" and "fever" are problems, for themselves. A problem is negative where "denies" is in its window; a text
is about drugs where "aspirin" is in it. No other word matters but by being there: one layer attends to
all tokens alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import Checkpoint, open_checkpoint
from models.encoder import Encoder
from models.heads.assertion import Assertion
from models.heads.entities import Entities
from models.heads.text_classes import TextClasses
from models.manifest import seal
from models.types import Annotation, Classification, Findings, Label, Mention, Note
from models.weights import save_quantised
from tests.checkpoints import huggingface_folder
from tests.records import mention, read

WIDTH = 24
PROBLEM, NEGATED, DRUG, SEEN_NEGATED, SEEN_DRUG = range(5)
"""What numbers of a hidden state stand for: the word itself, and what the layer saw anywhere."""
LABELS = ("about drugs", "about weather")
NEGATIVE = 4
"""Column of the certainty "negative"."""


def decisive(folder: Path, window: int = 64, overlap: int = 16) -> Checkpoint:
    """In our own layout: entities, assertion and one task of classes."""
    source = open_checkpoint(huggingface_folder(folder / "source"))
    vocabulary = source.tokenizer.get_vocab()
    shape = {name: getattr(source.encoder, name) for name in source.encoder.__dataclass_fields__}
    shape |= {"hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    heads: list[dict[str, Any]] = [
        {"name": "entities", "kind": "entities", "categories": ["PROBLEM", "DRUG"]},
        {"name": "assertion", "kind": "assertion", "hidden": 4},
        {
            "name": "topic",
            "kind": "text_classes",
            "labels": list(LABELS),
            "independent": True,
            "hidden": 4,
            "thresholds": [],
        },
    ]
    encoder = _encoder(type(source.encoder)(**shape), vocabulary)
    tensors = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    for name, head in (("entities", _entities()), ("assertion", _assertion()), ("topic", _topic())):
        tensors |= {f"heads.{name}.{part}": tensor for part, tensor in head.state_dict().items()}
    save_quantised(tensors, folder / "weights.safetensors")
    source.tokenizer.save(str(folder / "tokenizer.json"))
    described = {"name": "decisive", "version": "1", "encoder": shape, "heads": heads}
    seal(folder, described | {"window": window, "overlap": overlap})
    return open_checkpoint(folder)


def record(text: str, topic: float | None = None, **axes: str) -> tuple[Note, Annotation]:
    """A note and its record: "pain", "fever" and "chest pain" are problems, all asserted alike."""
    asserted = ("certainty", "conditionality", "association", "temporality")
    usual = {
        "certainty": "positive",
        "conditionality": "none",
        "association": "subject",
        "temporality": "current",
    }
    values = tuple((usual | axes)[axis] for axis in asserted)
    note = Note(id="n", text=text)

    def finder(passage: Any) -> Findings:
        found: list[Mention] = []
        for word in ("chest pain", "pain", "fever"):
            start = passage.text.find(word)
            taken = any(own.span.start <= start < own.span.end for own in found)
            if start >= 0 and not taken:
                found.append(mention(start, start + len(word), "PROBLEM", assertion=values))
        return Findings(tuple(found))

    annotation = read(note, finder)
    if topic is not None:
        said = Classification(task="topic", labels=(Label(LABELS[0], topic), Label(LABELS[1], topic / 3)))
        fields = {name: getattr(annotation, name) for name in annotation.__struct_fields__}
        annotation = Annotation(**fields | {"classifications": (said,)})
    return note, annotation


def _encoder(shape: Any, vocabulary: dict[str, int]) -> Encoder:
    torch.manual_seed(0)
    encoder = Encoder(shape)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.zero_()
        words = encoder.words.weight
        words[:, SEEN_DRUG + 1 :] = torch.randn(len(words), WIDTH - SEEN_DRUG - 1) * 0.3
        for name, place in (("pain", PROBLEM), ("fever", PROBLEM), ("denies", NEGATED), ("aspirin", DRUG)):
            words[vocabulary[name], place] = 4.0
        layer: Any = encoder.layers[0]
        for norm in (encoder.norm, layer.attention_norm, layer.output_norm):
            norm.weight.fill_(1.0)
        for place in range(WIDTH):
            layer.qkv.weight[2 * WIDTH + place, place] = 1.0  # values; queries and keys are 0: all alike
        layer.out.weight[SEEN_NEGATED, NEGATED] = 12.0
        layer.out.weight[SEEN_DRUG, DRUG] = 12.0
    return encoder.eval()


def _entities() -> Entities:
    head = Entities(WIDTH, ["PROBLEM", "DRUG"])
    _zero(head)
    with torch.no_grad():
        head.tags.weight[1, PROBLEM] = 3.0
        head.tags.weight[3, PROBLEM] = 3.0
        head.tags.weight[2, DRUG] = 3.0
        head.tags.bias[0] = 4.0
    return head


def _assertion() -> Assertion:
    head = Assertion(WIDTH, 4)
    _zero(head)
    with torch.no_grad():
        head.tokens.weight[0, SEEN_NEGATED] = 1.0
        head.mix.weight[0, 0] = 1.0
        head.axes.weight[NEGATIVE, 0] = 4.0
        head.axes.bias[0] = 3.0
    return head


def _topic() -> TextClasses:
    head = TextClasses(WIDTH, "topic", LABELS, independent=True, hidden=4)
    _zero(head)
    with torch.no_grad():
        head.mix.weight[0, WIDTH + SEEN_DRUG] = 2.0
        head.classifier.weight[0, 0] = 3.0
        head.classifier.bias[0] = -2.0
    return head


def _zero(head: torch.nn.Module) -> None:
    with torch.no_grad():
        parameter: Tensor
        for parameter in head.parameters():
            parameter.zero_()
