"""Pairs found among measured prompts, as columns: which prompts belong together, and the words in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.prompt_tags import CONTEXT, TEMPLATE, value_of
from headscope.analysis.statistics.effects import coded
from headscope.analysis.statistics.pair_members import Members
from headscope.analysis.statistics.pair_words import filler_of, template_of

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """templates: names of wordings or, where they have none, the wordings themselves; fillers: words that differ. Each
    once."""

    templates: tuple[str, ...]
    fillers: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Pairs of one model, set, kind and choice of groups. index: int64 `[pair, group]`, the prompts, in the order of
    `groups`, which is the alphabet's; template, filler: int64 `[pair]`, numbers of the vocabulary."""

    model: str
    prompt_set: str
    kinds: tuple[str, ...]
    groups: tuple[str, ...]
    index: Ints
    template: Ints
    filler: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    """Columns of the prompts as numbers, int64 `[prompt]`: hashing a text once is most of what comparing it costs.

    group: the place in the alphabet; kind: what kind of pair; name: of the wording, in `names`.
    """

    members: Members
    model: Ints
    prompt_set: Ints
    pair_id: Ints
    group: Ints
    kind: Ints
    name: Ints
    text: Ints
    names: tuple[str, ...]


def shapes(members: Members) -> tuple[list[Shape], Vocabulary]:
    """Every pair whose prompts are measured, by shape, in the order of the prompts, and the words in them. Of a group
    that a pair has twice the last counts."""
    columns = _coded(members)
    member, pair = _paired(columns)
    size = np.bincount(pair)[pair]
    found: list[tuple[int, Shape]] = []
    templates: dict[str, int] = {}
    fillers: dict[str, int] = {}
    for n in np.unique(size[size > 1]).tolist():
        index = member[size == n].reshape(-1, n)
        template, filler = _read(columns, index, templates, fillers)
        first, places = index[:, 0], pair[size == n][::n]
        shape = numbered(columns.model[first], columns.prompt_set[first], columns.kind[first], *columns.group[index].T)
        for mine in np.split(np.argsort(shape, kind="stable"), np.cumsum(np.bincount(shape))[:-1]):
            found.append((int(places[mine[0]]), _shape(members, index[mine], template[mine], filler[mine])))
    ordered = [shape for _, shape in sorted(found, key=lambda item: item[0])]
    return ordered, Vocabulary(tuple(templates), tuple(fillers))


def kinds(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags that say what kind of pair it is: not the wording's name, nor how much of the text is context."""
    return tuple(item for item in tags if not item.startswith((f"{TEMPLATE}:", f"{CONTEXT}:"))) or ("",)


def numbered(*columns: Ints) -> Ints:
    """A number for each combination of numbers, in the order in which they come."""
    found = columns[0]
    for column in columns[1:]:
        found = coded(found * (int(column.max(initial=0)) + 1) + column)
    return found


def _coded(members: Members) -> _Coded:
    tags = tuple(dict.fromkeys(members.tags))
    alphabet = {name: place for place, name in enumerate(sorted(set(members.group)))}
    names = [value_of(item, TEMPLATE) or "" for item in tags]
    of_tags = coded(members.tags)
    return _Coded(
        members,
        coded(members.model),
        coded(members.prompt_set),
        coded(members.pair_id),
        np.fromiter(map(alphabet.__getitem__, members.group), np.int64, len(members.group)),
        coded([kinds(item) for item in tags])[of_tags],
        coded(names)[of_tags],
        coded(members.text),
        tuple(dict.fromkeys(names)),
    )


def _paired(columns: _Coded) -> tuple[Ints, Ints]:
    """Measured prompts by pair and group, each pair's group once, and the number of their pair."""
    member = np.flatnonzero(np.isfinite(columns.members.value))
    pair = numbered(columns.model[member], columns.prompt_set[member], columns.pair_id[member])
    order = np.lexsort((columns.group[member], pair))
    member, pair = member[order], pair[order]
    group = columns.group[member]
    last = np.ones(len(member), dtype=bool)
    last[:-1] = (pair[1:] != pair[:-1]) | (group[1:] != group[:-1])
    return member[last], pair[last]


def _shape(members: Members, index: Ints, template: Ints, filler: Ints) -> Shape:
    first, groups = int(index[0, 0]), tuple(members.group[i] for i in index[0].tolist())
    of_pair = members.model[first], members.prompt_set[first], kinds(members.tags[first])
    return Shape(*of_pair, groups, index, template, filler)


def _read(columns: _Coded, index: Ints, templates: dict[str, int], fillers: dict[str, int]) -> tuple[Ints, Ints]:
    """The numbers of template and filler of pairs `[pair, group]`; what several pairs say is read once."""
    said = numbered(columns.name[index[:, 0]], *columns.text[index].T)
    _, first = np.unique(said, return_index=True)
    found = []
    for row in index[first].tolist():
        texts = tuple(columns.members.text[i] for i in row)
        template = columns.names[columns.name[row[0]]] or template_of(texts)
        found.append(
            (templates.setdefault(template, len(templates)), fillers.setdefault(filler_of(texts), len(fillers)))
        )
    both = np.array(found, dtype=np.int64)[said]
    return both[:, 0], both[:, 1]
