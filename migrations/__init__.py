"""The schema's versions, applied by Alembic (`headscope.storage.schema.versions`)."""
