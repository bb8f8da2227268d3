"""What a request asks of a batch: its methods with their parameters, within its budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from headscope.analysis.backends.needs import unmet
from headscope.analysis.errors import InputError
from headscope.analysis.interfaces import Capture, LoadedMethod, WhiteBoxBackend
from headscope.analysis.params import resolve_params
from headscope.analysis.registry import METHODS, Needs, analysis
from headscope.analysis.running.attributing import Asked, load_method
from headscope.analysis.running.budget import fit
from headscope.analysis.running.changed import check_interventions
from headscope.analysis.running.planning import forward_work, size_of
from headscope.analysis.running.preflight import RECEIPTS, Size
from headscope.analysis.running.pulse import Pulse
from headscope.analysis.types import EXPLAINED, QUANTITIES, OnBeat, Params, Prompt, RunSpec, TokenizedText


@dataclass(frozen=True, slots=True)
class Batch:
    """What is asked of the prompts of a batch. receipts: their parameters, None when there are to be none;
    no_receipts: why a budget leaves them, or a part of them, out. at: hears what is begun."""

    backend: WhiteBoxBackend
    spec: RunSpec
    methods: Mapping[str, LoadedMethod]
    prompts: Sequence[Prompt]
    receipts: Params | None
    at: Callable[[str], None]
    no_receipts: str = ""

    def asked(self) -> Asked:
        """What is to be explained, and how."""
        return Asked(self.methods, self.capture(), self.receipts, self.at)

    def capture(self) -> Capture:
        """What the shared pass keeps for everything that is asked for and this model can give."""
        backend, needs = self.backend, [analysis(name).needs for name in self.spec.analyses]
        needs = [
            need for need in needs if unmet(Needs(attention=need.attention, pattern=need.pattern), backend) is None
        ]
        return Capture(
            attention=any(need.attention or need.pattern for need in needs),
            gradients=any(need.gradients for need in needs),
            attention_gradients=any(need.attention_gradients for need in needs),
        )


def methods_of(spec: RunSpec) -> dict[str, LoadedMethod]:
    """The methods asked for, with their full parameters."""
    check_spec(spec)
    for name in (*spec.analyses, *spec.params):
        analysis(name)
    resolve_params("receipts", spec.params.get("receipts", {}))
    return {name: load_method(name, spec.params.get(name, {})) for name in METHODS if name in spec.analyses}


def check_spec(spec: RunSpec) -> None:
    """Raises InputError for a quantity that does not exist, a continuation to explain that nobody asked for, and for
    interventions that no run can have."""
    check_interventions(spec)
    if spec.quantity not in QUANTITIES or spec.explain not in EXPLAINED:
        raise InputError(
            f"attributions explain one of {', '.join(QUANTITIES)} of one of {', '.join(EXPLAINED)}, "
            f"not {spec.quantity!r} of {spec.explain!r}.",
            "params",
        )
    if spec.explain == "target" and spec.quantity != "logprob":
        raise InputError(
            "a target of several tokens has a joint log-probability and no one logit: leave out --quantity.", "params"
        )
    if spec.explain == "continuation" and spec.generation.max_new_tokens < 1:
        raise InputError("to explain the continuation there must be one: say --max-new-tokens.", "params")


def full_params(spec: RunSpec) -> dict[str, Params]:
    """All parameters of everything a request asks for, by its name."""
    return {name: resolve_params(name, spec.params.get(name, {})) for name in spec.analyses}


@contextmanager
def listening(
    backend: WhiteBoxBackend, spec: RunSpec, texts: Iterable[TokenizedText], on_beat: OnBeat | None
) -> Iterator[Callable[[str], None]]:
    """What tells `on_beat` which part a batch is at, while the layers that run tell how far it is."""
    if on_beat is None:
        yield lambda stage: None
        return
    pulse = Pulse(on_beat, sum(forward_work(backend.info, spec, full_params(spec), size_of(text)) for text in texts))
    with pulse.listening(backend):
        yield pulse.at


def within_budget(batch: Batch, texts: Mapping[int, TokenizedText]) -> list[tuple[Batch, Mapping[int, TokenizedText]]]:
    """The prompts by what the budget lets them have: prompts of one length have the same."""
    if not batch.spec.budget:
        return [(batch, texts)]
    groups: dict[Size, dict[int, TokenizedText]] = {}
    for index, text in texts.items():
        groups.setdefault(size_of(text), {})[index] = text
    return [(_fitted(batch, size), same) for size, same in groups.items()]


def _fitted(batch: Batch, size: Size) -> Batch:
    found = fit(batch.spec.budget, full_params(batch.spec), size, batch.backend.info)
    methods = {
        name: replace(
            loaded,
            params=found.params[name],
            reduced=found.reduced.get(name, ""),
            left_out=found.left_out.get(name, ""),
        )
        for name, loaded in batch.methods.items()
    }
    why = found.left_out.get(RECEIPTS, "") or found.reduced.get(RECEIPTS, "")
    return replace(batch, methods=methods, receipts=found.done.get(RECEIPTS), no_receipts=why)
