"""What version 0011 added, frozen: what receipts compare with besides chance, and curves under each masking."""
