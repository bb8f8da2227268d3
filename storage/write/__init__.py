"""Writing: jobs, batches of results, findings; and what looks after them."""
