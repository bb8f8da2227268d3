"""Names and where to find what they stand for. Targets are strings, so that pages and the command line can list names,
labels and parameters without importing torch.

Adding an interpretation method, a probe or a backend is one new file and one entry here, or in a package of your own
(docs/architecture.md).
"""

from headscope.analysis.registry.analyses import (
    DEFAULT_SET,
    STANDARD,
    analyses,
    analysis,
    find_scorer,
    needs_pair,
    parse_analyses,
    scorers,
)
from headscope.analysis.registry.backends import BACKENDS, BLACK_BOX, LOADED_HERE, BackendEntry
from headscope.analysis.registry.classifiers import CLASSIFIERS
from headscope.analysis.registry.detectors import DETECTORS
from headscope.analysis.registry.entry import Cost, Entry, Needs, Param, Registry
from headscope.analysis.registry.importances import method_entry
from headscope.analysis.registry.measurements import MEASUREMENTS, MeasurementEntry
from headscope.analysis.registry.methods import METHODS
from headscope.analysis.registry.probes import PROBES
from headscope.analysis.registry.receipts import RECEIPTS

__all__ = [
    "BACKENDS",
    "BLACK_BOX",
    "CLASSIFIERS",
    "DEFAULT_SET",
    "DETECTORS",
    "LOADED_HERE",
    "MEASUREMENTS",
    "METHODS",
    "PROBES",
    "RECEIPTS",
    "STANDARD",
    "BackendEntry",
    "Cost",
    "Entry",
    "MeasurementEntry",
    "Needs",
    "Param",
    "Registry",
    "analyses",
    "analysis",
    "find_scorer",
    "method_entry",
    "needs_pair",
    "parse_analyses",
    "scorers",
]
