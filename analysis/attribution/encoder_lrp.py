"""Layer-wise relevance propagation of a classifier that reads a text in both directions (BERT and what is built alike).

The rules are those of `lrp_rules`, AttnLRP (Achtibat et al. 2024) or CP-LRP (Ali et al. 2022), put on the whole model,
head and pooler too: the pooler's tanh is an activation like any other. Relevance of the words, special tokens among
them + position and type embeddings + biases + leak of the softmaxes (none by CP-LRP, to which patterns are constant) =
the explained logit. Each part is measured on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from headscope.analysis.attribution.frozen_norm import frozen_norm, is_norm, unknown_norm
from headscope.analysis.attribution.lrp_rules import Ledger, RuledParts, activations_among, identity_rule, rules_on
from headscope.analysis.errors import BackendError

TOLERANCE = 1e-3
"""What may be missing of the logit, as a share of all that is shared out: rounding, in float32."""


@dataclass(frozen=True, slots=True)
class EncoderRelevance:
    """Where one logit of one text comes from.

    tokens `[T]`, on the processor: of the word embeddings, special tokens too. embeddings: of what is added to them, by
    the name the model gives it (`position embeddings`). biases, leak: as in `Ledger`. logit: what is explained.
    """

    tokens: Tensor
    embeddings: Mapping[str, float]
    biases: float
    leak: float
    logit: float

    @property
    def delta(self) -> float:
        """Conservation error: the parts' sum - logit."""
        return float(self.tokens.double().sum()) + sum(self.embeddings.values()) + self.biases + self.leak - self.logit


def encoder_relevance(model: Any, inputs: Mapping[str, Tensor], column: int, rule: str) -> EncoderRelevance:
    """Relevance of the logit `column` for one text by a rule of `lrp_rules.RULES`, `inputs` as the tokenizer makes
    them, `[1, T]` each.

    Raises BackendError for a model with a part that the rules do not know.
    """
    _only_known_norms(model)
    with torch.no_grad():
        plain = float(model(**inputs).logits[0, column])
    parts = RuledParts(model, [*model.modules()], activations_among(model.modules()))
    try:
        with rules_on(parts, rule, 1) as ledger, _embedded(model) as start, _TanhByTheRule(), torch.enable_grad():
            logit = model(**inputs).logits[0, column]
            gradients = torch.autograd.grad(logit, [*start.values()], allow_unused=True)
    except (RuntimeError, ValueError, TypeError, AttributeError, KeyError) as error:  # of an architecture unlike BERT
        raise BackendError(_unfit(model, f"they cannot be put on it ({error})")) from error
    words = model.get_input_embeddings()
    shares = {
        module: torch.zeros_like(given[..., 0]) if gradient is None else (gradient * given).detach().float().sum(-1)
        for (module, given), gradient in zip(start.items(), gradients, strict=True)
    }
    tokens = shares.pop(words)[0].cpu()
    names = {module: name.rpartition(".")[2].replace("_", " ") for name, module in model.named_modules()}
    added = {names[module]: float(share.sum()) for module, share in shares.items()}
    found = EncoderRelevance(tokens, added, float(ledger.bias), float(ledger.leak), float(logit.detach()))
    _check(model, found, ledger, plain)
    return found


@contextmanager
def _embedded(model: nn.Module) -> Iterator[dict[nn.Module, Tensor]]:
    """Keeps what each embedding gives, as a tensor of its own from which gradients start."""
    found: dict[nn.Module, Tensor] = {}

    def start(module: nn.Module, _: Any, output: Tensor) -> Tensor:
        found[module] = output.detach().requires_grad_()
        return found[module]

    handles = [m.register_forward_hook(start) for m in model.modules() if isinstance(m, nn.Embedding)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


class _TanhByTheRule(TorchFunctionMode):
    """The identity rule for a tanh that is called as a function, as RoBERTa's head does; for this thread and block."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by torch in place of each of its functions."""
        output = func(*args, **(kwargs or {}))
        return identity_rule(args[0], output) if func in (torch.tanh, Tensor.tanh) else output


def _only_known_norms(model: nn.Module) -> None:
    for module in model.modules():
        if is_norm(module) and frozen_norm(module) is None:
            raise BackendError(_unfit(model, unknown_norm(module, "a norm inside it")))


def _check(model: nn.Module, found: EncoderRelevance, ledger: Ledger, plain: float) -> None:
    """That the attention was ours, that the model computed what it does without the rules, that nothing is missing."""
    if not ledger.heads:
        raise BackendError(_unfit(model, "its attention cannot be replaced"))
    if not abs(found.logit - plain) <= TOLERANCE * max(1.0, abs(plain)):
        raise BackendError(_unfit(model, f"with them it computes another logit, {found.logit:.4g} for {plain:.4g}"))
    shared = float(found.tokens.abs().sum()) + abs(found.biases) + abs(found.leak) + abs(found.logit)
    if not abs(found.delta) <= TOLERANCE * (shared + sum(map(abs, found.embeddings.values()))):
        missing = f"a logit of {found.logit:.3g} is shared out with an error of {found.delta:+.2g}"
        raise BackendError(_unfit(model, f"{missing}, so it has a part for which there is no rule"))


def _unfit(model: nn.Module, why: str) -> str:
    return (
        f"the rules of relevance propagation do not fit {type(model).__name__}: {why}. Ask for integrated gradients, "
        "which need no rules."
    )
