"""Every figure over many runs, by one name."""

from __future__ import annotations

from headscope.notebook.behaviour import Behaviour
from headscope.notebook.compared import Compared
from headscope.notebook.heads import HeadFigures


class Figures(Behaviour, HeadFigures, Compared):
    """Made by `Store.figures`. Every method gives a Plotly figure; InputError where the runs have no such numbers."""
