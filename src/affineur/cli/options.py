"""The options that mean the same in every command, and how their texts become values."""

import functools
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar

import click

from affineur.cli.session import Session

__all__ = [
    "as_of_option",
    "cert_dir_option",
    "entitlement_option",
    "format_option",
    "moving",
    "policy_option",
    "reading",
    "reference_argument",
    "tls_verify_option",
]

P = ParamSpec("P")
R = TypeVar("R")
Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

reference_argument = click.argument("reference", metavar="REFERENCE")


class Moment(click.ParamType[datetime]):
    """A date (its end, 24:00 UTC, is not meant: 00:00 is) or an RFC 3339 time, as a UTC datetime."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """`2026-01-31` or `2026-01-31T12:00:00Z`."""
        if isinstance(value, datetime):
            return value
        text = str(value)
        try:
            if len(text) == len("2026-01-31"):
                return datetime.combine(date.fromisoformat(text), time(), UTC)
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is neither a date (2026-01-31) nor a time (2026-01-31T12:00:00Z)", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


as_of_option = click.option(
    "--as-of",
    type=Moment(),
    metavar="DATE",
    help="Grade for this UTC day instead of now; metadata is judged by now.",
)
tls_verify_option = click.option(
    "--tls-verify",
    type=click.BOOL,
    default=True,
    metavar="BOOL",
    help="false: accept any certificate, and plain HTTP.  [default: true]",
)
cert_dir_option = click.option(
    "--cert-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A folder with *.crt (authorities) and *.cert, *.key (client).",
)
entitlement_option = click.option(
    "--entitlement-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="N.pem and N-key.pem of a subscription, for repositories that ask for one.",
)
policy_option = click.option(
    "--policy", type=click.Path(path_type=Path, dir_okay=False), help="A policy file instead of the default policy."
)


def format_option(*names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """`--format` with these names, the first being the default, and `--json` as short for `--format json`.

    The command gets one argument, `output`.
    """

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def chosen(*arguments: P.args, **options: P.kwargs) -> R:
            short = options.pop("as_json")
            options["output"] = "json" if short else options["output"]
            return command(*arguments, **options)

        chosen = click.option("--json", "as_json", is_flag=True, help="Short for --format json.")(chosen)
        return click.option(
            "--format",
            "output",
            type=click.Choice(names),
            default=names[0],
            show_default=True,
            help="Output format (a name, not a Go template).",
        )(chosen)

    return decorate


_PLATFORM = click.option(
    "--platform", metavar="OS/ARCH", help="Of an index, this platform.  [default: linux, this machine's]"
)
_SESSION = [
    tls_verify_option,
    cert_dir_option,
    click.option(
        "--authfile",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="Logins, as podman writes them.",
    ),
    click.option(
        "--mirror", "mirrors", multiple=True, metavar="FROM=TO", help="Read at TO what lies below FROM (URL prefixes)."
    ),
    click.option("--offline", is_flag=True, help="Feeds and changelogs only as remembered (suites are still asked)."),
    click.option(
        "--settings",
        "settings_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Configuration file.  [default: $AFFINEUR_CONFIG, ~/.config/affineur/config.toml]",
    ),
    click.option("--timings", is_flag=True, help="At the end, bytes and seconds per stage, on stderr."),
]


def reading(command: Callable[..., R]) -> Callable[..., R]:
    """The options of every command that reads an image. The command gets one argument, `session`, for all of them."""
    return _with_session(command, [_PLATFORM, *_SESSION], ("platform",))


def moving(command: Callable[..., R]) -> Callable[..., R]:
    """The same for a command that moves images, which has its own word on platforms."""
    return _with_session(command, _SESSION)


def _with_session(command: Callable[..., R], added: Sequence[Decorator], own: tuple[str, ...] = ()) -> Callable[..., R]:
    @functools.wraps(command)
    def with_session(*arguments: Any, **options: Any) -> R:
        names = (*own, "tls_verify", "cert_dir", "authfile", "mirrors", "offline", "settings_file", "timings")
        with Session(**{name: options.pop(name) for name in names}) as session:
            return command(*arguments, session=session, **options)

    decorated: Callable[..., R] = with_session
    for option in reversed(added):
        decorated = option(decorated)
    return decorated
