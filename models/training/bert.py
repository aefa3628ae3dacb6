"""A BERT as transformers has it, opened and written without what that says on the way."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.errors import CheckpointError
from models.huggingface import download
from models.manifest import MANIFEST


@contextmanager
def quietly() -> Iterator[None]:
    """Neither reports of what was loaded nor bars of progress; afterwards as before."""
    from transformers.utils import logging as own

    before, bars = own.get_verbosity(), own.is_progress_bar_enabled()
    own.set_verbosity(logging.CRITICAL)
    own.disable_progress_bar()
    try:
        yield
    finally:
        own.set_verbosity(before)
        if bars:
            own.enable_progress_bar()


def open_bert(base: str, architecture: str, **options: Any) -> tuple[Any, Any, frozenset[str]]:
    """A class of transformers, by name, with the weights of `base` (a folder or hub name), and its tokenizer.

    What the class has and `base` has not starts at random: the names of these weights come last. Raises
    `CheckpointError` for what is no BERT.
    """
    import transformers

    folder = Path(base) if Path(base).is_dir() else download(base)
    if (folder / MANIFEST).is_file():
        raise CheckpointError(f"{base} is a checkpoint of our own layout; name the BERT that it started from")
    try:
        with quietly():
            config = transformers.AutoConfig.from_pretrained(folder)
            if config.model_type != "bert":
                raise CheckpointError(f"{base} is a {config.model_type}; only BERT can be trained further")
            build = getattr(transformers, architecture).from_pretrained
            model, info = build(folder, output_loading_info=True, **options)
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{base} is no BERT to start from: {_first_line(error)}") from None
    if len(tokenizer) > model.config.vocab_size:
        raise CheckpointError(
            f"{base}: the tokenizer has {len(tokenizer)} pieces, the weights {model.config.vocab_size}: "
            "they do not belong together"
        )
    return model, tokenizer, frozenset(info["missing_keys"])


def save_bert(model: Any, tokenizer: Any, folder: Path) -> None:
    """As `save_pretrained` writes it, and `vocab.txt` for programs that know no other vocabulary.

    Written next to its place and moved there whole.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    with quietly():
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    if [number for _, number in vocabulary] == list(range(len(vocabulary))):
        (part / "vocab.txt").write_text("".join(f"{piece}\n" for piece, _ in vocabulary), encoding="utf-8")
    for path in part.iterdir():
        path.chmod(0o644)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
