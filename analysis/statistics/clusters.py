"""Groups of failures that look alike, by their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 3
MOST = 500
DISTANCE = 0.8
WORDS = 3


@dataclass(frozen=True, slots=True)
class Cluster:
    """members: indexes into the texts, the most typical first. words: what they share that others do not."""

    words: tuple[str, ...]
    members: tuple[int, ...]


def clusters(texts: Sequence[str]) -> list[Cluster]:
    """Average-linkage clusters of TF-IDF vectors by cosine distance, the largest first; only those of at least three.

    At most 500 texts are looked at, the first ones. Similar wording, not similar meaning: it needs no model.
    """
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = texts[:MOST]
    if len(texts) < FEWEST or not any(len(text.split()) > 1 for text in texts):
        return []
    vectorizer = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w\w+\b")
    vectors = vectorizer.fit_transform(texts).toarray()
    names = vectorizer.get_feature_names_out()
    cut = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=DISTANCE)
    filled = vectors.any(axis=1)
    if filled.sum() < FEWEST:
        return []
    labels = np.full(len(texts), -1)
    labels[filled] = cut.fit_predict(vectors[filled])
    found = []
    for label in range(int(labels.max()) + 1):
        members = np.flatnonzero(labels == label)
        if len(members) >= FEWEST:
            centre = vectors[members].mean(0)
            order = members[np.argsort(-(vectors[members] @ centre), kind="stable")]
            said = centre - vectors[filled].mean(0)
            words = tuple(str(names[i]) for i in np.argsort(-said, kind="stable")[:WORDS] if said[i] > 0)
            found.append(Cluster(words, tuple(int(i) for i in order)))
    return sorted(found, key=lambda cluster: -len(cluster.members))
