"""The service account that every namespace gets, without which no Pod is made in it.

https://kubernetes.io/docs/concepts/security/service-accounts/#default-service-accounts
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.kinds import NAMESPACE, SERVICE_ACCOUNT

if TYPE_CHECKING:
    from tests.kubernetes_stand_in.store import Store


def add_accounts(store: Store) -> None:
    """Makes the account where it is missing, and the namespace is not being deleted."""
    for namespace in store.of(NAMESPACE):
        metadata = namespace["metadata"]
        key = SERVICE_ACCOUNT.key(metadata["name"], "default")
        if "deletionTimestamp" not in metadata and store.get(key) is None:
            store.create(
                {
                    "apiVersion": SERVICE_ACCOUNT.api_version,
                    "kind": SERVICE_ACCOUNT.kind,
                    "metadata": {"name": "default", "namespace": metadata["name"]},
                }
            )
