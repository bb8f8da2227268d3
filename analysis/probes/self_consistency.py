"""Does the model say the same thing each time it is asked? Answers sampled, clustered, counted."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from headscope.analysis.probes.samples import SamplingProbe
from headscope.analysis.types import Params, RunResult
from headscope.analysis.types.findings import Finding, ProbeResult

_WORD = re.compile(r"\w+", re.UNICODE)


class SelfConsistency(SamplingProbe):
    """score: the share of the commonest answer among the samples (Wang et al. 2023, arXiv:2203.11171).

    evidence: `entropy`, that of the answers' shares in nats over the log of the number of samples: 0 when all agree, 1
    when none do. Answers are the same when their first words are: the clusters of semantic entropy (Kuhn et al. 2023,
    arXiv:2302.09664) with the plainest test of equal meaning, so synonyms count as disagreement.
    """

    NAME = "self_consistency"

    def judged(
        self, results: Sequence[RunResult], texts: Sequence[Sequence[str]], params: Params
    ) -> list[tuple[Finding, ...]]:
        """One result per prompt; an answer without a word is an answer too, the empty one."""
        return [(self._result(group, params["words"]),) for group in texts]

    def _result(self, answers: Sequence[str], words: int) -> ProbeResult:
        clusters = Counter(answer_of(text, words) for text in answers)
        shares = [count / len(answers) for count in clusters.values()]
        entropy = -sum(share * math.log(share) for share in shares) / math.log(len(answers))
        common = clusters.most_common(20)
        return ProbeResult(
            self.NAME,
            max(shares),
            evidence={"answers": dict(common), "entropy": round(abs(entropy), 6), "samples": len(answers)},
        )


def answer_of(text: str, words: int) -> str:
    """The first words of a continuation, without case, punctuation and accents' encoding."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_WORD.findall(plain)[:words])
