"""Where analyses run: in this process (`inline`), or in worker processes beside it (`local`)."""
