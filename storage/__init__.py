"""Everything that speaks SQL: schema, writing, queries, read-only SQL, exports, artifacts."""
