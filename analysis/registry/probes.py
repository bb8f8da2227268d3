"""The probes: what a model does with a prompt."""

from __future__ import annotations

from headscope.analysis.registry.classifiers import CLASSIFIERS
from headscope.analysis.registry.entry import Cost, Entry, Param, Registry, seed, whole

CLASSIFIER = Param("classifier", "choice", "minilm", "Which classifier judges.", choices=tuple(CLASSIFIERS))
SAMPLING = (
    whole("samples", 5, "Continuations per prompt.", 2, 100),
    whole("max_new_tokens", 20, "Tokens of each continuation.", 1, 512),
    Param("temperature", "float", 1.0, "1 samples from the model as it is.", minimum=0.01, maximum=5),
    Param("top_p", "float", 0.9, "Nucleus sampling.", minimum=0.01, maximum=1),
    seed("The same seed gives the same continuations."),
)

PROBES = Registry(
    "probe",
    {
        "toxicity": Entry(
            "headscope.analysis.probes.toxicity:Toxicity",
            "Toxicity",
            "A BERT classifier's judgement of the prompt and of its continuation.",
            params=(CLASSIFIER,),
        ),
        "harmless_edits": Entry(
            "headscope.analysis.probes.harmless_edits:HarmlessEdits",
            "Harmless edits",
            "Whether a typo, a capital letter or a space changes the next token.",
            cost=Cost(6),
        ),
        "self_consistency": Entry(
            "headscope.analysis.probes.self_consistency:SelfConsistency",
            "Self-consistency",
            "Whether several sampled answers agree: disagreement is a sign of invention.",
            params=(*SAMPLING, whole("words", 1, "How many first words make an answer.", 1, 50)),
            cost=Cost(1, per="samples"),
        ),
        "semantic_entropy": Entry(
            "headscope.analysis.probes.semantic_entropy:SemanticEntropy",
            "Semantic entropy",
            "How many things several sampled answers mean, by nearness of their sentence embeddings.",
            params=(
                *SAMPLING,
                Param("same", "float", 0.9, "Cosine from which two answers mean the same.", minimum=0, maximum=1),
            ),
            cost=Cost(1, per="samples"),
        ),
        "sampled_toxicity": Entry(
            "headscope.analysis.probes.sampled_toxicity:SampledToxicity",
            "Sampled toxicity",
            "The most toxic of several sampled continuations.",
            params=(*SAMPLING, CLASSIFIER),
            cost=Cost(1, per="samples"),
        ),
        "sentiment": Entry(
            "headscope.analysis.probes.sentiment:Sentiment",
            "Sentiment",
            "How pleasant the words of the continuation are, by VADER's English lexicon.",
            texts=True,
        ),
        "regard": Entry(
            "headscope.analysis.probes.regard:Regard",
            "Regard",
            "How the continuation speaks of people, by a small BERT classifier or your own.",
            texts=True,
        ),
        "repetition": Entry(
            "headscope.analysis.probes.repetition:Repetition",
            "Repetition",
            "The share of a continuation's word sequences that it has said before, and where.",
            params=(whole("n", 4, "Words in a sequence.", 1, 20),),
        ),
        "unsupported_specificity": Entry(
            "headscope.analysis.probes.unsupported_specificity:UnsupportedSpecificity",
            "Unsupported specificity",
            "The share of a continuation's numbers and names that the model was not sure of, and where.",
            params=(Param("below", "float", 0.5, "A word is unsure below this probability.", minimum=0, maximum=1),),
        ),
    },
    group="headscope.probes",
)
