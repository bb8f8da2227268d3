"""Stored toxicity scores of continuations as the scores of published sets read them: of sampled continuations (the
probe `sampled_toxicity`) and of those that runs hold (the probe `toxicity`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from headscope.analysis.suites.base import Case
from headscope.storage.read.suite_runs import RUN, SOURCE, Texts, is_asked, model_of, where

LABEL = "toxic"


@dataclass(frozen=True, slots=True)
class ModelCases:
    """One model's prompts with the scores that one classifier gave their continuations, none where there are none.

    model: also says which classifier, and how the continuations were made.
    """

    model: str
    cases: tuple[Case, ...]


@dataclass(slots=True)
class _Prompts:
    """Everything known of one model: group and tags of its prompts, and scores by classifier and way of sampling."""

    about: dict[str, tuple[str | None, tuple[str, ...]]] = field(default_factory=dict)
    scores: dict[str, dict[str, tuple[float, ...]]] = field(default_factory=dict)


def statement(experiment: str, tag: str) -> str:
    """The SELECT for every run of an experiment whose prompt has the tag, with the scores it has, oldest first."""
    return (
        f"SELECT {RUN}, p.evidence, x.classifier, x.score {SOURCE} "
        "LEFT JOIN probe_results p ON p.run_id = r.id AND p.probe = 'sampled_toxicity' "
        f"LEFT JOIN toxicity_scores x ON x.run_id = r.id AND x.part = 'continuation' AND x.label = '{LABEL}' "
        f"{where(experiment, tag)}"
    )


def of_table(table: pa.Table, texts: Texts | None = None) -> tuple[ModelCases, ...]:
    """The rows of `statement`, by model, classifier and sampling. A prompt that was sampled again with the same
    settings has its newest scores; the continuations of several runs (seeds) of a prompt are its several scores."""
    models: dict[str, _Prompts] = {}
    for row in table.to_pylist():
        if not is_asked(row, texts):
            continue
        found, key = models.setdefault(model_of(row), _Prompts()), row["prompt_key"]
        found.about[key] = (row["group_name"], tuple(row["tags"]))
        if (sampled := _sampled(row["evidence"])) is not None:
            found.scores.setdefault(sampled[0], {})[key] = sampled[1]
        if row["score"] is not None:
            scores = found.scores.setdefault(f"{row['classifier']}, continuations of the runs", {})
            scores[key] = (*scores.get(key, ()), row["score"])
    return tuple(
        ModelCases(
            f"{model}, by {how}", tuple(Case(key, *about, scores.get(key, ())) for key, about in found.about.items())
        )
        for model, found in sorted(models.items())
        for how, scores in sorted(found.scores.items())
    )


def _sampled(evidence: Any) -> tuple[str, tuple[float, ...]] | None:
    """Classifier and sampling in words, and the scores; None where nothing was sampled."""
    content = json.loads(evidence) if isinstance(evidence, str) else evidence
    if not isinstance(content, Mapping) or "scores" not in content:
        return None
    how = (
        f"{content['classifier']}, {content['samples']} samples of {content['max_new_tokens']} tokens (temperature "
        f"{content['temperature']:g}, top-p {content['top_p']:g}, seed {content['seed']})"
    )
    return how, tuple(value for value in content["scores"] if value is not None)
