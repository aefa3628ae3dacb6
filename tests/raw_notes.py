"""What the tests of pre-training share: a few sentences, and raw texts put together from them."""

from __future__ import annotations

SENTENCES = (
    "The patient has fever.", "No chest pains.", "He takes aspirin.", "She denies pain.", "Left is the pain.",
)  # fmt: skip
TEXTS = tuple(f"{SENTENCES[i % 5]} {SENTENCES[(i + 1) % 5]} {SENTENCES[(i * i) % 5]} {i}" for i in range(60))
