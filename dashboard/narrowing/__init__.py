"""Which runs: the conditions a link narrows the list of runs by, their words, and the columns they are about."""
