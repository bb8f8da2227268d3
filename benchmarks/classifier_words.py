"""Words behind the toxicity classifier's logit, by relevance propagation and by integrated gradients: which of the two
names tokens without which the classifier changes its mind, how alike they are, and what they cost.

    python -m benchmarks.classifier_words [--repeats 3]

Texts: the sentences of the functional tests that the classifier calls toxic, none of which it was trained on. Of each
the k tokens with the highest scores are taken away, deleted or replaced by [MASK] (neither is the baseline of the
integrated gradients, padding), beside k random ones, the mean of 20 draws. drop: how far the logit falls, its
mean over texts with a 95 % bootstrap interval. ratio: seconds of integrated gradients over those of relevance.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.harness import interleaved, ratio, write_result
from headscope.analysis.classifiers.loaded import classifier
from headscope.analysis.classifiers.sequence import SequenceClassifier
from headscope.analysis.classifiers.token_scores import TokenScores
from headscope.analysis.probes.classifier_words import explained
from headscope.analysis.statistics.correlation import spearman
from headscope.analysis.statistics.intervals import bootstrap_means
from headscope.analysis.training import functional_tests
from headscope.analysis.types.judging import Explaining

LABEL = "toxic"
RULES = tuple(method.value for method in Explaining if method is not Explaining.INTEGRATED_GRADIENTS)
REMOVED = (1, 2, 3)
DRAWS = 20


def called_toxic(judge: SequenceClassifier) -> list[str]:
    """The sentences it calls toxic, with more tokens than are taken away."""
    texts = [text for kind in functional_tests.kinds() for text in kind.sentences]
    over = judge.score(texts)[:, judge.labels.index(LABEL)] >= judge.threshold(LABEL)
    return [text for text, keep in zip(texts, over, strict=True) if keep and len(_ids(judge, text)) > max(REMOVED) + 3]


def drops(judge: SequenceClassifier, text: str, places: Sequence[Sequence[int]], masked: bool) -> list[float]:
    """How far the logit falls without each set of tokens (places among the text's own)."""
    whole = _ids(judge, text)
    mask = judge.tokenizer.mask_token_id
    variants = [whole]
    for gone in places:
        at = {place + 1 for place in gone}  # [CLS] is before them
        kept = [mask if i in at else token for i, token in enumerate(whole) if masked or i not in at]
        variants.append(kept)
    padded = judge.tokenizer.pad({"input_ids": variants}, return_tensors="pt")
    with torch.no_grad():
        logits = judge.model(**padded).logits[:, judge.labels.index(LABEL)].numpy()
    return [float(value) for value in logits[0] - logits[1:]]


def _ids(judge: SequenceClassifier, text: str) -> list[int]:
    return list(judge.tokenizer(text)["input_ids"])


def removal(judge: SequenceClassifier, texts: Sequence[str], found: dict[str, list[TokenScores]]) -> dict[str, Any]:
    """By masking and k: the mean drop of each order, and that of one order over the other."""
    draw = np.random.default_rng(0)
    said: dict[str, Any] = {}
    for masked in (False, True):
        for k in REMOVED:
            rows = []
            for index, text in enumerate(texts):
                n = len(found[RULES[0]][index].scores)
                best = [np.argsort(-scores[index].scores, kind="stable")[:k].tolist() for scores in found.values()]
                random = [draw.permutation(n)[:k].tolist() for _ in range(DRAWS)]
                fell = drops(judge, text, [*best, *random], masked)
                rows.append([*fell[: len(found)], float(np.mean(fell[len(found) :]))])
            table = np.array(rows)
            names = [*found, "random", *(f"{rule} over integrated_gradients" for rule in RULES)]
            columns = np.column_stack([table, *(table[:, 1 + i] - table[:, 0] for i in range(len(RULES)))])
            means = bootstrap_means(columns)
            said[f"{'[MASK]' if masked else 'deleted'}, {k}"] = {
                name: [round(float(value), 3) for value in (means.mean[i], means.low[i], means.high[i])]
                for i, name in enumerate(names)
            }
    return said


def alike(one: list[TokenScores], other: list[TokenScores]) -> dict[str, Any]:
    """Spearman's rank correlation of integrated gradients with a rule, its mean over texts, and in how many the first
    token is the same."""
    values = [
        spearman(a.scores.astype(np.float64), b.scores.astype(np.float64)).value
        for a, b in zip(one, other, strict=True)
    ]
    same = sum(int(a.scores.argmax() == b.scores.argmax()) for a, b in zip(one, other, strict=True))
    mean = bootstrap_means(np.array(values))
    return {
        "spearman": [round(float(value), 3) for value in (mean.mean, mean.low, mean.high)],
        "same_first_token": f"{same} of {len(values)}",
    }


def shares(found: Sequence[TokenScores]) -> dict[str, Any]:
    """What the logit is made of, in the mean over texts, and the largest conservation error."""
    parts = {"logit": [one.value for one in found], "words": [float(one.scores.sum()) for one in found]}
    parts |= {name: [one.terms[name] for one in found] for name in found[0].terms}
    return {
        **{name: round(float(np.mean(values)), 3) for name, values in parts.items()},
        "mean_size": {name: round(float(np.mean(np.abs(values))), 3) for name, values in parts.items()},
        "largest_error": float(f"{max(abs(one.delta) for one in found):.2g}"),
    }


def main() -> None:
    """Measure and write `results/classifier_words.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    judge = classifier("minilm")
    assert isinstance(judge, SequenceClassifier)
    texts = called_toxic(judge)
    found = {method.value: [explained(judge, text, LABEL, method) for text in texts] for method in Explaining}
    candidates = {
        method.value: lambda method=method: [explained(judge, text, LABEL, method) for text in texts]
        for method in Explaining
    }
    seconds = interleaved(candidates, arguments.repeats)
    write_result(
        "classifier_words",
        {
            "classifier": judge.name,
            "texts": len(texts),
            "tokens": round(float(np.mean([len(one.scores) for one in found[RULES[0]]])), 1),
            "drop_of_the_logit": removal(judge, texts, found),
            "alike": {rule: alike(found["integrated_gradients"], found[rule]) for rule in RULES},
            "shares": {rule: shares(found[rule]) for rule in RULES},
            "ms_per_text": {name: round(float(np.median(t)) / len(texts) * 1e3, 1) for name, t in seconds.items()},
            "ratio": {rule: ratio(seconds["integrated_gradients"], seconds[rule]) for rule in RULES},
        },
    )


if __name__ == "__main__":
    main()
