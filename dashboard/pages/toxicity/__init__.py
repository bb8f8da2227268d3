"""The Toxicity page."""
