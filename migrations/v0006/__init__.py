"""What version 0006 added, frozen: how far each score may be off, and whether it converged."""
