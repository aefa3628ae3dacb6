"""`streamer pretrain` and `streamer merge`: other trunks to start from, shown to a person."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from models.corpora.problems import told
from models.training.guessing import PretrainConfig
from models.training.merge import merge as merged
from models.training.pretrain import Pretrained
from models.training.pretrain import pretrain as trained
from models.training.raw_texts import RawTexts, read_raw
from models.training.vocabulary import LISTED, extend
from streamer.errors import SettingError
from streamer.training_view import shown

EXTENDED = "extended"
"""Folder of the base with more word pieces, in that of the run."""


def run(texts: Sequence[Path], base: str, out: Path, config: PretrainConfig, pieces: int = 0) -> int:
    """Have a BERT read raw texts on, after `pieces` more word pieces; a run that was stopped goes on. 0 when
    it is done. Raises `CheckpointError` for texts or a base that cannot be used."""
    raw = read_raw(texts)
    for problem in told(raw.problems):
        print(problem, file=sys.stderr)
    print(f"{len(raw.texts):,} texts of {raw.characters:,} characters{_repeated(raw)}", file=sys.stderr)
    try:
        start = _extended(base, raw.texts, pieces, out / EXTENDED) if pieces else base
        with shown("reading") as view:
            done = trained(raw.texts, start, out, config, view.hear)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from where it was saved last", file=sys.stderr)
        return 1
    print(f"read on: {done.folder}")
    print(f"perplexity on {done.held_out:,} texts that it did not learn from: {_perplexity(done)}")
    if done.before.next_sentence is not None and done.after.next_sentence is not None:
        before, after = 100 * done.before.next_sentence, 100 * done.after.next_sentence
        print(f"next sentences told rightly: {before:.1f} % before, {after:.1f} % after")
    print(f"train from it: streamer train --data DATA --base {done.folder}")
    return 0


def config(**given: object) -> PretrainConfig:
    """Defaults with what was given, None apart. Raises `SettingError` for what cannot be."""
    known = {name: value for name, value in given.items() if value is not None}
    for name, value in known.items():
        if name != "seed" and isinstance(value, int) and not isinstance(value, bool) and value < 1:
            raise SettingError(f"--{name.replace('_', '-')} has to be 1 or more")
    return msgspec.convert(known, PretrainConfig)


def merge(checkpoints: Sequence[str], out: Path, weights: str | None, name: str | None = None) -> int:
    """Write the mean of several checkpoints. 0 when it is done. Raises `CheckpointError`, `SettingError`."""
    try:
        shares = [float(part) for part in weights.split(",")] if weights is not None else None
    except ValueError:
        raise SettingError(f"--weights {weights}: numbers with commas between are wanted, as 2,1") from None
    folder = merged(checkpoints, out, shares, name)
    print(f"merged: {folder}; its figures are those of none of its parents, so measure it:")
    print(f"streamer evaluate --data DATA --checkpoint {folder} --against {checkpoints[0]}")
    return 0


def _extended(base: str, texts: Sequence[str], pieces: int, out: Path) -> str:
    """Made anew whenever it is asked for: the same from the same texts, so that a run can go on."""
    out.parent.mkdir(parents=True, exist_ok=True)
    done = extend(base, texts, pieces, out)
    print(
        f"{len(done.new):,} more word pieces, listed in {out / LISTED}: "
        f"{done.before:.3f} pieces a word before, {done.after:.3f} after",
        file=sys.stderr,
    )
    return str(out)


def _perplexity(done: Pretrained) -> str:
    before = f"{done.before.value:,.1f} before"
    new = " (its head for hidden words is new, so that it guessed)" if done.fresh else ""
    return f"{before}{new}, {done.after.value:,.1f} after"


def _repeated(raw: RawTexts) -> str:
    return f"; {raw.repeated:,} more were there before" if raw.repeated else ""
