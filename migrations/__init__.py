"""The schema's versions, applied by Alembic (`migrations.api`)."""
