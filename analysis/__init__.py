"""Computes: model backends, interpretation methods, probes and the analysis runner. No SQL, no Dash."""
