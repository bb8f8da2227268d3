"""All checks of a loaded model, in the order in which they are shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version

import torch

from headscope.analysis.certificate import captures, edits, logits, sums
from headscope.analysis.certificate.applying import applying
from headscope.analysis.certificate.judging import Subject, attempted
from headscope.analysis.code_version import CODE_VERSION
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.types.certificate import Certificate, CertificateKey, ModelCheck, packages_text

PACKAGES = ("torch", "transformers")
"""Those whose other version computes another number; the tokenizer's is not looked at here."""
TEXTS = ("The doctor told the nurse that", "One two three four five six seven", "The sea")

Check = Callable[[Subject], ModelCheck]
_ONLY_WHOLE: dict[str, Check] = {
    "logits (eager)": logits.plain_eager,
    "attention weights": captures.attention_weights,
    "zeroed head": edits.zeroed_heads_everywhere,
    "zeroed pattern": edits.zeroed_patterns,
    "integrated_gradients sum": sums.path_adds_up,
}
QUICK: dict[str, Check] = {
    "logits (sdpa)": logits.plain_sdpa,
    "batch of 3": logits.same_in_a_batch,
    "padding": logits.same_when_padded,
    "threads": logits.same_with_threads,
    "causal": logits.causal,
    "next tokens": logits.next_tokens,
    "residual sum": captures.residual_sum,
    "head sum": captures.head_sum,
    "attention rows": captures.attention_rows,
    "put back": edits.put_back,
    "put over": edits.put_over,
    "zeroed head": edits.zeroed_heads,
    "direct_logit_attribution sum": sums.adds_up("direct_logit_attribution"),
    "attn_lrp sum": sums.adds_up("attn_lrp"),
    "cp_lrp sum": sums.adds_up("cp_lrp"),
}
"""What a first load pays for: a few short passes and one more copy of the weights, for a moment."""
WHOLE: dict[str, Check] = {**QUICK, **_ONLY_WHOLE}


def certify(backend: WhiteBoxBackend, *, whole: bool) -> Certificate:
    """Check a model, all of it or the quick part. No check raises: one that cannot be made says why."""
    started = time.perf_counter()
    with backend.unedited():
        subject = Subject(backend, tuple(backend.tokenize(text) for text in TEXTS))
        checks = tuple(_checked(name, check, subject) for name, check in (WHOLE if whole else QUICK).items())
        analyses = applying(backend)
    return Certificate(key_of(backend), backend.info.ref.name, whole, checks, analyses, time.perf_counter() - started)


def _checked(name: str, check: Check, subject: Subject) -> ModelCheck:
    with torch.no_grad():  # what needs gradients asks for them itself
        return attempted(name, lambda: check(subject))


def key_of(backend: WhiteBoxBackend) -> CertificateKey:
    """What a certificate of this loaded model holds for."""
    ref = backend.info.ref
    return CertificateKey(
        weights_sha256=ref.weights_sha256,
        backend=ref.backend,
        dtype=ref.dtype,
        device=str(next(backend.model.parameters()).device),
        code_version=CODE_VERSION,
        packages=packages_text({name: version(name) for name in PACKAGES}),
    )
