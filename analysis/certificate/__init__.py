"""A model's own certificate: its numbers against transformers' own plain forward pass, and against each other."""
