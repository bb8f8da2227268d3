"""Edits of activations: what each changes, against plain PyTorch hooks by hand, and that nothing of them stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from headscope.analysis.backends.suffix import why_no_suffix
from headscope.analysis.errors import InputError, NotApplicable, UnknownNameError
from headscope.analysis.interfaces import Capabilities, Capture, TokenBatch
from headscope.analysis.interventions import POINTS, Add, Edit, Point, Put
from headscope.analysis.types import GenerationParams

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXTS = ("The quick fox found a small door", "One two three")
LAYER, HEAD, D, D_HEAD = 1, 2, 32, 8
SHAPES = {"head_output": (4, D_HEAD), "attention_pattern": (4,)}


@pytest.fixture
def batch(backend: HFCausalBackend) -> TokenBatch:
    return backend.batch([backend.tokenize(text) for text in TEXTS])


def logits(backend: HFCausalBackend, batch: TokenBatch, attention: bool = False) -> Tensor:
    return backend.forward(batch, Capture(attention=attention)).logits


def real(batch: TokenBatch, values: Tensor) -> Tensor:
    """Of `[B, T, ...]` what is no padding."""
    return values[batch.attention_mask.bool()]


@contextmanager
def hooked(module: nn.Module, change: Callable[[Tensor], Tensor], before: bool) -> Iterator[None]:
    """A hook written by hand, on the first input or the first output of a module."""

    def enter(_: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (change(args[0]), *args[1:])

    def leave(_: Any, __: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    handle = module.register_forward_pre_hook(enter) if before else module.register_forward_hook(leave)
    try:
        yield
    finally:
        handle.remove()


def by_hand(backend: HFCausalBackend, batch: TokenBatch, point: Point, change: Callable[[Tensor], None]) -> Tensor:
    """Logits with `change` made in place in a copy of the activation, `[B, T, d]`, `[B, T, H, d_head]` of heads, or
    `[B, H, query, key]` of patterns: those times the values are what the heads hand on."""
    model: Any = backend.model
    gpt2 = backend.info.architecture == "GPT2LMHeadModel"
    layer = model.transformer.h[LAYER] if gpt2 else model.model.layers[LAYER]
    attention = layer.attn if gpt2 else layer.self_attn
    projection = attention.c_proj if gpt2 else attention.o_proj

    def changed(tensor: Tensor) -> Tensor:
        copy = tensor.clone()
        change(copy.unflatten(-1, (4, D_HEAD)) if point == "head_output" else copy)
        return copy

    if point != "attention_pattern":
        module, before = {
            "residual": (layer, True),
            "attention_output": (attention, False),
            "mlp_output": (layer.mlp, False),
            "head_output": (projection, True),
        }[point]
        with hooked(module, changed, before):
            return logits(backend, batch)
    kept: list[Tensor] = []
    pattern = changed(backend.forward(batch, Capture(attention=True)).attentions[LAYER])
    handle = (attention.c_attn if gpt2 else attention.v_proj).register_forward_hook(lambda *a: kept.append(a[2]))

    def mixed(_: Tensor) -> Tensor:
        values = kept[-1][..., -D if gpt2 else 0 :].unflatten(-1, (-1, D_HEAD)).transpose(1, 2)
        return (pattern @ values.repeat_interleave(1 if gpt2 else 2, 1)).transpose(1, 2).flatten(-2)

    with hooked(projection, mixed, True):
        found = logits(backend, batch)
    handle.remove()
    return found


@pytest.mark.parametrize(
    ("point", "where"),
    [(p, w) for p in POINTS for w in ("everywhere", "head", "positions", "rows") if w != "head" or p in SHAPES],
)
def test_an_edit_is_what_a_hook_by_hand_does(
    backend: HFCausalBackend, batch: TokenBatch, point: Point, where: str
) -> None:
    heads = point in SHAPES
    pattern = point == "attention_pattern"
    head = HEAD if where == "head" else None
    positions = (1, 3) if where == "positions" else None
    rows = (1,) if where == "rows" else None

    def part(tensor: Tensor) -> Tensor:
        """The same part by slices, a view."""
        tensor = tensor[1:2] if rows else tensor
        if positions:
            tensor = tensor[:, :, 1:4:2] if pattern else tensor[:, 1:4:2]
        if head is None:
            return tensor
        return tensor[:, HEAD] if pattern else tensor[:, :, HEAD]

    seen: list[Tensor] = []
    vector = torch.linspace(-1, 1, batch.input_ids.shape[1] if pattern else D_HEAD if heads else D)
    changes: list[tuple[Any, Callable[[Tensor], None]]] = [
        ("zero", lambda x: part(x).zero_()),
        (Put(vector), lambda x: part(x).copy_(vector.expand_as(part(x)))),
        (Add(vector), lambda x: part(x).add_(vector)),
        (lambda x: (seen.append(x), x * x)[1], lambda x: part(x).square_()),
    ]
    before = logits(backend, batch)
    shown = backend.forward(batch, Capture(attention=True)).attentions[LAYER] if pattern else None
    plain = logits(backend, batch)
    for change, same in changes:
        with backend.interventions([Edit(point, LAYER, change, head, positions, rows)]):
            found = backend.forward(batch, Capture())
        expected = by_hand(backend, batch, point, same)
        torch.testing.assert_close(real(batch, found.logits), real(batch, expected), rtol=1e-4, atol=2e-5)
        assert (real(batch, found.logits) - real(batch, plain)).abs().max() > 1e-3
        if rows:
            torch.testing.assert_close(found.logits[0], plain[0], rtol=1e-5, atol=1e-5)
        assert torch.equal(logits(backend, batch), before)
    if shown is not None:
        torch.testing.assert_close(seen[0], part(shown), rtol=1e-5, atol=1e-6)
    tokens = batch.input_ids.shape[1]
    shape = [1 if rows else 2, 2 if positions else tokens, *([] if head is not None else SHAPES.get(point, (D,))[:1])]
    shape = [shape[0], *shape[2:], shape[1], tokens] if pattern else [*shape, *([D_HEAD] if heads else [])]
    assert list(seen[0].shape) == ([*shape[:2], D] if not heads else shape)


def test_rows_have_heads_and_positions_of_their_own(backend: HFCausalBackend, batch: TokenBatch) -> None:
    for point in ("head_output", "attention_pattern"):
        apart = []
        for row, (head, position) in enumerate(((0, 6), (3, 2))):
            with backend.interventions([Edit(point, LAYER, "zero", head, [position])]):
                apart.append(logits(backend, batch)[row])
        with backend.interventions([Edit(point, LAYER, "zero", torch.tensor([0, 3]), torch.tensor([[6], [2]]))]):
            together = logits(backend, batch)
        torch.testing.assert_close(together, torch.stack(apart), rtol=1e-5, atol=1e-5)
        assert not torch.equal(apart[1], logits(backend, batch)[1])


def test_captures_show_what_was_edited_and_padding_reaches_nothing(backend: HFCausalBackend, batch: TokenBatch) -> None:
    vector = torch.ones(D)
    plain = backend.forward(batch, Capture(residuals=True))
    with backend.interventions([Edit("attention_output", 0, Add(vector)), Edit("attention_pattern", 2, "zero", HEAD)]):
        seen = backend.forward(batch, Capture(attention=True, residuals=True))
    torch.testing.assert_close(seen.attn_updates[0], plain.attn_updates[0] + vector, rtol=1e-5, atol=1e-5)
    assert (seen.attentions[2][:, HEAD] == 0).all()
    assert (seen.attentions[2][:, 0].sum(-1) > 0.99).all()
    with backend.interventions([Edit("residual", 3, "zero")]):  # what the final norm reads
        last = logits(backend, batch)
    torch.testing.assert_close(last, backend.unembed(torch.zeros_like(plain.residuals[-1])))
    with backend.interventions([Edit("residual", 0, Add(vector), positions=[5], rows=[1])]):  # padding
        torch.testing.assert_close(real(batch, logits(backend, batch)), real(batch, plain.logits), rtol=1e-5, atol=1e-5)


def test_blocks_lie_in_each_other_and_leave_nothing(backend: HFCausalBackend, batch: TokenBatch) -> None:
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in backend.model.modules()]
    attention = backend.model.config._attn_implementation  # type: ignore[union-attr]
    before, double = logits(backend, batch), Edit("mlp_output", LAYER, lambda x: 2 * x)
    more = Edit("mlp_output", LAYER, Add(torch.ones(D)))
    pattern = Edit("attention_pattern", 0, "zero", 1)
    with backend.interventions([double, more, pattern]):
        expected = logits(backend, batch)

    def fail_inside() -> None:
        with backend.interventions([more, pattern]):
            assert torch.equal(logits(backend, batch), expected)
            with backend.unedited():
                assert backend.edits == ()
                assert torch.equal(logits(backend, batch), before)
            assert torch.equal(logits(backend, batch), expected)
            raise ZeroDivisionError

    with backend.interventions([double]):
        outer = logits(backend, batch)
        with pytest.raises(ZeroDivisionError):
            fail_inside()
        assert torch.equal(logits(backend, batch), outer)
        assert backend.edits == (double,)
    assert torch.equal(logits(backend, batch), before)
    assert [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in backend.model.modules()] == hooks
    assert backend.model.config._attn_implementation == attention  # type: ignore[union-attr]


@pytest.mark.parametrize("point", POINTS)
def test_gradients_flow_through_an_edit(backend: HFCausalBackend, batch: TokenBatch, point: Point) -> None:
    """The slope in the strength of an edit is what two passes at neighbouring strengths say."""
    strength = torch.tensor(0.5, requires_grad=True)
    direction = torch.ones(()) * (0.1 if point == "attention_pattern" else 1.0)

    def value(at: Tensor) -> Tensor:
        with backend.interventions([Edit(point, LAYER, lambda x: x + at * direction * x.detach().cos())]):
            result = backend.forward(batch, Capture(gradients=True, last_logits_only=True))
        return result.logits[:, 0, 7].sum()

    (slope,) = torch.autograd.grad(value(strength), strength)
    step = 1e-2
    by_steps = (value(torch.tensor(0.5 + step)) - value(torch.tensor(0.5 - step))).detach() / (2 * step)
    assert float(slope) == pytest.approx(float(by_steps), rel=0.05, abs=1e-2)
    assert abs(float(slope)) > 1e-3


@pytest.mark.parametrize(
    ("edit", "error", "said"),
    [
        (Edit("nowhere", 0, "zero"), UnknownNameError, "attention_output, attention_pattern"),  # type: ignore[arg-type]
        (Edit("residual", 4, "zero"), InputError, "layers go from 0 to 3"),
        (Edit("mlp_output", 3, "zero"), InputError, "layers go from 0 to 2"),
        (Edit("residual", 0, "zero", head=1), InputError, "has no heads"),
        (Edit("residual", 0, "none"), InputError, "is no change"),  # type: ignore[arg-type]
        (Edit("head_output", 0, "zero", head=4), InputError, "head 4 where they go from 0 to 3"),
        (Edit("residual", 0, "zero", positions=[-1]), InputError, "position .-1. where"),
        (Edit("residual", 0, "zero", positions=torch.ones(2, dtype=torch.bool)), InputError, "whole numbers"),
        (Edit("residual", 0, "zero", positions=torch.ones(3, 1, dtype=torch.long)), InputError, "3 rows of"),
        (Edit("residual", 0, Put(torch.ones(31))), InputError, r"shape \[31\] for a part of shape \[2, "),
    ],
)
def test_what_does_not_fit_is_refused(
    backend: HFCausalBackend, batch: TokenBatch, edit: Edit, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said), backend.interventions([edit]):
        logits(backend, batch)


def test_a_model_without_the_parts_says_why(backend: HFCausalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "capabilities", Capabilities(False, False, False, no_attention="it has none"))
    reasons = {"attention_pattern": "it has none", "head_output": "single heads", "mlp_output": "updates of"}
    for point, reason in reasons.items():
        with pytest.raises(NotApplicable, match=reason), backend.interventions([Edit(point, 0, "zero")]):  # type: ignore[arg-type]
            pass


def test_writing_on_is_steered_and_what_is_found_out_meanwhile_is_not(tiny_gpt2_dir: Any) -> None:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

    backend = HFCausalBackend.load(str(tiny_gpt2_dir))
    texts = [backend.tokenize(text) for text in TEXTS]
    plain = backend.generate(texts, GenerationParams(4))
    with backend.interventions([Edit("residual", 2, Add(3 * torch.randn(D, generator=torch.manual_seed(1))))]):
        steered = backend.generate(texts, GenerationParams(4))
        likely = backend.next_tokens(texts, 1)
    assert [one.text for one in steered] != [one.text for one in plain]
    assert [one.texts[0] for one in steered] == [row[0][0] for row in likely]
    with backend.interventions([Edit("mlp_output", 0, "zero", positions=[6])]):
        assert why_no_suffix(backend) is None  # its made-up prompts have five tokens
        with pytest.raises(NotApplicable, match="reads on from a cache"):
            backend.generate(texts, GenerationParams(4))
    assert [one.text for one in backend.generate(texts, GenerationParams(4))] == [one.text for one in plain]
