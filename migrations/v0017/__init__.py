"""What version 0017 added, frozen: the values of heads in a part of the runs."""
