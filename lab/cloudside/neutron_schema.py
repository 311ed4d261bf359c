"""Make neutron's tables. Its migrations do not run on SQLite, so they are made from the models and stamped.

usage: neutron_schema.py URL
"""
import sys

import sqlalchemy as sa
from alembic import script
from neutron.db.migration import cli
from neutron.db.migration.models import head

engine = sa.create_engine(sys.argv[1])
head.get_metadata().create_all(engine)
with engine.begin() as connection:
    connection.execute(sa.text("create table alembic_version (version_num varchar(32) not null primary key)"))
    for revision in script.ScriptDirectory.from_config(cli.get_neutron_config()).get_heads():
        connection.execute(sa.text("insert into alembic_version values ('%s')" % revision))
