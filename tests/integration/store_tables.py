"""What is in a database, spoken to past the store."""

from __future__ import annotations

import sqlalchemy as sa

from headscope.storage import session


def execute(url: str, *statements: str) -> None:
    engine = session.open_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def make_folder(url: str) -> None:
    path = session.database_path(url)
    if path is not None:
        path.parent.mkdir()


def names(url: str) -> set[str]:
    engine = session.open_engine(url)
    inspector = sa.inspect(engine)
    found = {*inspector.get_table_names(), *inspector.get_view_names()}
    engine.dispose()
    return found
