"""What version 0002 added, frozen: layers and memory of attributions, and their receipts."""
