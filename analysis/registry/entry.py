"""What is known of a registered thing before it is loaded: no torch here, so that pages and commands can read it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, Literal, TypeVar

from headscope.analysis.errors import UnknownNameError

Family = Literal["gradient", "propagation", "perturbation", "attention", "causal"]
E = TypeVar("E", bound="Entry")
LOG = logging.getLogger("headscope.registry")


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: `kind` is `int`, `float`, `bool` or `choice` (then `choices` lists the values)."""

    name: str
    kind: str
    default: Any
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be there. Held against a model's capabilities in one place: `backends.needs.unmet`.

    attention: attention weights of every layer; pattern: of at least one. sublayers: what attention and MLP add to the
    residual stream. heads: the outputs of single heads. attention_gradients, gradients: the shared backward pass
    reaches the attention weights; the embeddings. many_passes: runs the model many times per prompt, so its receipt
    measures the sensitivity to noise with one draw instead of three.
    """

    attention: bool = False
    pattern: bool = False
    attention_gradients: bool = False
    gradients: bool = False
    sublayers: bool = False
    heads: bool = False
    many_passes: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """What a prompt costs beside the shared pass, in forward passes over it: `passes`, times what `per` names: nothing,
    `token`, `head` (of all layers), `coalition` (2 to the number of words), or a parameter of that name."""

    passes: float = 0.0
    per: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered thing: `target` is "module:attribute"; label and summary are shown to people.

    family: of a method, what it shares with others. live: the Live page may ask for it.
    """

    target: str
    label: str
    summary: str
    params: tuple[Param, ...] = ()
    family: Family | None = None
    needs: Needs = Needs()
    cost: Cost = Cost()
    live: bool = False

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
        found = dict(self._ours)
        for point in entry_points(group=self._group) if self._group else ():
            added = _foreign(self._entry, point.name, point.value, point.load, taken=point.name in found)
            if added is not None:
                found[point.name] = added
        return found

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


def _foreign(kind: type[E], name: str, where: str, load: Callable[[], Any], *, taken: bool) -> E | None:
    """Another package's entry; None, with a line in the log, where it cannot be had: it must not take ours with it."""
    if taken:
        LOG.warning("%s is left out: there is a %s already; its package must give it another name.", where, name)
        return None
    try:
        entry = load()
    except Exception as error:  # whatever a strange module raises
        LOG.warning("%s (%s) is left out, it cannot be imported: %s: %s", name, where, type(error).__name__, error)
        return None
    if not isinstance(entry, kind):
        LOG.warning("%s (%s) is left out: it is no headscope.analysis.registry.%s.", name, where, kind.__name__)
        return None
    return entry
