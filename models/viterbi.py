"""The likeliest valid tags of words: compiled, for tag sequences in which an I follows a B or I of its own
category. Method: Viterbi with hard transitions, on the stretches of words that need it.

Tags: O, then B of every category, then I of every category.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator,no-untyped-call"

from __future__ import annotations

import numpy as np
from numba import njit

COMPILED = {"nogil": True, "cache": True}


@njit(**COMPILED)
def _scores(projected, edges, word, out):
    """A word is B when its first piece is B and the others I; O or I when all its pieces are."""
    kinds = projected.shape[1] // 2
    first = edges[word]
    for tag in range(projected.shape[1]):
        out[tag] = projected[first, tag]
    for piece in range(first + 1, edges[word + 1]):
        out[0] += projected[piece, 0]
        for tag in range(1 + kinds, projected.shape[1]):
            out[tag - kinds] += projected[piece, tag]
            out[tag] += projected[piece, tag]


@njit(**COMPILED)
def _parted(before, scores):
    """Whether the best sequence has no I at a word, whatever came before; from its scores and those before.

    The best way to the word before that ends in a category falls short of the best way to it at all by what
    its own B and I fall short of its O and all its B; an I must make up for that to be worth more than the B.
    """
    kinds = len(scores) // 2
    most = before[: 1 + kinds].max()
    for begin in range(1, 1 + kinds):
        inside = begin + kinds
        short = min(max(before[begin], before[inside]) - most, 0.0)
        if short + scores[inside] >= scores[begin]:
            return False
    return True


@njit(**COMPILED)
def _best(projected, edges, start, stop, tags):
    """The best tags of the words `start:stop`, of which the first is no I."""
    kinds = projected.shape[1] // 2
    scores = np.empty(projected.shape[1])
    total = np.empty(projected.shape[1])
    came_from = np.empty((stop - start, 1 + kinds), np.int64)  # of O and any B; of the I of each category
    _scores(projected, edges, start, total)
    total[1 + kinds :] = -np.inf
    for word in range(start + 1, stop):
        _scores(projected, edges, word, scores)
        best = total.argmax()
        came_from[word - start, 0] = best
        most = total[best]
        for begin in range(1, 1 + kinds):
            inside = begin + kinds
            opened = total[begin] >= total[inside]
            came_from[word - start, begin] = begin if opened else inside
            total[inside] = scores[inside] + (total[begin] if opened else total[inside])
            total[begin] = scores[begin] + most
        total[0] = scores[0] + most
    tags[stop - 1] = total.argmax()
    for word in range(stop - 1, start, -1):
        tag = tags[word]
        tags[word - 1] = came_from[word - start, tag - kinds if tag > kinds else 0]


@njit("void(int64[::1], float32[:,::1], int64[::1], boolean[::1])", **COMPILED)
def mend(tags, projected, edges, between):
    """Make the best tags of each word alone the best valid ones, in place.

    `tags` [words]; `projected` [pieces, tags]: logits; word i is pieces `edges[i]:edges[i + 1]`; words
    `between` are in no sequence, tagged O, and part those on either side.
    """
    kinds = projected.shape[1] // 2
    one, other = np.empty(projected.shape[1]), np.empty(projected.shape[1])
    done = 0
    for word in range(len(tags)):
        tag = tags[word]
        before = tags[word - 1] if word else 0
        if word < done or tag <= kinds or before == tag or before == tag - kinds:
            continue
        start = word
        _scores(projected, edges, start, one)
        while start and not between[start - 1]:
            _scores(projected, edges, start - 1, other)
            if _parted(other, one):
                break
            start -= 1
            one, other = other, one
        done = word + 1
        _scores(projected, edges, word, one)
        while done < len(tags) and not between[done]:
            _scores(projected, edges, done, other)
            if _parted(one, other):
                break
            done += 1
            one, other = other, one
        _best(projected, edges, start, done, tags)
