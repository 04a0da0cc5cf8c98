"""Certificates for tests, made by the openssl program."""

import shutil
import subprocess
from pathlib import Path

from support.leaving_out import leave_out

__all__ = ["Authority"]


class Authority:
    """An authority in a folder: `ca.crt`; `issue` makes what it signs."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            leave_out("needs the openssl program")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._run(
            "req", "-x509", *_KEY, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=An authority", "-days", "2"
        )

    def issue(self, name: str, subject_alternative: str, *, period: tuple[str, str] | None = None) -> tuple[str, str]:
        """Paths of certificate and key.

        Args:
            subject_alternative: such as `IP:127.0.0.1,DNS:localhost`.
            period: first and last moment, as `20200101000000Z`; None: two days from now.
        """
        self._run("req", "-new", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/O=Tests/CN={name}")
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={subject_alternative}\n")
        if period is not None:
            (self.folder / "index.txt").write_text("")
            (self.folder / "ca.cnf").write_text(
                "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\n"
                "policy=p\n[p]\norganizationName=optional\ncommonName=supplied\n"
            )
            (self.folder / "serial").write_text("01\n")
            self._run(
                "ca", "-batch", "-config", "ca.cnf", "-in", f"{name}.csr", "-out", f"{name}.crt", "-cert", "ca.crt",
                "-keyfile", "ca.key", "-extfile", f"{name}.ext", "-notext",
                "-startdate", period[0], "-enddate", period[1],
            )  # fmt: skip
        else:
            self._run(
                "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.crt", "-extfile", f"{name}.ext", "-days", "2",
            )  # fmt: skip
        return str(self.folder / f"{name}.crt"), str(self.folder / f"{name}.key")

    def self_signed(self, name: str, subject_alternative: str) -> tuple[str, str]:
        """Paths of a certificate that nobody issued, and its key."""
        self._run(
            "req", "-x509", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/O=Tests/CN={name}",
            "-days", "2", "-addext", f"subjectAltName={subject_alternative}",
        )  # fmt: skip
        return str(self.folder / f"{name}.crt"), str(self.folder / f"{name}.key")

    def trusted_folder(self) -> Path:
        """A folder for `--cert-dir` with this authority in it."""
        folder = self.folder / "trusted"
        folder.mkdir(exist_ok=True)
        shutil.copy(self.folder / "ca.crt", folder / "ca.crt")
        return folder

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
