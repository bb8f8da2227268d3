"""Any Hugging Face sequence classifier as a judge of toxicity, first `unitary/toxic-bert`; no silent download."""

from __future__ import annotations

from pathlib import Path

from headscope.analysis.classifiers.sequence import SequenceClassifier
from headscope.analysis.errors import BackendError
from headscope.analysis.models import devices, sources

DEFAULT = "unitary/toxic-bert"


def load(name: str = DEFAULT) -> SequenceClassifier:
    """The classifier `name`: a folder, a folder below HEADSCOPE_MODEL_DIR, or a hub id (see `model_sources.resolve`).

    Its own labels are kept. Raises BackendError when it is nowhere, or is not a sequence classifier.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    found = sources.resolve(name)
    config = AutoConfig.from_pretrained(found.path)
    if not any("SequenceClassification" in item for item in config.architectures or ()):
        kinds = ", ".join(config.architectures or ["nothing"])
        raise BackendError(f"{name} is not a sequence classifier (its config names {kinds}).")
    model = AutoModelForSequenceClassification.from_pretrained(found.path, use_safetensors=True)
    model.to(devices.fastest())
    labels = [str(model.config.id2label[i]).lower() for i in range(model.config.num_labels)]
    if model.config.problem_type is None and len(labels) > 1:  # toxic-bert says nothing, and has six yes-or-no labels
        model.config.problem_type = "multi_label_classification" if "toxic" in labels else "single_label_classification"
    title = f"{Path(found.name).name}@{found.revision[:8]}" if found.revision else Path(found.name).name
    return SequenceClassifier(title, model, AutoTokenizer.from_pretrained(found.path), labels, {})
