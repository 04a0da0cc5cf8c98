"""Credential helpers: programs that keep logins, `docker-credential-NAME` on the PATH.

The protocol of docker-credential-helpers: the action is an argument (get, store, erase, list), the question comes on
stdin, the answer on stdout as JSON; where it fails, its exit status is not 0 and stdout says why.
"""

import contextlib
import os
import re
import selectors
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from affineur.errors import InvalidSettings
from affineur.source.credentials import Login

__all__ = ["CredentialHelper"]

MAX_HELPER_OUTPUT = 256 * 1024
"""Bytes of its answer that are read; a login has some hundreds, a registry's token some thousands."""
MAX_HELPER_INPUT = 32 * 1024
"""Bytes of what it is given: less than a pipe holds, so writing never waits."""
MAX_HELPER_S = 120.0
"""It may have to ask a person for the key of a wallet."""
MAX_SHOWN = 300
"""Characters of its own words in our messages."""

TOKEN_USER = "<token>"  # noqa: S105
"""Stands in the place of the name where the secret is an identity token."""
_NOT_FOUND = "credentials not found in native keychain"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


class _Kept(msgspec.Struct):
    username: str = msgspec.field(default="", name="Username")
    secret: str = msgspec.field(default="", name="Secret")


_KEPT = msgspec.json.Decoder(_Kept)  # made once, before there are threads: oci.document says why


class _Failed(Exception):
    """The program itself says no; its words are the message."""


class CredentialHelper:
    """One program that keeps logins, by host."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        """Nothing is run yet. Args: environment: what the program gets; its PATH is where the program is looked for.

        Raises InvalidSettings: a name that is none, e.g. with a slash.
        """
        if not _NAME.fullmatch(name):
            raise InvalidSettings(f"{name[:100]!r} names no credential helper (letters, digits, '.', '_', '-')")
        self.name = name
        self._program = f"docker-credential-{name}"
        self._environment = environment

    def get(self, server: str) -> Login | None:
        """The login for a server, or None where the helper says that it has none.

        Args:
            server: host, or host:port, or whatever it was stored by.

        Raises InvalidSettings: there is no such program, it failed, took too long, or its answer is no login.
        """
        try:
            answer = self._run("get", server.encode())
        except _Failed as failed:
            if str(failed).strip().lower() == _NOT_FOUND:
                return None
            raise self._error("get", str(failed)) from failed
        try:
            kept = _KEPT.decode(answer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # not from the exception: what it quotes may be the secret
            raise self._error("get", "its answer is not the JSON of a login") from None
        if not kept.secret:
            return None
        if kept.username == TOKEN_USER:
            return Login("", "", kept.secret)
        return Login(kept.username, kept.secret)

    def store(self, server: str, login: Login) -> None:
        """Keep a login. Raises InvalidSettings: as `get`."""
        given = {"ServerURL": server, "Username": login.username, "Secret": login.password}
        self._done("store", msgspec.json.encode(given))

    def erase(self, server: str) -> bool:
        """Forget a login; False where there is none. Raises InvalidSettings: as `get`."""
        if self.get(server) is None:  # what `erase` does about an unknown one differs from program to program
            return False
        self._done("erase", server.encode())
        return True

    def list(self) -> tuple[str, ...]:
        """The servers whose logins it keeps. Raises InvalidSettings: as `get`."""
        try:
            return tuple(msgspec.json.decode(self._done("list", b"unused") or b"{}", type=dict[str, str]))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise self._error("list", "its answer is not a JSON object of servers and names") from None

    def _done(self, action: str, given: bytes) -> bytes:
        try:
            return self._run(action, given)
        except _Failed as failed:
            raise self._error(action, str(failed)) from failed

    def _error(self, action: str, problem: str) -> InvalidSettings:
        words = " ".join("".join(c if c.isprintable() else " " for c in problem).split())
        return InvalidSettings(f"credential helper {self._program} {action}: {words[:MAX_SHOWN] or 'it failed'}")

    def _path(self, action: str) -> Path:
        for folder in self._environment.get("PATH", os.defpath).split(os.pathsep):
            path = Path(folder) / self._program
            # absolute: never from wherever the command happens to be run
            if path.is_absolute() and path.is_file() and os.access(path, os.X_OK):
                return path
        raise self._error(action, "no such program on the PATH; install it, or name a file by --authfile")

    def _run(self, action: str, given: bytes) -> bytes:
        if len(given) > MAX_HELPER_INPUT:
            raise self._error(action, f"more than {MAX_HELPER_INPUT} bytes to hand over")
        try:
            process = subprocess.Popen(  # noqa: S603 - a program of the user's choice, found by name on their PATH
                [self._path(action), action],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(self._environment),
            )
        except OSError as problem:
            raise self._error(action, problem.strerror or str(problem)) from problem
        try:
            out, errors = self._spoken(process, action, given)
            status = process.wait(1)
        except subprocess.TimeoutExpired:
            raise self._error(action, "it closed its output and did not end") from None
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        if status != 0:
            said = (out.strip() or errors.strip()).decode("utf-8", errors="replace")
            raise _Failed(said or f"it ended with status {status} and said nothing")
        return out

    def _spoken(self, process: subprocess.Popen[bytes], action: str, given: bytes) -> tuple[bytes, bytes]:
        assert process.stdin is not None  # noqa: S101 - for the type checker: all three are pipes
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):  # it need not listen to the end
            process.stdin.write(given)
            process.stdin.close()
        heard = {process.stdout: bytearray(), process.stderr: bytearray()}
        deadline = time.monotonic() + MAX_HELPER_S
        with selectors.DefaultSelector() as selector:
            for pipe in heard:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise self._error(action, f"no answer within {MAX_HELPER_S:.0f} s")
                for key, _ in ready:
                    part = os.read(key.fd, 65536)
                    into = next(content for pipe, content in heard.items() if pipe is key.fileobj)
                    into += part
                    if not part:
                        selector.unregister(key.fileobj)
                    if len(into) > MAX_HELPER_OUTPUT:
                        raise self._error(action, f"more than {MAX_HELPER_OUTPUT} bytes of output")
        return bytes(heard[process.stdout]), bytes(heard[process.stderr])
