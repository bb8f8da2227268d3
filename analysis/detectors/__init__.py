"""Failure detectors: what went wrong in stored runs, with evidence and severity. One file each, named in
`headscope.analysis.registry.DETECTORS`; they look at what is stored and run no model."""
