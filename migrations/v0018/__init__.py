"""What version 0018 added, frozen: sums of cubes beside the others over heads."""
