"""Rows of the second stage of training: sentences of ours of the kinds that stage one judges badly, some of them with
letters disguised, and a sample of stage one's rows, so that what was learnt there stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from headscope.analysis.training.disguises import disguised
from headscope.analysis.training.labelled import LabelledTexts
from headscope.analysis.training.toxicity_data import filled_kinds, joined, sample, training_rows

FOLDER = Path(__file__).with_name("targeted_sentences")
PER_KIND = 400
"""Rows of each kind; a kind of many wordings has at least one of each."""
DISGUISED_KINDS = ("own/plain_insult", "own/criticism", "own/plain_threat", "own/sounds_like_a_threat")
PASSES = 2
"""How often our sentences are seen, each time with other words in their slots and other letters disguised."""
REPLAYED = 7_000
"""Rows of stage one that are seen once more."""


def targeted_sentences(part: str, seed: int = 0) -> LabelledTexts:
    """Our sentences for this stage, `train` or `validation`; the source is `own/KIND`."""
    files = sorted(FOLDER.glob("*.yaml"))
    return joined(
        [filled_kinds(yaml.safe_load(file.read_text(encoding="utf-8")), part, PER_KIND, seed) for file in files]
    )


def second_stage_rows(path: Path, seed: int = 0) -> LabelledTexts:
    """What the second stage is trained on, shuffled. Raises InputError as `read_mix` does."""
    passes = [targeted_sentences("train", seed + i) for i in range(PASSES)]
    disguises = [with_disguises(ours, seed + i) for i, ours in enumerate(passes)]
    rows = joined([*passes, *disguises, sample(training_rows(path, seed), REPLAYED, seed)])
    return sample(rows, len(rows.texts), seed)


def with_disguises(rows: LabelledTexts, seed: int = 0) -> LabelledTexts:
    """The rows of `DISGUISED_KINDS`, toxic and harmless, with letters spaced, replaced, doubled, swapped or left out:
    that letters are disguised must say nothing by itself."""
    generator = np.random.default_rng(seed)
    chosen = np.flatnonzero(np.isin(rows.sources, DISGUISED_KINDS))
    texts = tuple(disguised(rows.texts[i], generator) for i in chosen)
    return LabelledTexts(texts, tuple(f"{rows.sources[i]}/disguised" for i in chosen), rows.labels[chosen])
