"""`affineur login`: tries a login at its registry, and keeps it where podman, skopeo and this program look."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from affineur.cli.options import cert_dir_option, tls_verify_option

if TYPE_CHECKING:
    from affineur.http.client import Client
    from affineur.source.configuration.keeping import LoginKey
    from affineur.source.credentials import Found, Login

__all__ = ["login"]

MAX_PASSWORD_BYTES = 16 * 1024
"""Of --password-stdin: identity and access tokens of clouds have some thousands."""
EXIT_NONE = 3


@click.command(
    epilog="""\b
Examples:
  affineur login registry.example
  affineur login registry.example:5000/team
  affineur login --username bot --password-stdin registry.example <token.txt
  affineur login --get-login registry.example

There is no option for the password itself: every user of the machine could
read it in the list of processes.

\b
Exit codes: 0 kept; 2 usage; 3 --get-login, and there is none; 4 the registry
did not answer, or does not take the login."""
)
@click.argument("registry", metavar="HOST[/NAMESPACE…]")
@click.option("--username", "-u", metavar="NAME", help="Who; asked for on a terminal.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option(
    "--authfile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep it in this file.  [default: where podman does]",
)
@tls_verify_option
@cert_dir_option
@click.option("--get-login", is_flag=True, help="Only print the name of the login that is kept.")
def login(
    registry: str,
    username: str | None,
    password_stdin: bool,
    authfile: Path | None,
    tls_verify: bool,
    cert_dir: Path | None,
    get_login: bool,
) -> int:
    """Log in to a registry, or to a part of it.

    The login is tried before it is kept: in $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json or
    $XDG_RUNTIME_DIR/containers/auth.json, the first that is set; or by the credential helper that this file names.
    """
    from affineur.cli.session import Session
    from affineur.source.configuration.keeping import Keeper, LoginKey
    from affineur.source.configuration.registries import Registries
    from affineur.source.credentials import Found
    from affineur.source.trial import try_login

    key = LoginKey.parse(registry)
    if password_stdin and not username:
        raise click.UsageError("--password-stdin needs --username")
    registries = Registries.read(os.environ)
    entry = registries.entry(str(key))
    insecure = entry is not None and entry.insecure
    helpers = registries.credential_helpers
    known = None if password_stdin and not get_login else _known(key, authfile, helpers)
    if get_login:
        if known is None:
            click.echo(f"affineur: not logged in to {key}", err=True)
            return EXIT_NONE
        click.echo(known.login.username or "<token>")
        return 0
    with Session(
        platform=None,
        tls_verify=tls_verify,
        cert_dir=cert_dir,
        authfile=authfile,
        mirrors=(),
        offline=False,
        settings_file=None,
        timings=False,
    ) as session:
        if known is not None and username is None and _still_taken(session.client, key, known, insecure):
            click.echo(f"Logged in to {key} already, as {known.login.username or '<token>'} ({known.where}).")
            return 0
        typed = _typed(username, password_stdin, known)
        where = "standard input" if password_stdin else "what was typed"
        taken = try_login(session.client, key.registry, Found(typed, where), insecure=insecure)
    where = Keeper(authfile, os.environ, helpers).store(key, typed)
    click.echo(f"Logged in to {key} as {typed.username}; kept in {where}.")
    if taken is None:
        click.echo(f"affineur: {key.registry} asked for no login, so this one could not be tried", err=True)
    return 0


def _known(key: "LoginKey", authfile: Path | None, helpers: tuple[str, ...]) -> "Found | None":
    from affineur.source.configuration.logins import ConfiguredLogins

    return ConfiguredLogins(authfile, os.environ, helpers, missing_ok=True).find(key.registry, key.repository)


def _still_taken(client: "Client", key: "LoginKey", known: "Found", insecure: bool) -> bool:
    from affineur.errors import Denied
    from affineur.source.trial import try_login

    try:
        return try_login(client, key.registry, known, insecure=insecure) is not None
    except Denied as refused:
        click.echo(f"affineur: {refused}", err=True)
        return False


def _typed(username: str | None, password_stdin: bool, known: "Found | None") -> "Login":
    from affineur.source.credentials import Login

    if not password_stdin and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask at: use --username and --password-stdin")
    if username is None:
        default = known.login.username or None if known is not None else None
        username = str(click.prompt("Username", default=default, err=True)).strip()
    if not username or ":" in username or not username.isprintable():
        raise click.UsageError("a user's name is not empty, and has no colon (RFC 7617)")
    password = _from_stdin() if password_stdin else str(click.prompt("Password", hide_input=True, err=True))
    if not password or any(character in password for character in "\r\n\0"):
        raise click.UsageError("the password is empty, or more than one line")
    return Login(username, password)


def _from_stdin() -> str:
    content = sys.stdin.buffer.read(MAX_PASSWORD_BYTES + 1)
    if len(content) > MAX_PASSWORD_BYTES:
        raise click.UsageError(f"the password has more than {MAX_PASSWORD_BYTES} bytes")
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise click.UsageError("the password is not UTF-8") from None
