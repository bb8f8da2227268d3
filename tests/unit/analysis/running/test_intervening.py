"""Interventions against passes of one prompt with plain PyTorch hooks, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor

from headscope.analysis.errors import InputError, NotApplicable
from headscope.analysis.interfaces import Capabilities, Capture
from headscope.analysis.running.intervening import analyse_interventions, divergence
from headscope.analysis.types.interventions import (
    CHANGES,
    MOST_INTERVENTIONS,
    PARTS,
    Intervention,
    InterventionRequest,
    InterventionResult,
)

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXT, SOURCE, LONGER = (
    "One two three, the river ran",
    "One two three, the bread ran",
    "So then: one two three, the bread ran",
)
LAYER, HEAD, POSITION, D_HEAD = 1, 2, 3, 8


def intervene(backend: HFCausalBackend, *codes: str, source: str | None = SOURCE, **options: Any) -> InterventionResult:
    made = tuple(map(Intervention.parse, codes))
    return analyse_interventions(backend, InterventionRequest("m", TEXT, " river", " bread", source, made, **options))


def places(backend: HFCausalBackend, layer: int) -> dict[str, tuple[Any, bool]]:
    """By part, the module and whether it is its input that counts; by the names of the architectures' own code."""
    model: Any = backend.model
    gpt2 = backend.info.architecture == "GPT2LMHeadModel"
    block = model.transformer.h[layer] if gpt2 else model.model.layers[layer]
    attention = block.attn if gpt2 else block.self_attn
    return {
        "head": (attention.c_proj if gpt2 else attention.o_proj, True),
        "attention": (attention, False),
        "mlp": (block.mlp, False),
        "residual": (block, True),
    }


@contextmanager
def hooked(module: Any, before: bool, change: Any) -> Iterator[None]:
    def enter(_: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (change(args[0]), *args[1:])

    def leave(_: Any, __: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    handle = module.register_forward_pre_hook(enter) if before else module.register_forward_hook(leave)
    with ExitStack() as stack:
        stack.callback(handle.remove)
        yield


def logits(backend: HFCausalBackend, text: str = TEXT) -> Tensor:
    return backend.forward(backend.batch([backend.tokenize(text)]), Capture()).logits[0, -1]


def activation(backend: HFCausalBackend, part: str, text: str) -> Tensor:
    """`[position, width]` of a plain pass."""
    seen: list[Tensor] = []
    with hooked(*places(backend, LAYER)[part], lambda found: (seen.append(found.clone()), found)[1]):
        logits(backend, text)
    return seen[0][0]


def by_hand(backend: HFCausalBackend, part: str, change: str, positions: list[int], source: str = SOURCE) -> Tensor:
    """Next-token logits with one change made by hooks; positions of the source are those of the prompt."""
    columns = slice(HEAD * D_HEAD, (HEAD + 1) * D_HEAD) if part == "head" else slice(None)
    parts = ("attention", "mlp") if part == "layer" else (part,)
    untouched = {one: (activation(backend, one, TEXT), activation(backend, one, source)) for one in parts}
    with ExitStack() as stack:
        for one, (own, other) in untouched.items():

            def made(found: Tensor, own: Tensor = own, other: Tensor = other) -> Tensor:
                changed = found.clone()
                for at in positions:
                    changed[0, at, columns] = {
                        "zero": torch.zeros_like(own[at]),
                        "mean": own.mean(0),
                        "scale": -1.5 * found[0, at],
                        "patch": other[at + len(other) - len(own)],
                    }[change][columns]
                return changed

            stack.enter_context(hooked(*places(backend, LAYER)[one], made))
        return logits(backend)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("part", PARTS)
def test_an_intervention_is_what_hooks_by_hand_give(backend: HFCausalBackend, part: str, change: str) -> None:
    before = logits(backend)
    head, factor = f".{HEAD}" if part == "head" else "", ":-1.5" if change == "scale" else ""
    for at in (None, POSITION):
        where = "" if at is None else f"@{at}"
        found = intervene(backend, f"{part}:{LAYER}{head}{where}:{change}{factor}")
        positions = list(range(len(found.text))) if at is None else [at]
        expected = by_hand(backend, part, change, positions)
        says = torch.log_softmax(expected, -1)
        one, other = found.target.token_id, found.target.foil_id
        assert found.after.logprob == pytest.approx(float(says[one]), abs=2e-5)
        assert found.after.foil_logprob == pytest.approx(float(says[other]), abs=2e-5)
        assert found.after.value == pytest.approx(float(expected[one] - expected[other]), abs=2e-5)
        assert found.after.rank == int((expected > expected[one]).sum()) + 1
        was = torch.log_softmax(before, -1)
        assert found.kl == pytest.approx(float((was.exp() * (was - says)).sum()), abs=1e-5)
        assert found.before.value == pytest.approx(float(before[one] - before[other]), abs=2e-5)
        shown = [(item.text, (item.before, item.after)) for item in found.candidates]  # bytes may share a text
        for row, column in ((was, 0), (says, 1)):
            top = row.exp().topk(10)
            for text, value in zip(backend.decode(top.indices.tolist()), top.values.tolist(), strict=True):
                assert any(text == name and abs(pair[column] - value) < 1e-5 for name, pair in shown)
        assert torch.equal(logits(backend), before)  # nothing stays


def test_interventions_are_made_in_their_order(backend: HFCausalBackend) -> None:
    alone = intervene(backend, "mlp:1:zero")
    assert abs(alone.after.value - alone.before.value) > 1e-4
    assert intervene(backend, "mlp:1:scale:3", "mlp:1:zero").after == alone.after
    assert intervene(backend, "mlp:1:zero", "mlp:1:scale:3").after == alone.after
    both = intervene(backend, "mlp:1:zero", "head:0.1:zero")
    assert both.after.value not in (alone.after.value, alone.before.value)
    assert intervene(backend).after.value == pytest.approx(alone.before.value, abs=1e-5)
    assert intervene(backend).kl == pytest.approx(0, abs=1e-6)
    switched = intervene(backend, "layer:1:zero")
    assert switched.after.value == pytest.approx(intervene(backend, "mlp:1:zero", "attention:1:zero").after.value)


def test_a_divergence_is_infinite_where_something_became_impossible() -> None:
    def of(before: list[float], after: list[float]) -> float:
        return divergence(torch.tensor(before).log(), torch.tensor(after).log())

    assert of([0.5, 0.5, 0.0], [0.25, 0.25, 0.5]) == pytest.approx(np.log(2))  # 0 log 0/q is 0
    assert of([0.5, 0.5, 0.0], [0.5, 0.5, 0.0]) == 0
    assert of([0.5, 0.5], [1.0, 0.0]) == np.inf


def test_the_stream_behind_the_last_layer_taken_from_the_other_prompt_says_what_that_says(
    backend: HFCausalBackend,
) -> None:
    found = intervene(backend, f"residual:{backend.info.n_layers}:patch")
    says = torch.log_softmax(logits(backend, SOURCE), -1)
    assert found.after.logprob == pytest.approx(float(says[found.target.token_id]), abs=2e-5)


def test_a_source_of_another_length_is_aligned_by_words(backend: HFCausalBackend) -> None:
    found = intervene(backend, "residual:1:patch", source=LONGER)
    assert found.source is not None
    assert len(found.source) > len(found.text)
    by_text = {mine: theirs for theirs, mine in found.aligned}
    assert found.source.texts[by_text[len(found.text) - 1]] == found.text.texts[-1]
    own, other = activation(backend, "residual", TEXT), activation(backend, "residual", LONGER)

    def put(stream: Tensor) -> Tensor:
        changed = stream.clone()
        for theirs, mine in found.aligned:
            changed[0, mine] = other[theirs]
        return changed

    assert len(own) == len(found.text)
    with hooked(*places(backend, 1)["residual"], put):
        expected = logits(backend)
    one, foil = found.target.token_id, found.target.foil_id
    assert found.after.value == pytest.approx(float(expected[one] - expected[foil]), abs=2e-5)


def test_heads_and_mlps_add_up_to_the_margin(backend: HFCausalBackend) -> None:
    found = intervene(backend, "head:0.0:zero", parts=True)
    assert found.parts is not None
    assert found.parts.scores.shape == (backend.info.n_layers, backend.info.n_heads + 1)
    total = float(found.parts.scores.sum()) + sum(float(value) for value in found.parts.outcome.terms.values())
    assert total == pytest.approx(found.before.value, abs=1e-3)
    assert intervene(backend).parts is None


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("head:3.0:zero", "no layer 3 for head:3.0:zero: they go from 0 to 2"),
        ("head:0.4:zero", "no head 4 for head:0.4:zero: they go from 0 to 3"),
        ("residual:4:zero", "no layer 4 for residual:4:zero: they go from 0 to 3"),
        ("mlp:0@99:zero", "no position 99"),
    ],
)
def test_what_the_model_or_prompt_does_not_have_is_refused(backend: HFCausalBackend, code: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        intervene(backend, code)
    assert caught.value.kind == "intervention"


def test_patching_needs_a_counterpart(backend: HFCausalBackend) -> None:
    with pytest.raises(InputError, match="write a second prompt"):
        intervene(backend, "mlp:0:patch", source=None)
    if len(intervene(backend, source="7").aligned) == 0:  # with a start token that one has
        with pytest.raises(InputError, match="no token of the prompt has a counterpart"):
            intervene(backend, "mlp:0:patch", source="7")
    found = intervene(backend, source=LONGER)
    alone = sorted(set(range(len(found.text))) - {mine for _, mine in found.aligned})
    if alone:  # tokens of words that are spelt with more of them in the other prompt
        with pytest.raises(InputError, match="no counterpart"):
            intervene(backend, f"mlp:0@{alone[0]}:patch", source=LONGER)


def test_prompts_too_long_or_empty_and_models_without_parts(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headscope.analysis.running.intervening.MOST_LIVE_TOKENS", 5)
    with pytest.raises(InputError, match="shorten it") as caught:
        intervene(tiny_gpt2)
    assert caught.value.kind == "too_long"
    monkeypatch.undo()
    monkeypatch.setattr(tiny_gpt2, "capabilities", Capabilities(attention=True, sublayers=False, heads=False))
    with pytest.raises(NotApplicable, match="cannot be told apart"):
        intervene(tiny_gpt2, "head:0.0:zero")
    found = intervene(tiny_gpt2, "residual:1:scale:0", parts=True)
    assert found.parts is None
    assert "cannot be told apart" in found.no_parts
    assert np.isfinite(found.after.value)


@pytest.mark.parametrize(
    "code",
    ["head:5.3:zero", "mlp:4:scale:0.5", "layer:7:mean", "residual:6@4:patch", "attention:0@0:scale:-12.25",
     "head:0.11@2:scale:1e-07", "mlp:3:scale:0.123456789"],
)  # fmt: skip
def test_a_code_is_read_back(code: str) -> None:
    assert Intervention.parse(code).code == code


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("", "is no intervention: write PART:LAYER:CHANGE"),
        ("head 5.3 zero", "is no intervention"),
        ("mlp:-1:zero", "is no intervention"),
        ("mlp:99999999:zero", "is no intervention"),
        ("mlp:٣:zero", "is no intervention"),
        ("neuron:1:zero", "no part of a model: it can be head, attention"),
        ("mlp:1:melt", "no change: it can be zero, mean"),
        ("head:1:zero", "head:5.3 for head 3"),
        ("mlp:1.2:zero", "mlp has no heads"),
        ("mlp:1:scale", "scale has a factor"),
        ("mlp:1:zero:2", "scale has a factor"),
        ("mlp:1:scale:half", "'half' is no number"),
        ("mlp:1:scale:nan", "lies between"),
        ("mlp:1:scale:1e9", "lies between -100 and 100"),
    ],
)
def test_what_is_no_intervention_says_what_is(code: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        Intervention.parse(code)
    assert caught.value.kind == "intervention"


def test_a_request_takes_so_many() -> None:
    many = (Intervention("mlp", 0, "zero"),) * (MOST_INTERVENTIONS + 1)
    with pytest.raises(InputError, match="more than the 64"):
        InterventionRequest("m", TEXT, interventions=many)
