"""McNemar's exact test of two paired yes-or-no answers."""

from __future__ import annotations

import math


def mcnemar(above: int, below: int) -> float:
    """Two-sided p of so many pairs that changed to yes (`above`) and to no (`below`), if a change either way were as
    likely: the binomial test with one half over the pairs that changed; 1.0 where none did.

    McNemar 1947, in its exact form. It takes every pair as independent.
    """
    n, fewer = above + below, min(above, below)
    if above == below:
        return 1.0
    terms = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(fewer + 1)]
    largest = max(terms)  # of many pairs the powers themselves are no floating-point numbers
    tail = sum(math.exp(term - largest) for term in terms)
    return min(1.0, 2 * math.exp(largest - n * math.log(2)) * tail)
