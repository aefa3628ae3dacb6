"""What a run learns from: documents, tokenised once, and the endless sequence of batches drawn from them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.corpora.scheme import Document
from models.corpora.surrogates import surrogate_documents
from models.features import FeatureDictionary
from models.training.batch import CUDA_GRAIN, GRAIN, Batch, collate
from models.training.config import TrainConfig
from models.training.examples import Example, Preparer
from models.training.mentions import Mentions
from models.training.scheme import Scheme
from models.training.special import special_pieces
from models.training.synthetic import concepts, synthesise
from models.training.windows import Bundle, batches, bundles


class Material:
    """`documents`: by corpus, those to learn from; `notes`: raw texts to put made-up identifiers into."""

    def __init__(
        self,
        documents: Mapping[str, Sequence[Document]],
        notes: Sequence[str],
        tokenizer: Tokenizer,
        dictionary: FeatureDictionary,
        scheme: Scheme,
        config: TrainConfig,
    ) -> None:
        self._config, self._scheme, self._notes = config, scheme, notes
        self._grain = CUDA_GRAIN if torch.cuda.is_available() else GRAIN
        self.preparer = Preparer(tokenizer, dictionary, scheme)
        self._documents = documents
        self._pools = {name: Mentions(own) for name, own in documents.items()} if config.replaced else {}
        self.examples = {name: self.preparer.prepare(own) for name, own in documents.items()}
        everything = [document for own in documents.values() for document in own]
        self._concepts = concepts(everything) if config.synthetic else None
        self._sent: dict[str, Tensor] = {}
        self.special = special_pieces(tokenizer)

    @property
    def tables(self) -> dict[str, Tensor]:
        """By layer, bool [tag sets, tags]: what the tag numbers of the batches so far stand for."""
        return {layer: sets.table() for layer, sets in self.preparer.sets.items()}

    def tables_on(self, device: torch.device) -> dict[str, Tensor]:
        """The same on a device; sent there again only where they have grown."""
        for layer, table in self.tables.items():
            if layer not in self._sent or len(self._sent[layer]) < len(table):
                self._sent[layer] = table.to(device)
        return self._sent

    def batches(self, skip: int) -> Iterator[Batch]:
        """Batch after batch without end, the first `skip` left out; the same ones for the same seed."""
        config, step, epoch = self._config, 0, 0
        while True:
            chance = random.Random(f"{config.seed}-{epoch}")
            drawn = self._epoch(epoch, chance)
            for own in batches(drawn, config.batch_tokens, chance):
                if step >= skip:
                    stream = random.Random(f"{config.seed}:{step}")
                    yield collate(own, self.special, self._scheme, config.masked, stream, grain=self._grain)
                step += 1
            epoch += 1

    def _epoch(self, epoch: int, chance: random.Random) -> list[Bundle]:
        config = self._config
        limit = config.window - 2
        drawn: list[Bundle] = []
        for name, examples in self.examples.items():
            whole = config.whole.get(name, 0.0)
            for number in _times(len(examples), config.often(name), chance):
                example = self._renamed(name, number, chance) or examples[number]
                drawn += bundles(example, limit, config.longest, whole, chance)
        for example in self.preparer.prepare(self._made_up(epoch)):
            drawn += bundles(example, limit, config.longest, 0.0, chance)
        return drawn

    def _renamed(self, name: str, number: int, chance: random.Random) -> Example | None:
        """Every other time, the document with other mentions in the place of some; None: as it is."""
        document = self._documents[name][number]
        if name not in self._pools or not document.spans or chance.random() < 0.5:
            return None
        other = self._pools[name].replaced(document, self._config.replaced, chance)
        return self.preparer.prepare([other])[0]

    def _made_up(self, epoch: int) -> list[Document]:
        config, made = self._config, list[Document]()
        if config.synthetic and self._concepts is not None:
            made += synthesise(config.synthetic, self._concepts, random.Random(f"{config.seed}/{epoch}"))
        if config.surrogates and "phi" in self._scheme.layers:
            chance = random.Random(f"{config.seed}#{epoch}")
            made += surrogate_documents(config.surrogates, self._notes, chance)
        return made


def _times(count: int, often: float, chance: random.Random) -> Iterator[int]:
    """Each number so often; of a part of once, so large a share of them."""
    for number in range(count):
        for _ in range(int(often) + (chance.random() < often % 1)):
            yield number
