"""Mathematics that interpretation methods share, and the evidence attached to what they say."""
