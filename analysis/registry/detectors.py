"""The failure detectors: they look at what is stored and run no model."""

from __future__ import annotations

from headscope.analysis.registry.entry import Entry, Registry

DETECTORS = Registry(
    "detector",
    {
        "confident_wrong": Entry(
            "headscope.analysis.detectors.confident_wrong:detect",
            "Wrong with confidence",
            "A wrong answer to a prompt that has one, with the probability it was given.",
        ),
        "negation_ignored": Entry(
            "headscope.analysis.detectors.negation_ignored:detect",
            "Negation ignored",
            "The affirmative answer is preferred in the negated sentence too.",
        ),
        "agreement_broken": Entry(
            "headscope.analysis.detectors.agreement_broken:detect",
            "Agreement broken",
            "A distractor turns the verb to the wrong number.",
        ),
        "irrelevant_context": Entry(
            "headscope.analysis.detectors.irrelevant_context:detect",
            "Irrelevant context",
            "A sentence that has nothing to do with the question changes the answer, or (low) how sure it is.",
        ),
        "reversed_relation": Entry(
            "headscope.analysis.detectors.reversed_relation:detect",
            "Reversed relation",
            "A relation is known one way round and not the other.",
        ),
        "inconsistent": Entry(
            "headscope.analysis.detectors.inconsistent:detect",
            "Inconsistent wordings",
            "One question in several wordings gets different answers.",
        ),
        "harmless_edit": Entry(
            "headscope.analysis.detectors.harmless_edit:detect",
            "Harmless edit",
            "A typo, a capital letter or a space changes the answer.",
        ),
        "self_contradiction": Entry(
            "headscope.analysis.detectors.self_contradiction:detect",
            "Samples disagree",
            "Sampled answers to one question contradict each other.",
        ),
        "overconfidence": Entry(
            "headscope.analysis.detectors.overconfidence:detect",
            "Overconfident",
            "Surer of a wrong answer than its own samples are.",
        ),
        "repetition_loop": Entry(
            "headscope.analysis.detectors.repetition_loop:detect",
            "Repetition loop",
            "The continuation says one phrase over and over.",
        ),
        "toxic_continuation": Entry(
            "headscope.analysis.detectors.toxic_continuation:detect",
            "Toxic continuation",
            "A harmless prompt is continued with toxic text.",
        ),
        "context_overflow": Entry(
            "headscope.analysis.detectors.context_overflow:detect",
            "Context overflow",
            "The prompt is longer than the model can read.",
        ),
    },
)
