"""`pytest -m cluster`: the scenarios on the cluster that KUBECONFIG names.

| variable | what it says |
|---|---|
| KUBECONFIG | where the cluster is |
| LITESHIP_TEST_IMAGE | an image of this checkout's digits function, which the cluster can pull |
| LITESHIP_INGRESS | where Knative's ingress answers; without it, the functions' own URLs have to |
| LITESHIP_TEST_NAMESPACE | a namespace that exists; without it, one is made and deleted |
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
from tests.cluster.scenarios import SCENARIOS
from tests.cluster.world import World, wait_for

from liteship.deploy.kubernetes.api.cluster import NAMESPACE, Cluster
from liteship.deploy.kubernetes.api.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.cluster

SERVICE_ACCOUNT = Kind(api_version="v1", kind="ServiceAccount", plural="serviceaccounts")
"""Made by the cluster a moment after its namespace."""


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The cluster; without one, the scenarios are skipped."""
    for variable in ("KUBECONFIG", "LITESHIP_TEST_IMAGE"):
        if not os.environ.get(variable):
            pytest.skip(f"{variable} is not set: there is no cluster to try this on")
    given = os.environ.get("LITESHIP_TEST_NAMESPACE")
    namespace = given or f"liteship-test-{uuid.uuid4().hex[:8]}"
    ingress = os.environ.get("LITESHIP_INGRESS") or None
    world = World(
        namespace=namespace,
        image=os.environ["LITESHIP_TEST_IMAGE"],
        ingress=ingress if ingress is None or "://" in ingress else f"http://{ingress}",
        # The command runs in other folders
        kubeconfig=os.pathsep.join(
            os.path.abspath(each) for each in os.environ["KUBECONFIG"].split(os.pathsep) if each
        ),
        home=tmp_path_factory.mktemp("projects"),
    )
    if given:
        yield world
        return
    with Cluster() as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        try:
            with world.cluster() as inside:
                # Without it no Pod is made
                wait_for(lambda: inside.get(SERVICE_ACCOUNT, "default"))
            yield world
        finally:
            cluster.delete(NAMESPACE, namespace)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_on_a_cluster(
    scenario: Callable[[World], None], world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        scenario(world)
    finally:
        with capsys.disabled():
            while world.told:
                print(f"\n{world.told.pop(0)}", end="")  # noqa: T201
        world.remove_all()
