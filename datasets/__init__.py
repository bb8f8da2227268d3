"""Prompt sets: those that come with Headscope, and loaders for files of your own."""
