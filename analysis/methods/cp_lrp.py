"""CP-LRP (Ali et al. 2022): relevance propagated back through the values, attention patterns held constant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from headscope.analysis.attribution.lrp import lrp_attributions, why_no_lrp
from headscope.analysis.interfaces import Method, WhiteBoxBackend
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace


class CpLrp(Method):
    """The logit handed back to the tokens, layer by layer, attention patterns constant; scores `[position]`, signed.

    Relevance + position embeddings + biases = the explained logit (there is no leak); the last two are terms of the
    outcome, what is missing is `convergence_delta`. `layer_scores [L + 1, position]`: relevance of the residual stream
    that each layer, and last the final norm, reads; `head_scores [layer, head]`: of each head's output. What a token
    does by being looked for (queries, keys) is not counted. A logprob without a foil is answered with the logit.
    """

    NAME: ClassVar[str] = "cp_lrp"

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Models whose parts all have a rule (GPT-2, Llama, Gemma and relatives) are served; found by trying."""
        return why_no_lrp(backend, self.NAME)

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt, from one forward and one backward pass of the batch under the rules."""
        return lrp_attributions(work, targets, self.NAME)
