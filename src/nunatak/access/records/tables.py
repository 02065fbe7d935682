"""Tables of this room, beside the catalog's: users, roles, tokens, sessions.

Tokens of every kind are in one table, found by the hash of their text: whoever holds a token can
be looked up in one step, and a copy of the catalog lets nobody in.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

users = Table(
    "users",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("login_name", String(255), nullable=False, unique=True),
    Column("owner", String(255), nullable=False),
    Column("created_on", Float, nullable=False),
    Column("password_hash", Text),
    Column("rsa_public_key", Text),
    Column("rsa_public_key_2", Text),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("last_login", Float),
    Column("properties", JSON, nullable=False),
)

roles = Table(
    "roles",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("comment", Text, nullable=False, default=""),
    Column("created_on", Float, nullable=False),
    Column("identity", String(32)),
)

role_grants = Table(
    "role_grants",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("role", String(255), nullable=False),
    Column("grantee_kind", String(10), nullable=False),
    Column("grantee", String(255), nullable=False),
    Column("granted_by", String(255), nullable=False),
    Column("created_on", Float, nullable=False),
    UniqueConstraint("role", "grantee_kind", "grantee"),
)
Index("role_grants_by_grantee", role_grants.c.grantee_kind, role_grants.c.grantee)

tokens = Table(
    "tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("user", String(255), nullable=False),
    Column("session_id", BigInteger),
    Column("name", String(255)),
    Column("role", String(255)),
    Column("scope", Text),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("comment", Text, nullable=False, default=""),
    Column("created_on", Float, nullable=False),
    Column("expires_on", Float, nullable=False),
    UniqueConstraint("user", "name"),
)
Index("tokens_by_session", tokens.c.session_id)
Index("tokens_by_expiry", tokens.c.expires_on)

sessions = Table(
    "sessions",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("user", String(255), nullable=False),
    Column("restricted_to", String(255)),
    Column("client", JSON, nullable=False),
    Column("context", JSON, nullable=False),
    Column("created_on", Float, nullable=False),
    Column("used_on", Float, nullable=False),
    Column("opened_by", String(64)),
)
