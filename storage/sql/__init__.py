"""How each database is spoken to: many rows at once, expressions that differ, and SQL that users write."""
