"""McNemar's exact test of two paired yes-or-no answers."""

from __future__ import annotations


def mcnemar(above: int, below: int) -> float:
    """Two-sided p of so many pairs that changed to yes (`above`) and to no (`below`), if a change either way were as
    likely: the binomial test with one half over the pairs that changed; 1.0 where none did.

    McNemar 1947, in its exact form. It takes every pair as independent.
    """
    from scipy import special

    changed = above + below
    return float(min(1.0, 2 * special.bdtr(min(above, below), changed, 0.5))) if changed else 1.0
