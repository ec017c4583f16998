"""Certificates for tests, good and bad. What trustme does not make is made here."""

import datetime
import ipaddress
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Folder:
    """Writes certificates into a folder; each method gives the files' paths."""

    def __init__(self, path):
        self.path = Path(path)

    def _write(self, name, data):
        file = self.path / name
        file.write_bytes(data)
        return file

    def authority(self, name):
        authority = trustme.CA(organization_name=name)
        return authority, self._write(f"{name}.pem", authority.cert_pem.bytes())

    def issued(self, name, authority, *hosts, **options):
        """(chain, key) of a certificate; the chain is one file."""
        made = authority.issue_cert(*hosts, **options)
        chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        return (
            self._write(f"{name}.crt", chain),
            self._write(f"{name}.key", made.private_key_pem.bytes()),
        )

    def self_signed(self, name, host, bits=2048):
        """The same of one that vouches for itself, with an RSA key of so many bits."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + DAY)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        return (
            self._write(f"{name}.crt", made.public_bytes(pem)),
            self._write(
                f"{name}.key",
                key.private_bytes(
                    pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                ),
            ),
        )


def subject_of(der):
    """The names that a certificate is for."""
    names = (
        x509.load_der_x509_certificate(der)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    return [
        str(name) if isinstance(name, ipaddress.IPv4Address) else name
        for kind in (x509.DNSName, x509.IPAddress)
        for name in names.get_values_for_type(kind)
    ]
