"""VISA's database: a file in the lab's directory, or nothing but memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, StaticPool, create_engine, event, select
from sqlalchemy.orm import Session

from lab.visa.tables import Base, CloudProvider, Flavour, Image, Instance, Plan, Setting, User

T = TypeVar("T", bound=Base)
BUSY = 30  # seconds that a writer waits for another one


class Store:
    """The database.

    Arguments:
        file: where; None: in memory, for tests.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._engine = _memory() if file is None else _file(file)
        Base.metadata.create_all(self._engine)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session. Nothing is written but by its ``commit``."""
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    def setting(self, name: str) -> str | None:
        """Return what was remembered under a name."""
        with self.session() as session:
            found = session.get(Setting, name)
            return found.value if found else None

    def remember(self, **values: str) -> None:
        """Remember values by name."""
        with self.session() as session:
            for name, value in values.items():
                session.merge(Setting(name=name, value=value))
            session.commit()


def hashed(secret: str) -> str:
    """Return what is kept of a token or a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def user_of(session: Session, token: str) -> User | None:
    """Return whose token this is."""
    return session.scalar(select(User).where(User.token_hash == hashed(token)))


def rows(session: Session, table: type[T]) -> Sequence[T]:
    """Return all rows of a table, by id."""
    return session.scalars(select(table).order_by(table.__table__.c.id)).all()


def images(session: Session) -> list[Image]:
    """Return the images that an administrator sees."""
    return [each for each in rows(session, Image) if not each.deleted and _there(each.cloud)]


def flavours(session: Session) -> list[Flavour]:
    """Return the flavours that an administrator sees."""
    return [each for each in rows(session, Flavour) if not each.deleted and _there(each.cloud)]


def plans(session: Session) -> list[Plan]:
    """Return the plans that an administrator sees, and may start instances of: hidden ones, too."""
    return [
        each
        for each in rows(session, Plan)
        if not (each.deleted or each.image.deleted or each.flavour.deleted) and _there(each.image.cloud)
    ]


def living(session: Session, *conditions: Any, order: Any = Instance.id) -> Sequence[Instance]:
    """Return the instances that were not deleted, and of which this is true."""
    chosen = select(Instance).where(Instance.deleted_at.is_(None), *conditions)
    return session.scalars(chosen.order_by(order, Instance.id)).all()


def delete(session: Session, instance: Instance, now: datetime) -> None:
    """Take an instance off VISA's list: nothing is asked of its cloud."""
    instance.state, instance.deleted_at = "DELETED", now
    instance.ip_address = None
    session.commit()


def _there(cloud: CloudProvider | None) -> bool:
    return cloud is None or cloud.deleted_at is None


def _memory() -> Engine:
    return create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})


def _file(file: Path) -> Engine:
    file.touch(mode=0o600)
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": BUSY})

    def prepare(connection: Any, _record: object) -> None:
        connection.execute("pragma journal_mode=wal")  # so that readers do not wait for who writes
        connection.execute("pragma synchronous=off")  # a lab may lose what a power cut takes

    event.listen(engine, "connect", prepare)
    return engine
