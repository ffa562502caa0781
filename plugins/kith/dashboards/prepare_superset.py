"""Run by Superset's own Python: its metadata, its roles, and the one user.

The argument is the file of that user's password, so that no list of processes shows it.
"""

import sys
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from flask_migrate import upgrade
from superset.app import create_app

USER = "admin"
password = Path(sys.argv[1]).read_text(encoding="utf-8").strip()

with create_app().app_context():
    # They need an application around them.
    from superset import appbuilder, db, security_manager

    upgrade()
    # On SQLite the migrations leave behind that no two datasets may have one name,
    # whatever their databases; what replaced it lets each database have its own.
    with db.engine.begin() as connection:
        unique = sa.inspect(connection).get_unique_constraints("tables")
        if ["table_name"] in [constraint["column_names"] for constraint in unique]:
            operations = Operations(MigrationContext.configure(connection))
            named = {"uq": "uq_%(table_name)s_%(column_0_name)s"}
            with operations.batch_alter_table(
                "tables", recreate="always", naming_convention=named
            ) as tables:
                tables.drop_constraint("uq_tables_table_name", type_="unique")
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    if user := security_manager.find_user(USER):
        security_manager.reset_password(user.id, password)
    else:
        admin = security_manager.find_role("Admin")
        security_manager.add_user(
            USER, "Kith", "admin", "admin@localhost", admin, password
        )
