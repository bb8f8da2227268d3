"""The token that is explained, and the one it is compared with: what the user wrote, as the model's own ids."""

from __future__ import annotations

import math

from torch import Tensor

from headscope.analysis.backends.tokenization import TextCodec
from headscope.analysis.errors import InputError
from headscope.analysis.types import Target, TokenizedText


def resolve(codec: TextCodec, text: TokenizedText, target: str | None, foil: str | None, logprobs: Tensor) -> Target:
    """See `WhiteBoxBackend.resolve_target`."""
    if target is None and foil is not None:
        raise InputError("a foil was given without a target: give both, or neither.", "target_missing")
    logprobs = logprobs.detach()
    chosen = [int(logprobs.argmax())] if target is None else _first_ids(codec, text, target, "target")
    foils = [] if foil is None else _first_ids(codec, text, foil, "foil")
    if foils and foils[0] == chosen[0]:
        raise InputError(
            f"target {target!r} and foil {foil!r} begin with the same token, so their difference is zero "
            "everywhere: choose words that differ in their first token.",
            "target_equals_foil",
        )
    logprob, rank = _standing(logprobs, chosen[0])
    foil_logprob, foil_rank = _standing(logprobs, foils[0]) if foils else (float("nan"), -1)
    return Target(
        token_id=chosen[0],
        text=codec.decode(chosen[:1])[0],
        n_tokens=len(chosen),
        chosen="predicted" if target is None else "given",
        logprob=logprob,
        rank=rank,
        foil_id=foils[0] if foils else -1,
        foil_text=codec.decode(foils[:1])[0] if foils else None,
        foil_n_tokens=len(foils),
        foil_logprob=foil_logprob,
        foil_rank=foil_rank,
        ids=tuple(chosen),
        foil_ids=tuple(foils),
    )


def _first_ids(codec: TextCodec, text: TokenizedText, continuation: str, role: str) -> list[int]:
    ids = codec.continuation_ids(text, continuation) if continuation else []
    if not ids:
        raise InputError(f"the {role} is empty: write the word that should follow the prompt.", "target_missing")
    codec.check_read(role, ids[:1])
    return ids


def _standing(logprobs: Tensor, token: int) -> tuple[float, int]:
    logprob = float(logprobs[token])
    return logprob, -1 if math.isnan(logprob) else int((logprobs > logprob).sum()) + 1
