"""Trains a LoRA adapter (Hu et al. 2022, arXiv:2106.09685) on the MiniLM encoder, for any labels and loss. Needs the
extra `train`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

from headscope.analysis.models import minilm
from headscope.analysis.training.labelled import LabelledTexts

TARGETS = ("query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense")
_CHUNK = 50  # batches sorted by length together: little padding, and still a random order
Loss = Callable[[Tensor, Tensor], Tensor]
"""Of logits and labels, both `[text, label]`."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """rank and alpha of LoRA, learning rate (linear decay after `warmup` steps), tokens per text, passes over the data.

    bf16: matrix products in bfloat16, twice as fast where the processor has them and no worse here.
    """

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.05
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    warmup: int = 60
    batch_size: int = 32
    max_length: int = 64
    epochs: float = 1.0
    seed: int = 0
    bf16: bool = False


def train(
    base: Path,
    rows: LabelledTexts,
    out: Path,
    recipe: Recipe,
    loss_of: Loss,
    *,
    start: Path | None = None,
    report: Callable[[str], None] = print,
) -> list[float]:
    """Train on `rows` by `loss_of`, save the adapter (peft's own format) in the folder `out`; the loss of every step.

    start: the folder of an adapter to go on from, whose rank and alpha hold; without it a new one.
    """
    torch.manual_seed(recipe.seed)
    model = _with_adapter(base, rows.labels.shape[1], recipe, start)
    tokenizer = AutoTokenizer.from_pretrained(base)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = int(recipe.epochs * -(-len(rows.texts) // recipe.batch_size))
    schedule = get_linear_schedule_with_warmup(optimizer, recipe.warmup, steps)  # type: ignore[no-untyped-call]
    labels = torch.from_numpy(rows.labels)
    losses: list[float] = []
    started = time.perf_counter()
    model.train()
    for chosen in _batches(rows.texts, steps, recipe):
        encoded = tokenizer(
            [rows.texts[i] for i in chosen],
            padding=True,
            truncation=True,
            max_length=recipe.max_length,
            return_tensors="pt",
        )
        with torch.autocast("cpu", torch.bfloat16) if recipe.bf16 else nullcontext():
            logits = model(**encoded).logits
        loss = loss_of(logits.float(), labels[chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if len(losses) % 100 == 0:
            rate = len(losses) * recipe.batch_size / (time.perf_counter() - started)
            report(f"step {len(losses):,} of {steps:,}: loss {np.mean(losses[-100:]):.4f}, {rate:.0f} texts/s")
    model.peft_config["default"].base_model_name_or_path = minilm.PACKAGE  # not where it lies on this machine
    model.save_pretrained(out, save_embedding_layers=False)  # they are untouched; a look for them would ask the hub
    return losses


def _with_adapter(base: Path, labels: int, recipe: Recipe, start: Path | None) -> Any:
    from peft import LoraConfig, PeftModel, get_peft_model

    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=labels)
    if start is not None:
        return PeftModel.from_pretrained(model, start, is_trainable=True)
    lora = LoraConfig(
        task_type="SEQ_CLS",
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(TARGETS),
        modules_to_save=["classifier"],
    )
    return get_peft_model(model, lora)


def _batches(texts: Sequence[str], steps: int, recipe: Recipe) -> Iterator[list[int]]:
    """Indexes of each step's texts: similar lengths together, batches in random order, again from the start when all
    have been seen."""
    generator = np.random.default_rng(recipe.seed)
    made = 0
    while True:
        order = generator.permutation(len(texts))
        for start in range(0, len(order), recipe.batch_size * _CHUNK):
            chunk = sorted(order[start : start + recipe.batch_size * _CHUNK], key=lambda i: len(texts[i]))
            batches = [chunk[i : i + recipe.batch_size] for i in range(0, len(chunk), recipe.batch_size)]
            for index in generator.permutation(len(batches)):
                if made == steps:
                    return
                made += 1
                yield [int(i) for i in batches[index]]
