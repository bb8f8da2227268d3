"""The dashboard: a Dash app over a store. Never imports torch."""
