"""The Run page. What it reads out of a run is also what the downloads of one read."""
