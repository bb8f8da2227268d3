"""The store in a notebook: frames, typed data, and the pages' figures without a server (docs/notebook.md)."""
