"""What queries return: frozen rows over plain values and the arrays of `headscope.analysis.types`. No SQL here."""

from __future__ import annotations

from headscope.storage.rows.behaviour import FindingRow, FindingSample, LensRanks, Measures
from headscope.storage.rows.certificates import StoredCertificate
from headscope.storage.rows.failures import DetectorCount, FailureFacets, FailureFilter, FailureRow, PassingRun
from headscope.storage.rows.filters import Condition, FacetCount, RunFilter, RunsPage, Sort
from headscope.storage.rows.heads import HeadMeans, HeadRuns, HeadStats
from headscope.storage.rows.jobs import JobRow, Saved
from headscope.storage.rows.methods import (
    MEASURES,
    MethodFailure,
    MethodGains,
    MethodStats,
    PromptScores,
    ReceiptRow,
    ScoreSample,
)
from headscope.storage.rows.offensive import Offence, Offences
from headscope.storage.rows.overview import ExperimentRow, ModelRow, Overview, PromptSetRow
from headscope.storage.rows.pairs import PAIR_MEASURES, TONES, PairRuns
from headscope.storage.rows.runs import RUN_COLUMNS, ArtifactRow, ModelSettings, RunDetail, RunRow
from headscope.storage.rows.toxicity import (
    Disagreements,
    PromptOutcomes,
    RunTexts,
    ScoredText,
    ScoreFilter,
    ScorerPair,
    TextChoice,
    ToxicityRow,
    TwiceScored,
)

__all__ = [
    "MEASURES",
    "PAIR_MEASURES",
    "RUN_COLUMNS",
    "TONES",
    "ArtifactRow",
    "Condition",
    "DetectorCount",
    "Disagreements",
    "ExperimentRow",
    "FacetCount",
    "FailureFacets",
    "FailureFilter",
    "FailureRow",
    "FindingRow",
    "FindingSample",
    "HeadMeans",
    "HeadRuns",
    "HeadStats",
    "JobRow",
    "LensRanks",
    "Measures",
    "MethodFailure",
    "MethodGains",
    "MethodStats",
    "ModelRow",
    "ModelSettings",
    "Offence",
    "Offences",
    "Overview",
    "PairRuns",
    "PassingRun",
    "PromptOutcomes",
    "PromptScores",
    "PromptSetRow",
    "ReceiptRow",
    "RunDetail",
    "RunFilter",
    "RunRow",
    "RunTexts",
    "RunsPage",
    "Saved",
    "ScoreFilter",
    "ScoreSample",
    "ScoredText",
    "ScorerPair",
    "Sort",
    "StoredCertificate",
    "TextChoice",
    "ToxicityRow",
    "TwiceScored",
]
