"""Migrations: numbered steps that take the catalog of an earlier version to today's schema.

A module per step, `m0002_….py` and so on, with a `STEP`. A step never changes once it was released.
"""

from __future__ import annotations

from nunatak.catalog.migrations.m0002_complete_tables import STEP as COMPLETE_TABLES
from nunatak.catalog.migrations.m0003_givers_of_grants import STEP as GIVERS_OF_GRANTS
from nunatak.catalog.migrations.m0004_future_grants import STEP as FUTURE_GRANTS
from nunatak.catalog.migrations.m0005_usage_of_places import STEP as USAGE_OF_PLACES
from nunatak.catalog.migrations.step import Step

FIRST_VERSION = 1
"""The schema before the first step."""
STEPS: tuple[Step, ...] = (COMPLETE_TABLES, GIVERS_OF_GRANTS, FUTURE_GRANTS, USAGE_OF_PLACES)
"""All steps, in the order of their numbers, without a gap."""
SCHEMA_VERSION = STEPS[-1].number
"""Today's schema; a catalog of a later one is refused."""
