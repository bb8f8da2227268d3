"""What runs need to have something for a page, in words, by the name that the store knows it by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """runs: completes "experiments without ...". command: makes such runs."""

    runs: str
    command: str


SUBJECTS = {
    "pairs": Subject(
        "runs of counterfactual pairs", "headscope run --prompts bias_religion --analyses layers --experiment NAME"
    ),
    "scores": Subject("toxicity scores", "headscope score --experiment NAME"),
    "measures": Subject("measures of confidence", "headscope run --prompts factual_recall --experiment NAME"),
    "detections": Subject("runs that detectors looked at", "headscope detect --experiment NAME"),
    "attributions": Subject(
        "attributions", "headscope run --prompts factual_recall --analyses standard,receipts --experiment NAME"
    ),
    "heads": Subject("measures of heads", "headscope run --prompts factual_recall --analyses heads --experiment NAME"),
    "blackbox": Subject(
        "black-box runs",
        "headscope blackbox --prompts factual_recall --api http://127.0.0.1:8000/v1 --model NAME",
    ),
}
