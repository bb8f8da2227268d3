"""Who scores stored texts: a classifier of toxicity, or a probe that reads texts only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from headscope.analysis import registry
from headscope.analysis.classifiers.loaded import classifier
from headscope.analysis.probes import toxicity
from headscope.analysis.probes.tone import ToneProbe
from headscope.analysis.types.findings import Finding


def stored_name(scorer: str) -> str:
    """The name that is stored with its scores; loads it. Raises UnknownNameError, or BackendError when it is not
    installed."""
    probe = _probe(scorer)
    return classifier(scorer).name if probe is None else probe.reader().name


def scored(scorer: str, texts: Sequence[tuple[str, str | None]]) -> list[tuple[Finding, ...]]:
    """What it says of (prompt, continuation) of runs, in their order; raises what `stored_name` does."""
    probe = _probe(scorer)
    if probe is not None:
        return probe.of_texts(texts)
    return [*toxicity.judged(classifier(scorer), [toxicity.parts_of(*both) for both in texts])]


def _probe(scorer: str) -> ToneProbe | None:
    entry = registry.find_scorer(scorer)
    return cast(ToneProbe, entry.load()()) if scorer in registry.PROBES else None
