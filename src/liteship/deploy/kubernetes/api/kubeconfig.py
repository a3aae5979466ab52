"""Where the cluster is and who asks it: kubeconfig, or the service account of a Pod."""

from __future__ import annotations

import os
import re
import ssl
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from liteship.deploy.kubernetes.api.kubeconfig_faults import (
    explained,
    invalid,
    logged,
    plugin_failed,
    silent,
)
from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where a Pod finds its token
(https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/)."""

IN_CLUSTER = "in-cluster"
"""What stands for the context's name in a Pod."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """A cluster and credentials for it.

    Args:
        context: kubeconfig's name of it.
        namespace: The context's own, or `default`.
        server: `https://HOST:PORT`, with a path where a proxy needs one.
        configuration: kubernetes' `Configuration`: TLS, proxy and credentials.
        authorization: The header's value; empty where a certificate or nothing says who we are.
        tls: Whom to trust, and our certificate; None where there is no TLS, or everybody is trusted.
    """

    context: str
    namespace: str
    server: str
    configuration: Any
    authorization: str
    tls: ssl.SSLContext | None = None


def find_access(context: str | None = None) -> Access:
    """Reads kubeconfig as kubectl does; where there is none, a Pod's service account.

    Args:
        context: As `--context`; by default kubeconfig's current one.

    Raises:
        ConfigurationError: `extra-missing`.
        ClusterError: `kubeconfig-missing`, `kubeconfig-invalid`, `cluster-unauthorized` where a
            credentials plugin fails.
    """
    try:
        with silent():
            import kubernetes  # noqa: F401  # the slow part, once
    except ImportError as error:
        raise ConfigurationError(
            "extra-missing",
            f"talking to a cluster needs a package that is not installed: {error.name}",
            hint="pip install 'liteship[deploy]', or make install",
        ) from error
    named = os.environ.get("KUBECONFIG") or os.path.join("~", ".kube", "config")
    paths = [os.path.expanduser(path) for path in named.split(os.pathsep) if path]
    found = [path for path in paths if os.path.exists(path)]
    token = os.path.join(SERVICE_ACCOUNT, "token")
    if found:
        access = _from_files(found, context)
    elif context is None and os.environ.get("KUBERNETES_SERVICE_HOST") and os.path.isfile(token):
        access = _from_service_account()
    else:
        raise ClusterError(
            0,
            "",
            "kubeconfig-missing",
            f"no kubeconfig: there is no {' and no '.join(paths)}",
            hint="set KUBECONFIG, or have your cluster's provider write one (kind export kubeconfig, "
            "aws eks update-kubeconfig, …)",
        )
    if not access.server.startswith("https:"):
        return access
    if not access.configuration.verify_ssl:
        import urllib3

        # kubeconfig says insecure-skip-tls-verify: somebody wants it so
        warnings.filterwarnings("ignore", category=urllib3.exceptions.InsecureRequestWarning)
        return access
    return replace(access, tls=_tls(access))


def _from_files(paths: list[str], context: str | None) -> Access:
    from kubernetes.client import Configuration
    from kubernetes.config import kube_config

    library: Any = kube_config  # some of its versions have types
    where = ", ".join(paths)
    with explained(where):
        merger = library.KubeConfigMerger(os.pathsep.join(paths))
        config = merger.config
        contexts = {entry.value["name"]: entry.value for entry in config.value["contexts"]}
        current = config.value.get("current-context")
        clusters = {entry.value["name"]: entry.value for entry in config.value["clusters"]}
        users = {entry.value["name"]: entry.value for entry in config.value["users"]}
        chosen = _choose(context, current, contexts, where)
        settings = contexts[chosen]["context"]
        cluster = _named(clusters, settings, "cluster", chosen, where)["cluster"]
        user = _named(users, settings, "user", chosen, where)["user"] if settings.get("user") else None
        server = _address(cluster["server"], where)
        configuration = Configuration()
        loader = library.KubeConfigLoader(
            config_dict=config,
            active_context=chosen,
            config_base_path=None,  # each file's own folder
            config_persister=merger.save_changes,
        )
        with logged() as complaints:
            loader.load_and_set(configuration)
        if cluster.get("proxy-url"):  # which kubernetes 32 does not read
            configuration.proxy = cluster["proxy-url"]
        authorization = _authorization(configuration, where)
        plugin = (user or {}).get("exec")
        if plugin and not authorization and not configuration.cert_file:
            raise plugin_failed(plugin, chosen, "; ".join(complaints))
        return Access(
            context=chosen,
            namespace=settings.get("namespace") or "default",
            server=server,
            configuration=configuration,
            authorization=authorization,
        )


def _choose(context: str | None, current: Any, contexts: Mapping[str, Any], where: str) -> str:
    chosen = context or current
    known = ", ".join(sorted(contexts)) or "none"
    if not chosen or not isinstance(chosen, str):
        raise invalid(where, "it names no current context", f"give --context; known: {known}")
    if chosen not in contexts:
        raise invalid(where, f"it has no context {chosen}", f"give --context; known: {known}")
    return chosen


def _named(
    entries: Mapping[Any, Any], settings: Mapping[str, Any], kind: str, context: str, where: str
) -> Any:
    name = settings.get(kind)
    if name not in entries:
        raise invalid(
            where,
            f"its context {context} names the {kind} {name}, which it does not have",
            f"correct the context: kubectl config set-context {context} --{kind}=…",
        )
    return entries[name]


def _from_service_account() -> Access:
    from kubernetes.client import Configuration
    from kubernetes.config import incluster_config

    library: Any = incluster_config
    configuration = Configuration()
    with explained(SERVICE_ACCOUNT):
        library.InClusterConfigLoader(
            token_filename=os.path.join(SERVICE_ACCOUNT, "token"),
            cert_filename=os.path.join(SERVICE_ACCOUNT, "ca.crt"),
            environ=os.environ,
        ).load_and_set(configuration)
        with open(os.path.join(SERVICE_ACCOUNT, "namespace"), encoding="utf-8") as file:
            namespace = file.read().strip()
        return Access(
            context=IN_CLUSTER,
            namespace=namespace or "default",
            server=_address(configuration.host, SERVICE_ACCOUNT),
            configuration=configuration,
            authorization=_authorization(configuration, SERVICE_ACCOUNT),
        )


def _authorization(configuration: Any, where: str) -> str:
    setting = configuration.auth_settings().get("BearerToken") or {}
    value = str(setting.get("value") or "").strip()
    if not re.fullmatch(r"[\x20-\x7e]*", value):
        raise invalid(where, "its token has characters that no token has", "log in again")
    return value


def _address(server: Any, where: str) -> str:
    try:
        parts = urlsplit(str(server))
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise invalid(where, f"its server is no address: {server!r}", "write it as https://HOST:PORT")
    return str(server).rstrip("/")


def _tls(access: Access) -> ssl.SSLContext:
    configuration = access.configuration
    try:
        tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        # On by default from Python 3.13 on, and more than EKS's own authorities fulfil
        # (https://github.com/kubernetes-client/python/issues/2394)
        tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if configuration.cert_file:
            # An empty password: one that is needed would be asked for on the terminal
            tls.load_cert_chain(configuration.cert_file, configuration.key_file, password="")
        return tls  # noqa: TRY300
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise invalid(
            f"the context {access.context}",
            f"its certificates or its key cannot be used: {error}",
            "write them anew; your cluster's provider has a command for it",
        ) from error
