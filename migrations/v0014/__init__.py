"""What version 0014 added, frozen: differences within counterfactual pairs, and stored effects of groups."""
