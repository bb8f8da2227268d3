"""Backward rules of layer-wise relevance propagation, put on a model for the time of a block.

With them, gradient x input IS the relevance: every non-linear part passes back what it was given, no more and no less
(Achtibat et al. 2024, AttnLRP; Ali et al. 2022, CP-LRP). The forward pass computes the same numbers as without.
- norms: the denominator is a constant;
- activations: f(x) = x * [f(x) / x], the factor a constant (identity rule);
- gated MLP: the product of gate and value gives half to each (uniform rule);
- attention, AttnLRP: the product of pattern and values gives half to each, the softmax is linearised where it is
  (which leaks: the leak is counted), the product of queries and keys gives half to each;
- attention, CP-LRP: the pattern is a constant, everything goes to the values;
- attention, RelP (which asks for the effect of a change, not for shares that add up): its plain gradient.
Nothing of the library is replaced: module hooks, and an attention function registered under a name of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from headscope.analysis.attribution.frozen_norm import frozen_norm
from headscope.analysis.backends.own_attention import own_attention
from headscope.analysis.backends.structure import mlp_of
from headscope.analysis.interfaces import WhiteBoxBackend

RULES = ("attn_lrp", "cp_lrp")
_ACTIVATIONS = ("transformers.activations", "torch.nn.modules.activation")


class Ledger:
    """What a backward pass under the rules gives to something else than the tokens, `[B]` each.

    leak: relevance that the linearised softmaxes lose. bias: relevance of all bias vectors. heads: by attention, in the
    order they ran, the relevance of each head's output, over all positions, `[B, H]`; their number tells whether the
    model uses our attention function.
    """

    def __init__(self, rule: str, n_rows: int, device: torch.device) -> None:
        self.rule = rule
        self.heads: list[Tensor] = []
        self.leak, self.bias = torch.zeros(n_rows, device=device), torch.zeros(n_rows, device=device)

    def watch(self, tensor: Tensor, weight: float) -> None:
        """Adds `weight` times the tensor's relevance to the leak when the backward pass comes by."""

        def passing(gradient: Tensor) -> None:
            self.leak += weight * (gradient * tensor).float().flatten(1).sum(1)

        if tensor.requires_grad:
            tensor.register_hook(passing)  # type: ignore[no-untyped-call]

    def watch_heads(self, output: Tensor) -> None:
        """Keeps the relevance of the heads' outputs `[B, T, H, d_head]` of the attention that runs now."""
        self.heads.append(torch.zeros(len(output), output.shape[2], device=output.device))
        place = len(self.heads) - 1

        def passing(gradient: Tensor) -> None:
            self.heads[place] += (gradient * output).float().sum((1, 3))

        if output.requires_grad:
            output.register_hook(passing)  # type: ignore[no-untyped-call]

    def watch_bias(self, output: Tensor, bias: Tensor) -> None:
        """Adds the relevance of a bias that was added to `output`."""

        def passing(gradient: Tensor) -> None:
            self.bias += (gradient.reshape(len(self.bias), -1, len(bias)) @ bias).float().sum(1)

        if output.requires_grad:
            output.register_hook(passing)  # type: ignore[no-untyped-call]


_LEDGER: ContextVar[Ledger] = ContextVar("ledger of the running relevance pass")


@dataclass(frozen=True, slots=True)
class RuledParts:
    """What of a model the rules are put on. model: whose attention. modules: its norms and all that adds a bias.
    activations: element-wise functions, see `activations_among`. products: linear maps that read a gated product."""

    model: Any
    modules: Sequence[nn.Module]
    activations: Sequence[nn.Module]
    products: Sequence[nn.Module] = ()


def relevance_rules(backend: WhiteBoxBackend, rule: str, n_rows: int) -> AbstractContextManager[Ledger]:
    """`rules_on` a causal model: on all of it but its unembedding."""
    inside = [module for layer in backend.structure.layers for module in layer.modules()]
    modules = [*backend.structure.base.modules()]
    parts = RuledParts(backend.model, modules, activations_among(inside), _gated_products(backend))
    return rules_on(parts, rule, n_rows)


@contextmanager
def rules_on(parts: RuledParts, rule: str, n_rows: int) -> Iterator[Ledger]:
    """Inside the block the model's backward pass follows `rule`; everything is as before at its end, however it ends.

    Passes must have `n_rows` rows and start from embeddings that require grad.
    """
    ledger = Ledger(rule, n_rows, next(parts.model.parameters()).device)
    with ExitStack() as stack:
        stack.callback(_LEDGER.reset, _LEDGER.set(ledger))
        for module, hook in _forward_hooks(parts, ledger):
            stack.callback(module.register_forward_hook(hook).remove)
        for module in parts.products:
            stack.callback(module.register_forward_pre_hook(_halved).remove)
        stack.enter_context(own_attention(parts.model, "headscope_relevance", _attention, sdpa_mask))
        yield ledger


class _Scaled(torch.autograd.Function):
    """The identity, with a scaled gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.scale, None


def _scaled(x: Tensor, scale: float) -> Tensor:
    found: Tensor = _Scaled.apply(x, scale)  # type: ignore[no-untyped-call]
    return found


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """The fused attention with the backward rule of the running relevance pass."""
    ledger = _LEDGER.get()
    if ledger.rule == "relp":
        return sdpa_attention_forward(module, query, key, value, mask, **options)
    if ledger.rule == "cp_lrp":
        output, _ = sdpa_attention_forward(module, query.detach(), key.detach(), value, mask, **options)
        ledger.watch_heads(output)
        return output, None
    # half of the output's relevance to the pattern, and half of that to each of queries and keys
    parts = _scaled(query, 0.25), _scaled(key, 0.25), _scaled(value, 0.5)
    output, _ = sdpa_attention_forward(module, *parts, mask, **options)
    ledger.watch_heads(output)
    ledger.watch(output, 1.0)
    for part in (query, key, value):
        ledger.watch(part, -1.0)
    return output, None


def _forward_hooks(parts: RuledParts, ledger: Ledger) -> Iterator[tuple[nn.Module, Callable[..., Any]]]:
    for module in parts.modules:
        if (norm := frozen_norm(module)) is not None:
            yield module, lambda _m, args, _out, norm=norm: norm(args[0])
        bias = getattr(module, "bias", None)
        if isinstance(bias, Tensor) and bias.dim() == 1:
            yield module, lambda _m, _args, out, bias=bias: ledger.watch_bias(out, bias)
    for module in parts.activations:
        yield module, lambda _m, args, out: identity_rule(args[0], out)


def activations_among(modules: Iterable[nn.Module]) -> list[nn.Module]:
    """The element-wise functions that are 0 at 0; softmax and the like are not."""
    return [module for module in {id(module): module for module in modules}.values() if _is_activation(module)]


def _is_activation(module: nn.Module) -> bool:
    if type(module).__module__ not in _ACTIVATIONS or any(True for _ in module.children()):
        return False
    if any(True for _ in module.parameters()) or isinstance(module, nn.Softmax | nn.LogSoftmax | nn.Softmin):
        return False
    return bool((module(torch.zeros(1, 2)) == 0).all())


def identity_rule(x: Tensor, output: Tensor) -> Tensor:
    """`output`, what an element-wise function makes of `x`, with all its relevance given to `x`."""
    zero = x == 0
    factor = torch.where(zero, 0.5, output / torch.where(zero, 1.0, x))
    return x * factor.detach()


def _gated_products(backend: WhiteBoxBackend) -> list[nn.Module]:
    """Of every MLP with a gate the last linear map, which reads the product; none for MLPs of two linear maps."""
    found = []
    for mlp in filter(None, map(mlp_of, backend.structure.layers)):  # not its update, which may be a norm after it
        linear = [m for m in mlp.modules() if isinstance(w := getattr(m, "weight", None), Tensor) and w.dim() == 2]
        if len(linear) == 3:
            found.append(linear[-1])
    return found


def _halved(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Any, ...]:
    return (_scaled(args[0], 0.5), *args[1:])
