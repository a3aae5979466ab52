"""A Kubernetes cluster's API server: what liteship asks it, as methods."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from liteship.deploy.kubernetes.api import watching
from liteship.deploy.kubernetes.api.actions import Action
from liteship.deploy.kubernetes.api.connection import Connection, Request
from liteship.deploy.kubernetes.api.kinds import (
    AUTOSCALER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    EVENT,
    KNATIVE_SERVICE,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    REPLICA_SET,
    REVISION,
    SERVICE,
    Kind,
    kind_of,
)
from liteship.deploy.kubernetes.api.places import NONE, request_for, root_of
from liteship.deploy.kubernetes.api.refusals import ClusterError, namespace_leaving
from liteship.deploy.kubernetes.api.through import ANSWER_TIMEOUT_S, ask_through, request_through

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "AUTOSCALER",
    "DEPLOYMENT",
    "DISRUPTION_BUDGET",
    "EVENT",
    "KNATIVE_SERVICE",
    "NAMESPACE",
    "NETWORK_POLICY",
    "POD",
    "REPLICA_SET",
    "REVISION",
    "SERVICE",
    "Cluster",
    "ClusterError",
    "Kind",
    "kind_of",
]

PAGE = 500
"""Objects in one answer."""


class Cluster:
    """A namespace of a cluster, as a context of kubeconfig reaches it; a context manager.

    Args:
        namespace: As `--namespace`; by default the context's own, or `default`.
        context: As `--context`; by default kubeconfig's current one.

    Raises:
        ConfigurationError: `extra-missing`.
        ClusterError: `kubeconfig-missing`, `kubeconfig-invalid`, `cluster-unauthorized`.
    """

    def __init__(self, *, namespace: str | None = None, context: str | None = None) -> None:
        self._connection = Connection(context)
        access = self._connection.access
        self.namespace: str = namespace or access.namespace
        self.context: str = access.context
        self.server: str = access.server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def serves(self, api_version: str) -> bool:
        """Whether the API server knows that group and version.

        Raises:
            ClusterError: It does not tell.
        """
        action = Action(verb="get", resource=f"the API {api_version}", api_version=api_version)
        try:
            self._connection.ask(Request(action=action, path=root_of(api_version)))
        except ClusterError as error:
            if error.reference == "api-missing":
                return False
            raise
        return True

    def require_namespace(self) -> None:
        """Says that the namespace is missing, before something half is done.

        Raises:
            ClusterError: `namespace-missing`. Nothing where reading namespaces is forbidden: what
                comes next tells it then.
        """
        try:
            found = self._connection.ask(self._request("get", NAMESPACE, self.namespace))
        except ClusterError as error:
            if error.reference != "cluster-forbidden":
                raise
            return
        if _part(found, "status").get("phase") == "Terminating":
            raise namespace_leaving(200, "", self.namespace)

    def get(self, kind: Kind, name: str) -> dict[str, Any] | None:
        """One object, or None where it is not there.

        Raises:
            ClusterError: `api-missing`, `cluster-forbidden` and what else `refused` knows.
        """
        try:
            return self._connection.ask(self._request("get", kind, name))
        except ClusterError as error:
            if _absent(error):
                return None
            raise

    def list(
        self, kind: Kind, labels: Mapping[str, str] = NONE, *, fields: Mapping[str, str] = NONE
    ) -> list[dict[str, Any]]:
        """The objects of the namespace with these labels.

        Args:
            kind: Of what kind.
            labels: All of them have to be there, as they are.
            fields: The same for the fields that the API server can select by, such as
                `involvedObject.name` of Events.

        Raises:
            ClusterError: As `get`.
        """
        request = self._request("list", kind, labels=labels, fields=fields)
        found: list[dict[str, Any]] = []
        more = ""
        while True:
            query = {**request.query, "limit": str(PAGE)} | ({"continue": more} if more else {})
            try:
                page = self._connection.ask(replace(request, query=query))
            except ClusterError as error:
                if error.status != 410 or not more:
                    raise
                # The list was too slow for the server's memory: from its beginning, in one piece
                found, page = [], self._connection.ask(request)
            items = page.get("items")
            found += [
                {"apiVersion": kind.api_version, "kind": kind.kind, **item}
                for item in (items if isinstance(items, list) else [])
            ]
            more = str(_part(page, "metadata").get("continue") or "")
            if not more:
                return found

    def apply(
        self,
        manifest: Mapping[str, Any],
        *,
        manager: str = "liteship",
        dry_run: bool = False,
        force: bool = False,
    ) -> dict[str, Any]:
        """Makes the object as the manifest says, and leaves alone what the manifest does not name.

        Server-side apply (https://kubernetes.io/docs/reference/using-api/server-side-apply/): asked
        twice, it does the same once.

        Args:
            manifest: All fields that `manager` has an opinion on.
            manager: Who says so.
            dry_run: Whether the API server only checks it.
            force: Whether fields are taken over that others manage.

        Returns:
            The object as the API server has it, or would have it.

        Raises:
            ClusterError: `apply-conflict`, `webhook-refused`, `manifest-refused`, `quota-exceeded`,
                `namespace-missing`, `api-missing` and what else `refused` knows.
        """
        request = self._request("patch", kind_of(manifest), str(manifest["metadata"]["name"]))
        query = {"fieldManager": manager, "fieldValidation": "Strict"}
        if force:
            query["force"] = "true"
        if dry_run:
            query["dryRun"] = "All"
        return self._connection.ask(
            replace(
                request,
                method="PATCH",
                query=query,
                body=json.dumps(manifest).encode(),  # JSON is YAML
                content_type="application/apply-patch+yaml",
            )
        )

    def delete(self, kind: Kind, name: str) -> bool:
        """Deletes an object, and in the background what belongs to it.

        Returns:
            False where it was not there.

        Raises:
            ClusterError: As `get`.
        """
        request = self._request("delete", kind, name)
        query = {"propagationPolicy": "Background"}
        try:
            self._connection.ask(replace(request, method="DELETE", query=query))
        except ClusterError as error:
            if _absent(error):
                return False
            raise
        return True

    def watch(self, kind: Kind, name: str, *, timeout_s: float) -> Iterator[dict[str, Any] | None]:
        """The object as it is, then after each change; None when it is not there.

        Dropped connections, 410 Gone and the server's own end of a watch are mended by reading it
        again, so that a change may be left out that another one followed.

        Args:
            kind: Of what kind.
            name: The object's.
            timeout_s: When it ends.

        Raises:
            ClusterError: As `watching.watch`.
        """
        request = self._request("list", kind, fields={"metadata.name": name})
        for found in watching.watch(self._connection, request, timeout_s=timeout_s):
            yield found and {"apiVersion": kind.api_version, "kind": kind.kind, **found}

    def logs(
        self,
        pod: str,
        container: str,
        *,
        follow: bool = False,
        previous: bool = False,
        since_s: int | None = None,
        tail: int | None = None,
    ) -> Iterator[str]:
        """A container's lines, each after its timestamp and a space; what is no UTF-8 is replaced.

        Args:
            pod: The Pod's name.
            container: In it.
            follow: Whether to wait for more, until the container ends.
            previous: The container before the last restart.
            since_s: Lines of the last so many seconds, at least 1.
            tail: The last so many lines.

        Raises:
            ClusterError: As `watching.read_log`; `cluster-refused` with status 400 while the
                container has not started.
        """
        query = {"container": container, "timestamps": "true"}
        query |= {"follow": "true"} if follow else {}
        query |= {"previous": "true"} if previous else {}
        query |= {} if since_s is None else {"sinceSeconds": str(since_s)}
        query |= {} if tail is None else {"tailLines": str(tail)}
        request = self._request("get", POD, pod, part="log")
        timeout_s = watching.IDLE_S if follow else request.timeout_s
        return watching.read_log(self._connection, replace(request, query=query, timeout_s=timeout_s))

    def ask_pod(
        self,
        pod: str,
        port: int,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "",
        *,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> tuple[int, bytes]:
        """Asks a Pod over HTTP, through the API server.

        Returns:
            Status and body as the Pod answers them, an error's too; 502 and 503 can be the API
            server's own, where nothing listens in the Pod.

        Raises:
            ClusterError: There is no such Pod, or the API server does not let us ask it.
        """
        request = request_through(self.namespace, "pods", f"{pod}:{port}", method, path)
        request = replace(request, body=body, content_type=content_type, timeout_s=timeout_s)
        return ask_through(self._connection, request)

    def ask_service(
        self,
        service: str,
        port: str,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "",
    ) -> tuple[int, bytes]:
        """Asks one of a Service's Pods, as `ask_pod`.

        Args:
            service: The name of a Kubernetes Service.
            port: The name or number of one of its ports.
            method: HTTP's.
            path: Quoted, with its query.
            body: As it is sent.
            content_type: The body's.

        Raises:
            ClusterError: As `ask_pod`.
        """
        request = request_through(self.namespace, "services", f"{service}:{port}", method, path)
        return ask_through(self._connection, replace(request, body=body, content_type=content_type))

    def _request(self, verb: str, kind: Kind, name: str = "", **more: Any) -> Request:
        return request_for(self.namespace, verb, kind, name, **more)


def _absent(error: ClusterError) -> bool:
    return error.status == 404 and error.reference != "api-missing"


def _part(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = found.get(key)
    return value if isinstance(value, dict) else {}
