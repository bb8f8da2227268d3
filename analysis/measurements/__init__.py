"""Measurements of one shared pass: heads, layers, the logit lens, the token trace."""
