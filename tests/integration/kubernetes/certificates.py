"""Certificates of an authority of one's own, right and wrong ones."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import ssl
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path


class Authority:
    """A certificate authority as EKS makes them: without key identifiers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign("authority", self._key, authority=True)
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)
        self.data = base64.b64encode(self.pem).decode()

    def pair(
        self, *, address: str = "127.0.0.1", name: str | None = None, age_days: int = 1, days: int = 30
    ) -> tuple[str, str]:
        """The files of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(address))]
        if name:
            names = [x509.DNSName(name)]
        certificate = self._sign("server", key, names=names, age_days=age_days, days=days)
        files = self._folder / "certificate.pem", self._folder / "key.pem"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return str(files[0]), str(files[1])

    def server(self, **settings: Any) -> ssl.SSLContext:
        """What a server needs."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*self.pair(**settings))
        return tls

    def _sign(
        self,
        common_name: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        names: list[x509.GeneralName] | None = None,
        authority: bool = False,
        age_days: int = 1,
        days: int = 30,
    ) -> x509.Certificate:
        start = dt.datetime.now(dt.UTC) - dt.timedelta(days=age_days)
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority of {id(self)}")])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(issuer if authority else subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())
