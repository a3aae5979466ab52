"""Why the API server did not answer, in our words: addresses, connections, TLS."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from liteship.deploy.kubernetes.api.refusals import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liteship.deploy.kubernetes.api.actions import Action

_UNKNOWN_AUTHORITY = (
    "its certificate comes from an authority that kubeconfig does not name",
    "have kubeconfig written anew, with this cluster's certificate-authority-data",
)
_WRONG_CERTIFICATE = (
    "its certificate is not right",
    "have it renewed by those who run the cluster",
)
# OpenSSL's numbers (https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/)
_TLS_WORDS = {
    2: _UNKNOWN_AUTHORITY,
    7: _UNKNOWN_AUTHORITY,  # of the same name, with another key
    18: _UNKNOWN_AUTHORITY,
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    9: ("its certificate is not valid yet", "check the clocks, this computer's too"),
    10: (
        "its certificate has expired",
        "have it renewed (kubeadm certs renew, or by the provider); check this computer's clock",
    ),
    62: (
        "its certificate is for other names",
        "use a name of the certificate's in kubeconfig, or set tls-server-name there",
    ),
    64: (
        "its certificate is for other addresses",
        "use a name of the certificate's in kubeconfig, or set tls-server-name there",
    ),
}


def unanswered(error: Exception, action: Action, server: str) -> ClusterError:
    """Why there is no answer, or only the beginning of one.

    Args:
        error: urllib3's `HTTPError`, or an OSError or ValueError below it.
        action: What was asked for.
        server: Its address.

    Returns:
        With `again_after_s` where the connection was made and dropped: asking again may help.
    """
    from urllib3 import exceptions

    causes = list(_causes(error))
    dropped = False
    hint = "check that the cluster runs, the address in kubeconfig, the network and a VPN's state"
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    cut = isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError)  # broken below TLS, or shut down
    if isinstance(tls, ssl.SSLCertVerificationError):
        why, hint = _TLS_WORDS.get(tls.verify_code, _WRONG_CERTIFICATE)
        why = f"{why} ({tls.verify_message})"
    elif tls is not None and not cut:
        why = f"no TLS with it: {tls}"
        hint = "check that the address in kubeconfig is an API server's, and its client certificate"
    elif any(isinstance(cause, exceptions.ProxyError) for cause in causes):
        why = f"the proxy does not lead there: {causes[-1]}"
        hint = "check proxy-url in kubeconfig, HTTPS_PROXY and NO_PROXY"
    elif any(isinstance(cause, socket.gaierror | exceptions.NameResolutionError) for cause in causes):
        why = "its name is not known"
    elif isinstance(error, exceptions.LocationValueError):
        why = f"its address cannot be used: {causes[-1]}"
    elif any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        why = "nobody listens there"
    elif isinstance(error, exceptions.NewConnectionError):  # such as no route
        why = str(causes[-1])
    elif isinstance(error, exceptions.ConnectTimeoutError):
        why = "it does not answer"
    elif isinstance(error, exceptions.TimeoutError):
        why = "it took too long to answer"
    else:
        why = f"the connection broke: {causes[-1]}"
        dropped = True
    unreachable = ClusterError(
        0,
        "",
        "cluster-unreachable",
        f"cannot {action}: no answer from the API server {server}: {why}",
        hint=hint,
    )
    unreachable.again_after_s = 0.0 if dropped else None
    return unreachable


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it wraps, outermost first: urllib3 puts causes among the arguments too."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        inner = [argument for argument in error.args if isinstance(argument, BaseException)]
        error = error.__cause__ or error.__context__ or (inner[0] if inner else None)
