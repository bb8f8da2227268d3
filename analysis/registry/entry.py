"""What is known of a registered thing before it is loaded: no torch here, so that pages and commands can read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any, Generic, Literal, TypeVar

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.registry.foreign import foreign

Family = Literal["gradient", "propagation", "perturbation", "attention", "causal"]
E = TypeVar("E", bound="Entry")


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: `kind` is `int`, `float`, `bool`, `choice` (then `choices` lists the values) or `text` (of at most
    `maximum` characters). baseline: a choice of what stands for "not there"; receipts ask a method again under the next
    one. when: a choice of the same analysis and the values under which this one counts; under others it is read by
    nobody, and not stored. aside: True measures something beside the scores, which receipts leave out when they ask for
    the scores again."""

    name: str
    kind: str
    default: Any
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    baseline: bool = False
    when: tuple[str, tuple[str, ...]] | None = None
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be there. Held against a model's capabilities in one place: `backends.needs.unmet`.

    attention: attention weights of every layer; pattern: of at least one. sublayers: what attention and MLP add to the
    residual stream. heads: the outputs of single heads. attention_gradients, gradients: the shared backward pass
    reaches the attention weights; the embeddings. many_passes: runs the model many times per prompt, so its receipt
    measures the sensitivity to noise with one draw instead of three. pair: reads the prompt's counterfactual, too.
    """

    attention: bool = False
    pattern: bool = False
    attention_gradients: bool = False
    gradients: bool = False
    sublayers: bool = False
    heads: bool = False
    many_passes: bool = False
    pair: bool = False


def whole(
    name: str, usual: int, what: str, minimum: int, maximum: int, when: tuple[str, tuple[str, ...]] | None = None
) -> Param:
    """A parameter that is a whole number between two others."""
    return Param(name, "int", usual, what, minimum=minimum, maximum=maximum, when=when)


def seed(what: str, when: tuple[str, tuple[str, ...]] | None = None) -> Param:
    """The parameter `seed` of what draws at random; `what`: what another seed changes."""
    return whole("seed", 0, what, 0, 2**31, when)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a prompt costs beside the shared pass, in forward passes over it: `passes`, times what `per` names: nothing,
    `token`, `unit` (that the method's parameters remove), `head` (of all layers), `cell` (every token in every layer),
    `coalition` (2 to the number of units), `removal` (of receipts), `unembedding` (of all layers at every token),
    `answer` (a token read alone, and what every head writes for it unembedded), or a parameter of that name. usual: the
    share of their time that is taken as a rule, less where rules converge and variants of a prompt share what they
    begin with; measured on the embedded model (`benchmarks.preflight`). rounds: a parameter, a value, and the parameter
    that says how many times all of this when the first has that value. choices: the cost that takes its place when a
    parameter has that value. bounded: never more than there are units, of every kind that the method's parameters let
    it remove. coalitions: never more than there are coalitions of the units."""

    passes: float = 0.0
    per: str = ""
    coalitions: bool = False
    rounds: tuple[str, str, str] | None = None
    choices: Mapping[str, Cost] = field(default_factory=dict)
    bounded: bool = False
    usual: float = 1.0

    def under(self, params: Mapping[str, Any]) -> Cost:
        """The cost under these parameters, where one of them chooses another way to compute."""
        return next((self.choices[value] for value in map(str, params.values()) if value in self.choices), self)

    def forwards(self, params: Mapping[str, Any], size: Mapping[str, float]) -> float:
        """Forward passes, at most, for a prompt of `size` (how many of each unit, `head`, ...)."""
        cost = self.under(params)
        if cost.per == "coalition":
            count = size[params.get("unit", "word")]
            many = count > params.get("max_units", count)  # refused
            return 0.0 if many else cost.passes * 2.0**count
        if cost.per == "removal":
            return cost.passes * _variants(params, size)
        if cost.bounded:
            finest = UNITS.index(params.get("unit", "token"))
            return cost.passes * min(float(params[cost.per]), sum(size[unit] for unit in UNITS[finest:]))
        if cost.per == "unit":
            return cost.passes * size[params.get("unit", "token")]
        again = cost.rounds is not None and params.get(cost.rounds[0]) == cost.rounds[1]
        rounds = params[cost.rounds[2]] if cost.rounds is not None and again else 1
        times = float({"": 1, **size}.get(cost.per, params.get(cost.per, 0)))
        most = 2.0 ** min(size[params["unit"]], 60) if cost.coalitions else times
        return cost.passes * min(times, most) * rounds


UNITS = ("token", "word", "sentence")
"""What can be removed, the finest first."""
LATTICE_UNITS = 8
"""So many removable tokens or words and no more have all their coalitions evaluated, 256 at most."""


def _variants(params: Mapping[str, Any], size: Mapping[str, float]) -> float:
    """Prompts with parts removed that receipts look at; the first token always stays. Beyond the lattice eight for each
    order: the random ones, "last unit first", and about six methods'."""
    tokens, words = (max(0, size[unit] - 1) for unit in ("token", "word"))
    unit = params["unit"]
    n_units = words if unit == "word" or (unit == "auto" and tokens > LATTICE_UNITS) else tokens
    maskings = 2 if params["masking"] == "both" else 1
    return maskings * (2.0**n_units if n_units <= LATTICE_UNITS else 8.0 * (float(params["random_orders"]) + 7))


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered thing: `target` is "module:attribute"; label and summary are shown to people.

    family: of a method, what it shares with others. live: the Live page may ask for it. axes: of a method's scores, by
    name; layers: whether it has `layer_scores` too. Pages read both to say what is missing and who would measure it.
    texts: of a probe, it reads texts only (a `ToneProbe`), so that `headscope score` may ask it about stored runs.
    """

    target: str
    label: str
    summary: str
    params: tuple[Param, ...] = ()
    family: Family | None = None
    needs: Needs = Needs()
    cost: Cost = Cost()
    live: bool = False
    axes: tuple[str, ...] = ("position",)
    layers: bool = False
    texts: bool = False

    def load(self) -> Any:
        """Import and return the target."""
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)


class Registry(Mapping[str, E], Generic[E]):
    """Entries by name: ours, and those of other installed packages, which name them in an entry point of `group` (its
    value an `Entry` in a module without torch). Theirs are looked for when first asked, and come after ours."""

    def __init__(self, kind: str, ours: Mapping[str, E], group: str = "") -> None:
        self._kind, self._ours, self._group = kind, ours, group
        self._entry = type(next(iter(ours.values())))

    @cached_property
    def _entries(self) -> dict[str, E]:
        if not self._group:
            return dict(self._ours)
        what = f"headscope.analysis.registry.{self._entry.__name__}"
        theirs = foreign(self._group, self._ours, what, lambda value: isinstance(value, self._entry))
        return {**self._ours, **theirs}

    def __getitem__(self, name: str) -> E:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> E:
        """The entry called `name`, or UnknownNameError naming those there are."""
        if name not in self._entries:
            raise UnknownNameError(self._kind, name, self._entries)
        return self._entries[name]
