"""Integrals over the straight path of integrated gradients: fixed rules, and one that refines where it must.

The integrand of a real model is rough, and in other places for every prompt. But its exact integral over any stretch is
known for the SUM over tokens: the change of the explained value there. So each panel's error can be seen, and only the
panels that are wrong are halved.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

_COARSE = np.array([1.0, 0.0, 4.0, 0.0, 1.0]) / 6.0  # Simpson over every second node of a panel
_FINE = np.array([1.0, 4.0, 2.0, 4.0, 1.0]) / 12.0  # Simpson over each half: smoother rules trust a rough path too much
_FIRST_PANELS = 4


def fixed_rule(rule: str, n_steps: int) -> tuple[Float64, Float64]:
    """Nodes and weights on [0, 1] of `gausslegendre` or `riemann_middle`, as captum defines them."""
    if rule == "gausslegendre":
        nodes, weights = np.polynomial.legendre.leggauss(n_steps)
        return (nodes + 1) / 2, weights / 2
    return (np.arange(n_steps) + 0.5) / n_steps, np.full(n_steps, 1.0 / n_steps)


def fixed_errors(nodes: Float64, weights: Float64, rates: Float64) -> Float64:
    """How far a fixed rule's scores may be off, `[..., T]`, from rates `[..., node, T]`: every second node's distance
    from the line between its neighbours, weighed and added up without cancelling."""
    inner = np.arange(1, len(nodes) - 1, 2)
    share = ((nodes[inner] - nodes[inner - 1]) / (nodes[inner + 1] - nodes[inner - 1]))[:, None]
    line = (1 - share) * rates[..., inner - 1, :] + share * rates[..., inner + 1, :]
    total: Float64 = np.einsum("i,...it->...t", weights[inner], np.abs(rates[..., inner, :] - line))
    return total


def error_scale(scores: Float64) -> float:
    """What errors are compared with: the largest |score|. The change explained will not do: with a foil scores cancel,
    and then it is near zero by accident."""
    return float(np.abs(scores).max())


class AdaptiveIntegral:
    """Integral over [0, 1] of a vector function (one prompt's score rates `[T]`), its sum's antiderivative being known.

    Ask `wanted()` for the nodes still missing, give them with `add`, then `refine` until `converged` or out of steps.
    Nodes are dyadic fractions, so that halving a panel reuses all five of its nodes and needs four new ones.
    """

    def __init__(self) -> None:
        edges = np.linspace(0.0, 1.0, _FIRST_PANELS + 1).tolist()
        self._panels: list[tuple[float, float]] = list(pairwise(edges))
        self._rates: dict[float, Float64] = {}
        self._values: dict[float, float] = {}

    def add(self, node: float, rates: Float64, value: float) -> None:
        """Rates `[T]` and explained value at a node."""
        self._rates[node], self._values[node] = rates, value

    def wanted(self) -> list[float]:
        """Nodes of the present panels that were not added yet."""
        nodes = dict.fromkeys(node for panel in self._panels for node in _nodes(panel))
        return [node for node in nodes if node not in self._rates]

    @property
    def steps(self) -> int:
        """How many nodes were evaluated."""
        return len(self._rates)

    @property
    def finite(self) -> bool:
        """Whether every rate and value is a number."""
        return bool(np.isfinite(sum(rates.sum() for rates in self._rates.values()) + sum(self._values.values())))

    @property
    def change(self) -> float:
        """Value at 1 minus value at 0: what the scores should sum to."""
        return self._values[1.0] - self._values[0.0]

    @property
    def estimate(self) -> Float64:
        """The integral `[T]` from all nodes."""
        total: Float64 = np.sum([self._integrate(panel, _FINE) for panel in self._panels], axis=0)
        return total

    @property
    def delta(self) -> float:
        """Sum of the estimate minus the exact change."""
        return float(self.estimate.sum()) - self.change

    @property
    def errors(self) -> Float64:
        """How far each score `[T]` may be off: what the two finest rules differ by, panel by panel, so that errors of
        different panels do not cancel. On real paths the true error is a tenth of it."""
        parts = [self._integrate(panel, _FINE) - self._integrate(panel, _COARSE) for panel in self._panels]
        total: Float64 = np.abs(parts).sum(0)
        return total

    def refine(self, n_panels: int, max_steps: int) -> bool:
        """Halve the worst panels, as many as `max_steps` allows; False when it allows none."""
        allowed = min(n_panels, (max_steps - self.steps) // 4)
        for panel in sorted(self._panels, key=self._panel_error, reverse=True)[: max(0, allowed)]:
            self._panels.remove(panel)
            middle = (panel[0] + panel[1]) / 2
            self._panels += [(panel[0], middle), (middle, panel[1])]
        return allowed > 0

    def _integrate(self, panel: tuple[float, float], weights: Float64) -> Float64:
        rates = np.stack([self._rates[node] for node in _nodes(panel)])
        integral: Float64 = (panel[1] - panel[0]) * (weights @ rates)
        return integral

    def _panel_error(self, panel: tuple[float, float]) -> float:
        fine, coarse = self._integrate(panel, _FINE), self._integrate(panel, _COARSE)
        missing = abs(float(fine.sum()) - (self._values[panel[1]] - self._values[panel[0]]))
        return missing + float(np.abs(fine - coarse).max())


def _nodes(panel: tuple[float, float]) -> list[float]:
    start, stop = panel
    return [start + (stop - start) * k / 4 for k in range(5)]
