"""Services for objects of the account, made once and handed to those who ask for them."""

from __future__ import annotations

from typing import Any

from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Catalog
from nunatak.config import Settings
from nunatak.objects.functions import Functions
from nunatak.objects.granting.granting import Granting
from nunatak.objects.network import IntegrationObjects, NetworkRuleObjects
from nunatak.objects.places import Places
from nunatak.objects.pools import Pools
from nunatak.objects.repositories import ImageRepositories
from nunatak.objects.roles import RoleAccounts
from nunatak.objects.secrets import SecretObjects
from nunatak.objects.tags import Tags
from nunatak.objects.users import UserAccounts
from nunatak.objects.warehouses import Warehouses
from nunatak.services.assembly import Services
from nunatak.services.commands.repository_images import RepositoryImages
from nunatak.services.model.vault import Vault
from nunatak.stages.records import FileFormatRecords, StageRecords


def account_objects(
    settings: Settings,
    catalog: Catalog,
    *,
    access: Access,
    services: Services,
    vault: Vault,
) -> dict[type, Any]:
    """Services for objects of the account over one catalog, by their types; services that run
    follow what concerns them.

    They take names, options and the role that acts as plain values, and each call is one
    transaction; who may is decided before.
    """
    announce, refresh = services.changes.announce, services.control.refresh
    return {
        Objects: Objects(catalog),
        Places: Places(catalog, access),
        UserAccounts: UserAccounts(access, settings),
        RoleAccounts: RoleAccounts(catalog, access),
        Granting: Granting(access, services.owners),
        Warehouses: Warehouses(catalog),
        Tags: Tags(catalog),
        Pools: Pools(catalog, services),
        Functions: Functions(catalog, routes=services.routes, refresh=refresh),
        SecretObjects: SecretObjects(catalog, vault, announce=announce),
        NetworkRuleObjects: NetworkRuleObjects(catalog, announce=announce),
        IntegrationObjects: IntegrationObjects(catalog, announce=announce),
        ImageRepositories: ImageRepositories(catalog, services.addresses),
        RepositoryImages: RepositoryImages(catalog),
        StageRecords: StageRecords(catalog),
        FileFormatRecords: FileFormatRecords(catalog),
    }
