"""What is known about lists of runs: the state in a link, the columns, and how both become a store's filter."""
