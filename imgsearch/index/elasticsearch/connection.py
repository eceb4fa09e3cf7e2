"""Where a cluster is, and as whom to talk to it. Secrets are in no repr and in no message."""

from __future__ import annotations

from dataclasses import field, replace
from urllib.parse import unquote, urlsplit, urlunsplit

from imgsearch.dataclass import dataclass
from imgsearch.index.elasticsearch.errors import cluster_error
from imgsearch.paths import split_url, without_credentials

PASSWORD_IN_URL = (
    "A password in a URL shows in the process list and in the shell's history. Better: ES_USER and"
    " ES_PASSWORD, or ES_API_KEY, in the environment or in .env"
)
CERTIFICATES_NOT_VERIFIED = (
    "The cluster's certificate is not verified (verify_certs is off): whoever is in between can"
    " read and change everything."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where a cluster is, and the credentials for it. `url` has no index name; `ca_certs` are
    trusted in addition to the system's."""

    url: str | None = None
    cloud_id: str | None = None
    api_key: str | None = field(default=None, repr=False)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_certs: str | None = None
    verify_certs: bool = True
    ssl_assert_fingerprint: str | None = None

    def __repr__(self) -> str:
        return f"Connection({self.place})"

    @property
    def place(self) -> str:
        """The cluster's address for messages, never with a password."""
        return without_credentials(self.url) if self.url else "the cluster of the cloud id"

    def index_place(self, index_name: str) -> str:
        """The index as it can be named on the command line and in settings."""
        return f"{self.place.rstrip('/')}/{index_name}" if self.url else index_name


def split_credentials(url: str) -> tuple[str, str | None, str | None]:
    """The URL without them, user, password; percent-escapes undone. Raises UsageError."""
    parts = split_url(url, "The address of the index")
    credentials, at, _ = parts.netloc.rpartition("@")
    if not at:
        return url, None, None
    user, _, password = credentials.partition(":")
    return without_credentials(url), unquote(user) or None, unquote(password) or None


def settled(connection: Connection, notes: list[str]) -> Connection:
    """Credentials taken out of the URL, the port made explicit, contradictions refused.
    What the user should hear goes to `notes`. Raises IndexUnavailable, and UsageError for a URL."""
    if connection.url:
        connection = _settled_url(connection, connection.url, notes)
    elif not connection.cloud_id:
        raise cluster_error("no_cluster")
    if not connection.verify_certs:
        notes.append(CERTIFICATES_NOT_VERIFIED)
    if connection.api_key is not None:
        # a line break would make the HTTP library repeat the key in its complaint
        key = connection.api_key.strip()
        if not key.isascii() or not key.isprintable() or " " in key:
            raise cluster_error("malformed_api_key")
        connection = replace(connection, api_key=key)
    elif (connection.user is None) != (connection.password is None):
        missing = "ES_PASSWORD" if connection.password is None else "ES_USER"
        raise cluster_error("half_of_the_credentials", missing=missing)
    return connection


def _settled_url(connection: Connection, url: str, notes: list[str]) -> Connection:
    url, user, password = split_credentials(url)
    if password is not None:
        notes.append(PASSWORD_IN_URL)
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name
    return replace(
        connection,
        url=urlunsplit((parts.scheme, f"{host}:{port}", parts.path.rstrip("/"), "", "")),
        # an option or variable of its own outranks what stands in the URL
        user=connection.user or (user if connection.api_key is None else None),
        password=connection.password or (password if connection.api_key is None else None),
    )
