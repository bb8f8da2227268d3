"""Counterfactual pairs: the same sentence about different groups, and what the difference does to a measure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.prompt_tags import CONTEXT, TEMPLATE, value_of
from headscope.analysis.statistics.effects import Effect, adjusted, paired_effect
from headscope.analysis.statistics.pair_words import filler_of, template_of
from headscope.analysis.statistics.resampling import Dealt

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
OTHERS = "all others"
ALL = "all"


@dataclass(frozen=True, slots=True)
class Members:
    """Prompts of pairs, measured, as columns `[prompt]`: the run, what it belongs to, its `value` (NaN is left out).

    tags: a name for the prompt's wording (`template:`) among them, and what kind of pair it is, for the table's rows.
    """

    run_id: Sequence[str]
    model: Sequence[str]
    prompt_set: Sequence[str]
    pair_id: Sequence[str]
    group: Sequence[str]
    tags: Sequence[tuple[str, ...]]
    text: Sequence[str]
    value: Floats

    def only(self, index: Sequence[int]) -> Members:
        """Some of them."""

        def of(column: Sequence[str]) -> list[str]:
            return [column[i] for i in index]

        return Members(
            of(self.run_id),
            of(self.model),
            of(self.prompt_set),
            of(self.pair_id),
            of(self.group),
            [self.tags[i] for i in index],
            of(self.text),
            self.value[list(index)],
        )


@dataclass(frozen=True, slots=True)
class PairDifference:
    """`a` minus `b` in one pair; with more than two groups `b` is the mean of all others (then `b_run` is one of them).

    wording: the pair's text with the words that differ taken out. template: what it shares with other pairs: the name
    of the wording, or the wording itself where it has no name. filler: the words that differ.
    """

    pair_id: str
    template: str
    wording: str
    filler: str
    difference: float
    a_run: str
    b_run: str
    a_text: str
    b_text: str
    a_value: float
    b_value: float


@dataclass(frozen=True, slots=True)
class Words:
    """What a pair's texts say: the name of the wording or the wording itself, and what fills it."""

    template: str
    filler: str


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """One row: group `a` against `b` on one model, set and attribute. adjusted_p: Benjamini-Hochberg over the table.

    sides: int64 `[pair, 2]`, which members are `a` and (one of) `b`; values: float64 `[pair, 2]`.
    """

    model: str
    prompt_set: str
    attribute: str
    a: str
    b: str
    effect: Effect
    adjusted_p: float
    members: Members = field(repr=False)
    sides: Ints = field(repr=False)
    values: Floats = field(repr=False)
    words: tuple[Words, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """Names the row in a link."""
        return "|".join((self.model, self.prompt_set, self.attribute, self.a, self.b))

    @property
    def pairs(self) -> tuple[PairDifference, ...]:
        """The largest difference first."""
        differences = self.values[:, 0] - self.values[:, 1]
        return tuple(self._pair(int(i), float(differences[i])) for i in np.argsort(-abs(differences), kind="stable"))

    def _pair(self, i: int, difference: float) -> PairDifference:
        a, b = self.sides[i].tolist()
        said, (a_value, b_value), all_of = self.words[i], self.values[i].tolist(), self.members
        texts = all_of.text[a], all_of.text[b]
        return PairDifference(
            all_of.pair_id[a], said.template, template_of(texts), said.filler, difference,
            all_of.run_id[a], all_of.run_id[b], *texts, a_value, b_value,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Block:
    """Pairs of one row: which members, their values, their words."""

    sides: Ints
    values: Floats
    words: tuple[Words, ...]


Key = tuple[str, str, str, str, str]


def contrasts(members: Members, *, pooled: bool = False) -> list[Contrast]:
    """Every comparison of groups that the pairs allow, the surest first; one row per tag, or all `pooled`.

    Two groups in a pair are compared with each other, the first in the alphabet minus the second; with more, each is
    compared with the mean of the others of its pair. Pairs of one template, and of one filler, are drawn and flipped
    together.
    """
    blocks: dict[Key, list[_Block]] = {}
    read: dict[tuple[str, ...], Words] = {}
    for (model, prompt_set, tags, groups), index in _shapes(members).items():
        words = _words(members, index, read)
        for a, b, sides, values in _compared(members.value, groups, index):
            for attribute in (ALL,) if pooled else tags:
                blocks.setdefault((model, prompt_set, attribute, a, b), []).append(_Block(sides, values, words))
    rows = _distinct({key: _joined(found) for key, found in blocks.items()})
    dealt = Dealt()
    effects = [_effect(block, dealt) for block in rows.values()]
    made = [
        Contrast(*key, effect, float(p), members, block.sides, block.values, block.words)
        for (key, block), effect, p in zip(
            rows.items(), effects, adjusted([effect.p for effect in effects]), strict=True
        )
    ]
    return sorted(made, key=lambda row: (np.isnan(row.adjusted_p), row.adjusted_p, -abs(row.effect.mean), row.key))


def kinds(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags that say what kind of pair it is: not the wording's name, nor how much of the text is context."""
    return tuple(item for item in tags if not item.startswith((f"{TEMPLATE}:", f"{CONTEXT}:"))) or ("",)


def by_template(pairs: Sequence[PairDifference]) -> list[tuple[str, float, int]]:
    """Every template as one of its wordings, with mean difference and number of pairs, the largest first: how much the
    wording decides."""
    found: dict[str, list[PairDifference]] = {}
    for pair in pairs:
        found.setdefault(pair.template, []).append(pair)
    rows = [(mine[0].wording, float(np.mean([pair.difference for pair in mine])), len(mine)) for mine in found.values()]
    return sorted(rows, key=lambda row: -row[1])


Shape = tuple[str, str, tuple[str, ...], tuple[str, ...]]


def _shapes(members: Members) -> dict[Shape, Ints]:
    """Pairs of one model, set, kind and choice of groups, as members `[pair, group]`: the groups in the alphabet's
    order. Of a group that a pair has twice the last counts."""
    pairs: dict[tuple[str, str, str], dict[str, int]] = {}
    known = np.isfinite(members.value).tolist()
    columns = zip(members.model, members.prompt_set, members.pair_id, members.group, known, strict=True)
    for i, (model, prompt_set, pair_id, group, measured) in enumerate(columns):
        if measured:
            pairs.setdefault((model, prompt_set, pair_id), {})[group] = i
    kind_of = {tags: kinds(tags) for tags in set(members.tags)}
    found: dict[Shape, list[list[int]]] = {}
    for (model, prompt_set, _), mine in pairs.items():
        if len(mine) > 1:
            groups = tuple(sorted(mine))
            rows = [mine[group] for group in groups]
            found.setdefault((model, prompt_set, kind_of[members.tags[rows[0]]], groups), []).append(rows)
    return {shape: np.array(rows, dtype=np.int64) for shape, rows in found.items()}


def _words(members: Members, index: Ints, read: dict[tuple[str, ...], Words]) -> tuple[Words, ...]:
    """The words of every pair; what has been `read` (the same texts on another model) is not read again."""
    named = {tags: value_of(tags, TEMPLATE) or "" for tags in set(members.tags)}
    found = []
    for row in index.tolist():
        texts = tuple(members.text[i] for i in row)
        template = named[members.tags[row[0]]]
        said = read.get((template, *texts))
        if said is None:
            said = read[(template, *texts)] = Words(template or template_of(texts), filler_of(texts))
        found.append(said)
    return tuple(found)


def _compared(value: Floats, groups: Sequence[str], index: Ints) -> Iterator[tuple[str, str, Ints, Floats]]:
    values = value[index]
    if len(groups) == 2:
        yield groups[0], groups[1], index, values
        return
    rows = np.arange(len(index))
    for i, group in enumerate(groups):
        others = np.delete(np.arange(len(groups)), i)
        mean = values[:, others].mean(axis=1)
        nearest = others[np.argmin(abs(values[:, others] - mean[:, None]), axis=1)]
        yield group, OTHERS, np.stack([index[:, i], index[rows, nearest]], 1), np.stack([values[:, i], mean], 1)


def _joined(blocks: Sequence[_Block]) -> _Block:
    if len(blocks) == 1:
        return blocks[0]
    sides, values = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("sides", "values"))
    return _Block(sides, values, tuple(words for block in blocks for words in block.words))


def _distinct(rows: dict[Key, _Block]) -> dict[Key, _Block]:
    """A tag that selects the same pairs as another is the same row: the one said last, the most special, stays."""
    found: dict[object, Key] = {}
    for key, block in rows.items():
        model, prompt_set, _, a, b = key
        found[model, prompt_set, a, b, np.sort(block.sides[:, 0]).tobytes()] = key
    return {key: rows[key] for key in found.values()}


def _effect(block: _Block, dealt: Dealt) -> Effect:
    templates, fillers = ([getattr(words, name) for words in block.words] for name in ("template", "filler"))
    return paired_effect(block.values[:, 0] - block.values[:, 1], templates, fillers, dealt=dealt)
