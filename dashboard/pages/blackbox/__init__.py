"""The Black box page."""
