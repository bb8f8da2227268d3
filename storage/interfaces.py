"""What the app and the command line may ask of a store. `headscope.storage.repository.Store` is the one implementation;
both databases pass the same contract tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.classifiers.rates import Cuts, ScoreCounts
from headscope.analysis.statistics.first_layer import StateNorms
from headscope.analysis.statistics.flip_evidence import Inside
from headscope.analysis.types.certificate import CertificateKey
from headscope.storage.rows import (
    DetectorCount,
    Disagreements,
    ExperimentRow,
    FacetCount,
    FailureFacets,
    FailureFilter,
    FailureRow,
    FindingRow,
    FindingSample,
    HeadRuns,
    HeadStats,
    JobRow,
    LensRanks,
    Measures,
    MethodFailure,
    MethodGains,
    MethodStats,
    ModelSettings,
    Offences,
    Overview,
    PairRuns,
    PassingRun,
    PromptOutcomes,
    ReceiptRow,
    RunDetail,
    RunFilter,
    RunRow,
    RunsPage,
    RunTexts,
    ScoredText,
    ScoreFilter,
    ScorerPair,
    ScoreSample,
    Sort,
    StoredCertificate,
    TextChoice,
    ToxicityRow,
)
from headscope.storage.rows.charts import Bins, ColumnPairs, Spread, Steps
from headscope.storage.rows.models import Flip, ModelsBeside, Sides


class RunReader(Protocol):
    """Reading; safe to call from many threads at once."""

    url: str

    def overview(self, recent: int = 10) -> Overview:
        """Counts, experiments, models, prompt sets, recent runs and failures."""

    def experiments(self) -> tuple[ExperimentRow, ...]:
        """All experiments, the newest first."""

    def experiments_with(self, subject: str) -> frozenset[str]:
        """Names of the experiments with a succeeded run that has pairs, toxicity scores, measures, detections,
        attributions, heads, or was studied from outside (`storage.read.subjects`). Raises UnknownNameError."""

    def runs_page(self, where: RunFilter, sort: Sequence[Sort] = (), offset: int = 0, limit: int = 100) -> RunsPage:
        """A page of runs, newest first by default. Raises UnknownNameError for a column that is not public."""

    def count(self, where: RunFilter) -> int:
        """How many runs a filter is of. Raises UnknownNameError for a column that is not public."""
        ...

    def facets(self, where: RunFilter, columns: Sequence[str], limit: int = 50) -> Mapping[str, tuple[FacetCount, ...]]:
        """Counts per value of each column (model, prompt_set, tags, status, experiment, error_kind), each under the
        conditions on the OTHER columns, most frequent first."""

    def ids_sql(self, where: RunFilter) -> str:
        """The statement that finds the ids of these runs, its values written in, for a person to read and run."""

    def run(self, run_id: str) -> RunDetail:
        """Raises UnknownNameError when there is no such run."""

    def details(self, run_ids: Sequence[str], *, evidence: bool = True) -> tuple[RunDetail, ...]:
        """Whole runs in the order asked; unknown ids are left out. evidence: False leaves the attributions without
        receipts, removal curves and scores of heads, for whoever shows none."""

    def insides(self, run_ids: Sequence[str]) -> Mapping[str, Inside]:
        """Tokens, attributions (without receipts) and heads of each run; unknown ids are left out."""

    def runs(self, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
        """Rows in the order asked; unknown ids are left out."""

    def attention(self, run_id: str) -> NDArray[np.float16] | None:
        """`[layer, head, query, key]` from the artifact (checksum verified), None when it was not kept.

        Raises StorageError when the file is missing or damaged.
        """

    def method_stats(
        self, where: RunFilter, *, by_prompt_set: bool = False, unconverged: bool = False
    ) -> tuple[MethodStats, ...]:
        """What each method did on these runs, most gain over random orders first; one row per method, or per method
        and prompt set. Results that did not converge are counted, and in means with `unconverged` only."""

    def method_gains(self, where: RunFilter, *, by_prompt_set: bool = False, unconverged: bool = False) -> MethodGains:
        """Gains prompt by prompt, for intervals of what `method_stats` says with the same arguments."""

    def method_failures(self, where: RunFilter, limit: int = 100) -> tuple[MethodFailure, ...]:
        """Why methods have no scores on these runs, most frequent first."""

    def receipts(
        self, where: RunFilter, method: str = "", limit: int = 100, *, unconverged: bool = False
    ) -> tuple[ReceiptRow, ...]:
        """Receipts on these runs, of one method or all; the least gain over random orders first. Those of scores that
        did not converge with `unconverged` only."""

    def position_scores(self, where: RunFilter, limit: int = 2000) -> ScoreSample:
        """One score per token by every method that has them, for at most `limit` of these runs (a fixed random sample
        when there are more)."""

    def head_stats(self, where: RunFilter, most: int = 1_000) -> HeadStats:
        """What was measured of every head over these runs. All runs of experiments, models or prompt sets: from sums
        that the writer keeps. Others: from the arrays of at most `most` runs, the newest. Values of other settings or
        another explained quantity are apart; ordered by model and statistic."""

    def head_runs(self, where: RunFilter, layer: int, head: int, limit: int = 2_000) -> HeadRuns:
        """One head in each of these runs that have head statistics or scores over heads. Runs of models without such a
        head have no numbers."""

    def measures(self, where: RunFilter, limit: int = 20_000) -> Measures:
        """Succeeded runs as columns, for distributions and pairs; a fixed random sample when there are more,
        in which pairs are whole."""

    def pair_runs(self, where: RunFilter, measure: str, preferred: str = "", limit: int = 100_000) -> PairRuns:
        """Succeeded runs that have a pair and a group, with one of `PAIR_MEASURES`: log P(target) - log P(foil), the
        log-likelihood of the text but its first token, or the continuation's toxicity (of the classifier `toxicity`
        would take), sentiment or regard. Raises UnknownNameError for another measure."""

    def newest_pairs(self, limit: int = 12) -> tuple[tuple[RunRow, RunRow], ...]:
        """The newest counterfactual pairs: two succeeded runs of one experiment, model and `pair_id`, with different
        texts, the older one first. Pairs of equally many tokens come before others, and the same two texts of a model
        once."""

    def models_beside(self, sides: Sides) -> ModelsBeside:
        """Two models over the prompts that both ran: how many those are, and of every measure the sums that
        `analysis.statistics.model_pairs` takes, over all of them."""

    def flips(self, sides: Sides, which: str = "all", offset: int = 0, limit: int = 25) -> tuple[Flip, ...]:
        """Of these prompts those on which one model prefers the target to the foil and the other does not, the largest
        change of margin first. which: one of `FLIPS`. Raises UnknownNameError for another."""

    def model_settings(self, where: RunFilter) -> tuple[ModelSettings, ...]:
        """In how many ways the succeeded ones of these runs were computed, by model, most runs first."""

    def lens_ranks(self, where: RunFilter, limit: int = 5_000) -> tuple[LensRanks, ...]:
        """Where in the layers the final answer appears, of at most `limit` runs (a fixed random sample)."""

    def state_norms(self, run_ids: Sequence[str]) -> Mapping[str, StateNorms]:
        """Norms of the states in the layers of these runs (some thousands), by run id; runs without them are left
        out."""

    def findings(
        self, where: RunFilter, probes: Sequence[str], labels: Sequence[str] = (), offset: int = 0, limit: int = 5_000
    ) -> tuple[FindingRow, ...]:
        """What these probes found on these runs, the highest score first; `labels` leaves out others."""

    def detector_counts(self, where: RunFilter) -> tuple[DetectorCount, ...]:
        """What the failure detectors said of these runs, by label and triage status; `passed` is a label too."""

    def failures_page(
        self, which: FailureFilter, offset: int = 0, limit: int = 50
    ) -> tuple[tuple[FailureRow, ...], int]:
        """A page of failures (nothing that passed), the most severe first, and how many there are."""

    def failure_facets(self, which: FailureFilter) -> FailureFacets:
        """How many of these failures have which tag, each facet without its own condition."""

    def passing_runs(self, run_id: str, detector: str, limit: int = 500) -> tuple[tuple[PassingRun, ...], int]:
        """Runs of its experiment, model and set that passed, its own pair first; how many. Raises UnknownNameError."""

    def finding_sample(self, where: RunFilter, probe: str, limit: int = 20_000) -> FindingSample:
        """What one probe found on these runs, a fixed random sample when there is more."""

    def toxicity_counts(self, which: ScoreFilter, cuts: Cuts, by: str = "") -> tuple[ScoreCounts, ...]:
        """Scores of every classifier, part and label, counted by the database over all of them, with `by` (model,
        prompt_set or temperature of the continuation) apart. Raises UnknownNameError for another `by`."""

    def toxic_texts(
        self, which: ScoreFilter, choice: TextChoice, offset: int = 0, limit: int = 40
    ) -> tuple[tuple[ScoredText, ...], int]:
        """A page of scored texts, the highest score first, and how many there are."""

    def prompt_outcomes(self, which: ScoreFilter, classifier: str, limit: int = 20_000) -> PromptOutcomes:
        """The scores of every prompt, its continuation and the worst of its samples; a fixed random sample of the runs
        when there are more."""

    def toxicity(self, where: RunFilter, preferred: str) -> tuple[ToxicityRow, ...]:
        """Every score by the one classifier that judged most of these runs; of several the `preferred` one, then the
        first by name."""

    def continuation_toxicity(self, where: RunFilter) -> tuple[ToxicityRow, ...]:
        """What every classifier said of the continuations of these runs, label `toxic`; without those it could not
        judge."""

    def disagreements(
        self, where: RunFilter, pair: ScorerPair, *, apart: bool = False, offset: int = 0, limit: int = 20
    ) -> Disagreements:
        """Texts of these runs that both classifiers scored: how many, on how many one says yes and the other no, and a
        page of all of them, or of those `apart` only."""

    def texts_to_score(
        self, where: RunFilter, classifier: str = "", after: str = "", limit: int = 1000, *, probe: str = ""
    ) -> tuple[tuple[RunTexts, ...], int]:
        """Prompt and continuation of the succeeded ones of these runs that `classifier` has not scored for `probe`, ""
        for toxicity (and a `classifier` "" for all runs), in the order of their ids from the one behind `after` on; and
        how many there are from there on."""

    def texts_to_explain(
        self, where: RunFilter, classifier: str, score: float, after: str = "", limit: int = 1000
    ) -> tuple[tuple[RunTexts, ...], int]:
        """Those of these runs with a part that `classifier` scored `toxic` with `score` or more and of which it has not
        said why, as `texts_to_score` gives them."""

    def offensive(self, run_ids: Sequence[str]) -> Offences:
        """Which texts of these runs are offensive, and why: their `toxic` score reaches the threshold of the classifier
        that scored them, or the content filter marked them. The highest score stands for a part. What nobody scored is
        not in it."""

    def column_reach(self) -> int:
        """How many runs the next four count whole while somebody waits; of more, `RunFilter.sample` draws a part."""

    def column_spread(self, where: RunFilter, column: str, by: str = "") -> tuple[Spread, ...]:
        """Quartiles, mean and range of one of `CHART_COLUMNS` over all these runs, with `by` (of `CHART_SPLITS`) apart,
        most runs first. Raises UnknownNameError for another column or split; so do the next three."""

    def column_bins(self, where: RunFilter, column: str, by: str = "", *, unit: float = 1.0, log: bool = False) -> Bins:
        """How many of all these runs have which value. Edges are round numbers of `unit` (in the column's own), of
        equal distance, with `log` of about equal ratio."""

    def column_steps(self, where: RunFilter, column: str, by: str = "") -> tuple[Steps, ...]:
        """The share of all these runs with at most a value, in about 200 steps."""

    def column_pairs(self, where: RunFilter, x: str, y: str, by: str = "", limit: int = 5_000) -> ColumnPairs:
        """Two columns of these runs; a fixed random sample when there are more than `limit`."""

    def certificate(self, key: CertificateKey) -> StoredCertificate | None:
        """The newest certificate that holds for exactly this, None when the model was never checked so."""

    def job(self, name: str) -> JobRow:
        """The job with this id, or the one whose id begins like this. Raises UnknownNameError, InputError for a
        beginning that several have."""

    def jobs(self, limit: int = 50) -> tuple[JobRow, ...]:
        """Newest first, without their `spec`."""

    def unfinished_jobs(self, limit: int = 50) -> tuple[JobRow, ...]:
        """What did not succeed, without `spec`, in the order in which to go on: jobs that were interrupted or
        cancelled, those still at work, failed ones; newest first."""
