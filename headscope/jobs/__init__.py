"""Jobs: requests for runs, carried out by an engine and kept in a store; detection, comparison, verification."""
