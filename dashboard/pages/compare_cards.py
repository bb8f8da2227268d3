"""The cards of a comparison: from two runs and the link's state to what stands in the card."""

from __future__ import annotations

from collections.abc import Callable

from dash import html

from headscope.analysis.attribution.results import word_rule
from headscope.analysis.types import HEAD_STATS, Attribution
from headscope.dashboard.cards import Children
from headscope.dashboard.figures.compare import candidate_union, group_scores, largest, shares, surprisal_bits
from headscope.dashboard.pages.compare_attention import attention_view
from headscope.dashboard.pages.compare_candidates import candidates_view
from headscope.dashboard.pages.compare_data import Aligned, CompareQuery, Pair, aligned, attribution, methods
from headscope.dashboard.pages.compare_facts import facts
from headscope.dashboard.pages.compare_heads import heads_view
from headscope.dashboard.pages.compare_lens import lens_view
from headscope.dashboard.pages.compare_margins import margins_view
from headscope.dashboard.pages.compare_runs import RecentRuns
from headscope.dashboard.pages.compare_surprisal import surprisal_notes
from headscope.dashboard.pages.compare_units import units_view
from headscope.dashboard.pages.compare_view import facts_view, open_links, options, select, sentences
from headscope.dashboard.words import quoted

SURPRISAL_THRESHOLD_BITS = 0.1
SCORE_THRESHOLD = 0.05  # of the largest score of both runs
NATS_PER_BIT = 0.6931471805599453
View = Callable[[RecentRuns, CompareQuery, Pair], Children]


def show_facts(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    """The margins, or why one run has nothing to compare; warnings, and the facts that differ."""
    unfinished = pair.gaps("measurements", "trace")
    return [
        *([sentences(unfinished)] if unfinished else margins_view(pair)),
        *facts_view(facts(pair.a, pair.b), query.all),
    ]


def surprisal(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    """Surprisal of every aligned unit."""
    data = aligned(pair)
    if data is None:
        return None
    factor = 1.0 if query.unit == "bits" else NATS_PER_BIT
    a = factor * surprisal_bits(data.a.logprobs, data.ranges_a)
    b = factor * surprisal_bits(data.b.logprobs, data.ranges_b)
    threshold = factor * SURPRISAL_THRESHOLD_BITS
    said = f"Unchanged: the same text, and at most {threshold:.2g} {query.unit} apart."
    notes = [html.P(note, className="hs-compare-warning") for note in surprisal_notes({"A": pair.a, "B": pair.b})]
    return [*notes, *units_view(data, a, b, everything=query.all, threshold=threshold, is_signed=False,
                                unit=query.unit),
            html.P(said, className="hs-muted")]  # fmt: skip


def candidates(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    """Next-token candidates of both runs."""
    a, b = pair.a.trace, pair.b.trace
    if a is None or b is None:
        return None
    by_id = pair.same_tokenizer
    return candidates_view(candidate_union(a, b, by_id, (pair.a.target, pair.b.target)), query.all, by_id)


def scores(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    """One attribution method on aligned units."""
    names, data = methods(pair), aligned(pair)
    if data is None:
        return None
    if not names:
        return sentences(pair.gaps("attributions", "attributions"))
    method = query.method if query.method in names else names[0]
    a, b = attribution(pair.a, method), attribution(pair.b, method)
    if a is None or b is None or a.error or b.error:
        return sentences(_without_scores(method, a, b))
    return _scores(query, data, a, b, _by_share(query, pair))


def _by_share(query: CompareQuery, pair: Pair) -> bool:
    """Scores of two models have no common scale, so they are compared as shares unless asked otherwise."""
    return query.scale == "share" or (query.scale == "auto" and not pair.same_model)


def _without_scores(method: str, a: Attribution | None, b: Attribution | None) -> list[str]:
    reasons = [(name, "it was made without it" if one is None else one.error) for name, one in (("A", a), ("B", b))]
    return [f"Run {name} has no {method.replace('_', ' ')}: {reason}." for name, reason in reasons if reason]


def _scores(query: CompareQuery, data: Aligned, a: Attribution, b: Attribution, share: bool) -> Children:
    values_a, values_b = (shares(one.scores) if share else one.scores for one in (a, b))
    units_a, units_b = (
        group_scores(values, ranges, word_rule(one))
        for one, values, ranges in ((a, values_a, data.ranges_a), (b, values_b, data.ranges_b))
    )
    view = units_view(
        data,
        units_a,
        units_b,
        everything=query.all,
        threshold=SCORE_THRESHOLD * largest(units_a, units_b),
        is_signed=a.signed or b.signed,
        unit="of the sum of |scores|" if share else "",
    )
    limit = f"Unchanged: the same text, and at most {100 * SCORE_THRESHOLD:.0f} % of the largest score apart."
    unsure = [name for name, one in (("A", a), ("B", b)) if one.outcome.converged is False]
    if unsure:
        said = f"The scores of {' and '.join(unsure)} did not converge: small differences mean nothing."
        view = [html.P(said, className="hs-compare-warning"), *view]
    if (a.quantity, a.target, a.foil) == (b.quantity, b.target, b.foil):
        return [*view, html.P(f"Both explain {_question(a)}. {limit}", className="hs-muted")]
    warning = (
        f"The runs explain different things, A {_question(a)} and B {_question(b)}: their scores answer different "
        "questions."
    )
    return [html.P(warning, className="hs-compare-warning"), *view, html.P(limit, className="hs-muted")]


def _question(one: Attribution) -> str:
    return f"{quoted(one.target)} rather than {quoted(one.foil)}" if one.foil else quoted(one.target)


def _nothing(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    return None


def _open(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    return open_links(pair.a.row.id, pair.b.row.id)


def _units(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    return options("unit", [("bits", "bits"), ("nats", "nats")], query.unit, "Unit")


def _score_actions(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    names = methods(pair)
    if not names:
        return None
    now = query.method if query.method in names else names[0]
    scale = "share" if _by_share(query, pair) else "raw"
    return [select("method", "Method", [(name, name.replace("_", " ")) for name in names], now),
            options("scale", [("raw", "as measured"), ("share", "shares")], scale, "Scale")]  # fmt: skip


def _stat_actions(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    now = query.stat if query.stat in HEAD_STATS else HEAD_STATS[0]
    return select("stat", "Statistic", [(name, name.replace("_", " ")) for name in HEAD_STATS], now)


def _heads(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    return heads_view(query, pair)


def _lens(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    return lens_view(pair)


VIEWS: dict[str, View] = {
    "compare-facts": show_facts, "compare-surprisal": surprisal, "compare-scores": scores,
    "compare-lens": _lens, "compare-attention": attention_view, "compare-heads": _heads,
}  # fmt: skip
ACTIONS: dict[str, View] = {
    "compare-facts": _open, "compare-surprisal": _units, "compare-scores": _score_actions,
    "compare-lens": _nothing, "compare-attention": _nothing, "compare-heads": _stat_actions,
}  # fmt: skip
