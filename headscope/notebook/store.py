"""What `headscope.open` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from headscope.analysis.errors import InputError
from headscope.notebook.beside import Beside

if TYPE_CHECKING:
    from headscope.notebook.figures import Figures
    from headscope.notebook.run import Run
    from headscope.notebook.why import Why


class Store(Beside):
    """The frames of `Notebook`, `Tables` and `Beside`, single runs to draw (`run`), figures over many (`figures`), and
    what the Why page computes (`why`)."""

    def run(self, run_id: str, *, offensive: Literal["covered", "shown"] = "covered") -> Run:
        """One run to look at. offensive: `shown` leaves the words of offensive texts readable; else letters stand for
        letters, as on the pages.

        Raises UnknownNameError when there is no such run, InputError for another choice.
        """
        if offensive not in ("covered", "shown"):
            raise InputError(f"offensive can be 'covered' or 'shown', not {offensive!r}.")
        from headscope.dashboard.blotted import blotted  # drawing is imported by who draws
        from headscope.notebook.run import Run

        detail = self.detail(run_id)
        why = self.offensive([run_id]).get(detail.row.id, {})
        seen = detail if offensive == "shown" else blotted(detail, why)
        return Run(seen, why, covered=offensive == "covered", attention=lambda: self.attention(run_id))

    @property
    def figures(self) -> Figures:
        """Figures over many runs."""
        from headscope.notebook.figures import Figures

        return Figures(self)

    def why(self, model: str) -> Why:
        """What the Why page computes, of prompts typed here: patching maps and interventions. The model is loaded into
        this process, with torch, at the first question (`models list` names those here); nothing is stored."""
        from headscope.analysis.engines.inline import InlineEngine
        from headscope.notebook.why import Why

        return Why(model, InlineEngine(), lambda rows: self._framed([*rows], None))
