"""Parameters with which the analyses that draw many samples draw few, where how well they do is not asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

QUICK: Mapping[str, Mapping[str, Any]] = {
    "integrated_gradients": {"max_steps": 17},
    "shap_partition": {"max_evals": 16},
    "shap_permutation": {"max_evals": 120},
    "shap_kernel": {"max_evals": 120},
    "sampled_toxicity": {"samples": 2, "max_new_tokens": 2},
    "self_consistency": {"samples": 2, "max_new_tokens": 2},
}
