"""The catalog's tables. One generic table of objects keeps every kind the same way: what is
wanted (`spec`), what is (`status`), who owns it and when it changed. A change of a table is a
migration."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

objects = Table(
    "objects",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(40), nullable=False),
    Column("database_name", String(255), nullable=False, default=""),
    Column("schema_name", String(255), nullable=False, default=""),
    Column("parent_id", Integer, nullable=False, default=0),
    Column("name", String(255), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("comment", Text, nullable=False, default=""),
    Column("spec", JSON, nullable=False),
    Column("status", JSON, nullable=False),
    Column("revision", Integer, nullable=False, default=1),
    Column("created_on", Float, nullable=False),
    Column("updated_on", Float, nullable=False),
    UniqueConstraint("kind", "database_name", "schema_name", "parent_id", "name"),
    sqlite_autoincrement=True,
)
Index("objects_by_parent", objects.c.parent_id)

grants = Table(
    "grants",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("privilege", String(80), nullable=False),
    Column("object_kind", String(40), nullable=False),
    Column("object_name", String(1024), nullable=False),
    Column("grantee_kind", String(40), nullable=False),
    Column("grantee", String(1024), nullable=False),
    Column("grant_option", Integer, nullable=False, default=0),
    Column("granted_by", String(255), nullable=False),
    Column("created_on", Float, nullable=False),
    UniqueConstraint(
        "privilege", "object_kind", "object_name", "grantee_kind", "grantee", "granted_by"
    ),
)
Index("grants_by_grantee", grants.c.grantee_kind, grants.c.grantee)
Index("grants_by_object", grants.c.object_kind, grants.c.object_name)

future_grants = Table(
    "future_grants",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("privilege", String(80), nullable=False),
    Column("object_kind", String(40), nullable=False),
    Column("place_kind", String(40), nullable=False),
    Column("place_name", String(1024), nullable=False),
    Column("grantee_kind", String(40), nullable=False),
    Column("grantee", String(1024), nullable=False),
    Column("grant_option", Integer, nullable=False, default=0),
    Column("granted_by", String(255), nullable=False),
    Column("created_on", Float, nullable=False),
    UniqueConstraint(
        "privilege", "object_kind", "place_kind", "place_name", "grantee_kind", "grantee"
    ),
)
Index("future_grants_by_place", future_grants.c.place_kind, future_grants.c.place_name)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("object_id", Integer, ForeignKey("objects.id", ondelete="CASCADE"), nullable=False),
    Column("at", Float, nullable=False),
    Column("old", String(40), nullable=False),
    Column("new", String(40), nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(255), nullable=False),
)
Index("events_by_object", events.c.object_id, events.c.id)

facts = Table(
    "facts",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("value", Text, nullable=False),
)
