"""AttnLRP (Achtibat et al. 2024): relevance propagated back through attention patterns and values alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from headscope.analysis.attribution.lrp import lrp_attributions, why_no_lrp
from headscope.analysis.interfaces import Method, WhiteBoxBackend
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace


class AttnLrp(Method):
    """The logit handed back to the tokens, layer by layer, with the AttnLRP rules; scores `[position]`, signed.

    Relevance + leak (what the linearised softmaxes lose) + position embeddings + biases = the explained logit; the last
    three are terms of the outcome, what is missing is `convergence_delta`. `layer_scores [L + 1, position]`:
    relevance of the residual stream that each layer, and last the final norm, reads; `head_scores [layer, head]`: of
    each head's output, over all positions. A logprob without a foil is answered with the logit.
    """

    NAME: ClassVar[str] = "attn_lrp"

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Models whose parts all have a rule (GPT-2, Llama, Gemma and relatives) are served; found by trying."""
        return why_no_lrp(backend, self.NAME)

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt, from one forward and one backward pass of the batch under the rules."""
        return lrp_attributions(work, targets, self.NAME)
