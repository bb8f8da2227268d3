"""What version 0009 took apart, frozen: what an attribution was asked for, and what came out."""
