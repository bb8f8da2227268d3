"""The schema's versions, applied by Alembic (`headscope.migrations.api`)."""
