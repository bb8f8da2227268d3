"""The Scorer audit page."""
