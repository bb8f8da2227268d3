"""Which words made a classifier say so, by the method that is asked for."""

from __future__ import annotations

from headscope.analysis.attribution.encoder_lrp import encoder_relevance
from headscope.analysis.classifiers.sequence import SequenceClassifier
from headscope.analysis.classifiers.token_scores import TokenScores, explain, read
from headscope.analysis.types.judging import Explaining


def explained(classifier: SequenceClassifier, text: str, label: str, method: Explaining) -> TokenScores:
    """The first window (128 tokens) of `text` by `method`.

    Raises UnknownNameError for a label the classifier does not have, BackendError where relevance propagation has no
    rules for it.
    """
    if method is Explaining.INTEGRATED_GRADIENTS:
        return explain(classifier, text, label)
    return shared_out(classifier, text, label, method)


def shared_out(classifier: SequenceClassifier, text: str, label: str, rule: Explaining) -> TokenScores:
    """Relevance of the tokens of `text` for the logit of `label` by a rule of propagation (`encoder_relevance`);
    `terms` is the rest of the logit, `delta` the conservation error."""
    reading = read(classifier, text, label)
    found = encoder_relevance(classifier.model, reading.inputs, reading.column, rule.value)
    terms = {
        "special tokens": float(found.tokens[reading.special.cpu()].sum()),
        **found.embeddings,
        "biases": found.biases,
        "softmax leak": found.leak,
    }
    return reading.scored(found.tokens, found.delta, found.logit, terms)
