"""Gateways before services, which are not offered: every statement about them says so."""

from __future__ import annotations

from nunatak.sql.language.statement import refuse

for _statement in (
    *(f"{verb} GATEWAY" for verb in ("CREATE", "ALTER", "DROP", "DESCRIBE")),
    "SHOW GATEWAYS",
):
    refuse(
        _statement,
        "Unsupported feature 'GATEWAY': call the endpoint of a service, which SHOW ENDPOINTS IN "
        "SERVICE names.",
    )
