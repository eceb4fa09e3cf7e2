"""A certificate authority of the tests' own, made by the openssl program."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


class NoOpenssl(Exception):
    pass


@dataclass(frozen=True)
class Authority:
    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def context(self, host: str = "IP:127.0.0.1,DNS:localhost", days: int = 2) -> ssl.SSLContext:
        """For a server of that name. `days` 0: it expires at once."""
        name = f"server-{abs(hash((host, days)))}"
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "crt"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={host}\n", "utf-8")
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", key,
                 "-out", request)  # fmt: skip
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.folder / "ca.key",
                 "-CAcreateserial", "-extfile", extensions, "-days", str(days),
                 "-out", certificate)  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    def fingerprint(self) -> str:
        """Of the certificate made last, SHA-256, in hexadecimal."""
        newest = max(self.folder.glob("server-*.crt"), key=lambda path: path.stat().st_mtime_ns)
        said = _openssl("x509", "-in", newest, "-noout", "-fingerprint", "-sha256")
        return said.split("=")[1].strip().replace(":", "").lower()


def authority(folder: Path, name: str = "imgsearch tests") -> Authority:
    """Raises NoOpenssl."""
    folder.mkdir(parents=True, exist_ok=True)
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
             "-addext", "keyUsage=critical,keyCertSign",
             "-keyout", folder / "ca.key", "-out", folder / "ca.crt")  # fmt: skip
    return Authority(folder)


def _openssl(*words: str | Path) -> str:
    program = shutil.which("openssl")
    if program is None:
        raise NoOpenssl("The program openssl is missing; it makes the tests' certificates.")
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoOpenssl(done.stderr[-1000:])
    return done.stdout
