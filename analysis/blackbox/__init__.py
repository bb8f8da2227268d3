"""Models behind an API, asked and never opened: what a change of the prompt does to the answer is all there is."""
