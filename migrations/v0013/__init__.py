"""What version 0013 added, frozen: the relevance of heads beside that of tokens."""
