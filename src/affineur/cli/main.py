"""The command line's entry: loads only the command that was asked for, and turns every ending into an exit code."""

import importlib
import io
import os
import sys

import click

from affineur import __version__
from affineur.errors import ContentError, Error, InputError, SourceError

__all__ = ["main"]

EXIT_USAGE = 2
EXIT_SOURCE = 4
EXIT_CONTENT = 5
EXIT_FAULT = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED = 130

# name → (module, what it does); the module is imported only when its command runs
COMMANDS = {
    "assess": "Judge an image: health, lifecycle, metadata; one verdict.",
    "age": "When the grade changes: since when, until when, because of what.",
    "inspect": "Look at an image in its registry, without pulling it.",
    "tags": "List a repository's tags.",
    "packages": "List what is installed in an image.",
    "updates": "List what the image's own sources would offer it.",
    "cves": "List the CVEs that an update or an erratum would fix.",
    "pull": "Have an engine pull an image, if it is accepted.",
    "copy": "Move an image, with all that speaks of it, and verify it there.",
    "sync": "Bring the tags that a file wants, and only what has changed.",
    "login": "Try a login at its registry, and keep it where podman does.",
    "logout": "Forget a login.",
    "policy": "Show or check a policy.",
    "config": "Say what the configuration means for a name.",
    "completion": "Print completion code for bash, zsh or fish.",
}


class Lazy(click.Group):
    """A group that lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that was asked for."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"affineur.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


EPILOG = """\b
Examples:
  affineur assess registry.example/team/app:1
  affineur updates --list docker.io/library/debian:bookworm
  affineur age --as-of 2026-01-01 registry.example/team/app:1

\b
Exit codes: 0 done, or accepted; 1 rejected; 2 usage; 3 undetermined, or
something asked for could not be told; 4 the image's source did not answer;
5 content is not what was promised; 70 a fault of ours; 130 interrupted."""


@click.group(cls=Lazy, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Say, before anything is pulled, whether a container image deserves trust, why, and until when."""


def main() -> None:
    """Run the command line and exit. The libraries' own exit codes never get out."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # files and pipes are UTF-8 (JSON has to be: RFC 8259 § 8.1); a terminal is what it is
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command.

    Returns:
        The exit code (see the epilog).
    """
    try:
        outcome = cli.main(args=arguments, prog_name="affineur", standalone_mode=False)
    except click.ClickException as error:  # also UsageError and BadParameter
        error.show()
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("affineur: interrupted", err=True)
        return EXIT_INTERRUPTED
    except InputError as error:
        return _fail(error, EXIT_USAGE)
    except SourceError as error:
        return _fail(error, EXIT_SOURCE)
    except ContentError as error:
        return _fail(error, EXIT_CONTENT)
    except Error as error:
        return _fail(error, EXIT_FAULT)
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the last line of defence: a fault of ours, told without a page of traceback
        if os.environ.get("AFFINEUR_DEBUG"):
            raise
        from affineur.report.escape import visible

        click.echo(
            f"affineur: a fault of ours: {visible(f'{type(error).__name__}: {error}')}\n"
            "Please report it with the command; AFFINEUR_DEBUG=1 shows where it happened.",
            err=True,
        )
        return EXIT_FAULT
    return outcome if isinstance(outcome, int) else 0


def _fail(error: Error, code: int) -> int:
    from affineur.report.escape import visible

    click.echo(f"affineur: {visible(str(error))}", err=True)
    return code
