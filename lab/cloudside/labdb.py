"""Make SQLite files fit for a long-lived OpenStack service. Import it before oslo.db makes an engine.

SQLAlchemy's pool for SQLite files closes the last connection after each transaction; SQLite then merges and removes
the write-ahead log every time, some 20 ms a transaction. A pool that keeps its connections open avoids that. oslo.db
sets the pool itself, so the function that it calls is replaced.
"""
import sqlalchemy
from sqlalchemy import pool

_create_engine = sqlalchemy.create_engine


def create_engine(url, **arguments):
    if str(url).startswith("sqlite:///") and len(str(url)) > len("sqlite:///"):
        arguments.update(poolclass=pool.QueuePool, pool_size=10, max_overflow=100)
        arguments.setdefault("connect_args", {}).update(check_same_thread=False, timeout=20)
    return _create_engine(url, **arguments)


sqlalchemy.create_engine = create_engine


def no_checkin_sleep():
    """Under a threaded server nothing is gained by yielding at each return of a connection."""
    from oslo_db.sqlalchemy import engines
    engines._thread_yield = lambda *_: None
