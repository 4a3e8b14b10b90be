"""Runs the migrations in the transaction that tenants.database has opened."""

from alembic import context

from tenants.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
