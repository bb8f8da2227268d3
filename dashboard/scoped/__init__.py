"""Pages over the runs that a link stands for: the bar that chooses them, their state, and a callback for every card."""
