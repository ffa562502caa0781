"""Run by Superset's own Python: its metadata, its roles, and the one user.

The argument is the file of that user's password, so that no list of processes shows it.
"""

import sys
from pathlib import Path

from flask_migrate import upgrade
from superset.app import create_app

USER = "admin"
password = Path(sys.argv[1]).read_text(encoding="utf-8").strip()

with create_app().app_context():
    # They need an application around them.
    from superset import appbuilder, security_manager

    upgrade()
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    if user := security_manager.find_user(USER):
        security_manager.reset_password(user.id, password)
    else:
        admin = security_manager.find_role("Admin")
        security_manager.add_user(
            USER, "Kith", "admin", "admin@localhost", admin, password
        )
