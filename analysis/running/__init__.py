"""Runs what a request asks for over a batch of prompts, a typed text or a pair of them."""
