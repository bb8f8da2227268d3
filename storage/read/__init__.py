"""Reading: what pages, exports and commands show. Nothing here writes."""
