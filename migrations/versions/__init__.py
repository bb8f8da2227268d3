"""One file per version of the schema, never changed after its release."""
