"""Who scores stored texts: a classifier of toxicity, or a probe that reads texts only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from headscope.analysis import registry
from headscope.analysis.classifiers.loaded import classifier
from headscope.analysis.probes import toxicity
from headscope.analysis.probes.tone import ToneProbe
from headscope.analysis.types.findings import Finding, LoadedScorer


def loaded(scorer: str) -> LoadedScorer:
    """The scorer itself, in memory from then on. Raises UnknownNameError, or BackendError when it is not installed."""
    probe = _probe(scorer)
    if probe is not None:
        return LoadedScorer(probe.reader().name)
    judge = classifier(scorer)
    return LoadedScorer(judge.name, toxicity.explained_from(judge))


def scored(scorer: str, texts: Sequence[tuple[str, str | None]], *, explain: bool = True) -> list[tuple[Finding, ...]]:
    """What it says of (prompt, continuation) of runs, in their order; with `explain` also which words made it say so.
    Raises what `loaded` does."""
    probe = _probe(scorer)
    if probe is not None:
        return probe.of_texts(texts)
    return [*toxicity.judged(classifier(scorer), [toxicity.parts_of(*both) for both in texts], explain=explain)]


def _probe(scorer: str) -> ToneProbe | None:
    entry = registry.find_scorer(scorer)
    return cast(ToneProbe, entry.load()()) if scorer in registry.PROBES else None
