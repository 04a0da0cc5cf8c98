"""One section of a .repo file becomes a repository, [main]'s defaults taken in.

Sources: dnf.conf(5) § Repo Options and § Options for both; yum.conf(5) § [repository] Options; zypper(8).
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from affineur.repositories.rpmmd.dnfconf import MalformedConfiguration, Option, Section, boolean, words
from affineur.repositories.rpmmd.model import Repository

__all__ = ["repository_of"]

MAX_URLS = 100  # of one repository and option; the longest real mirror lists in a file have a dozen
MAX_GLOBS = 10_000  # of one repository's excludes

_BAD_IN_ID = re.compile(r"[^A-Za-z0-9_.:-]")
_UNKNOWN = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_INHERITED = ("gpgcheck", "repo_gpgcheck", "sslverify", "sslcacert", "sslclientcert", "sslclientkey", "username",
              "password", "skip_if_unavailable", "enabled")  # fmt: skip


def repository_of(
    name: str,
    section: Section,
    path: str,
    main: Section,
    expand: Callable[[str], str],
    rules: str,
    problems: list[str],
) -> Repository | None:
    """Read one section; None (and a problem) where the manager passes over it.

    Args:
        path: of the file, for messages.
        main: [main], for the options that it sets for all.
        expand: puts values in the place of variables.
        rules: `dnf`, `tdnf`, `yum` or `zypper`.
        problems: gets a line for each value that is passed over.

    Raises:
        MalformedConfiguration: zypper alone: with this section nothing is read at all.
    """
    where = f"{path}:{section.line}"
    identifier = expand(name)
    if rules != "zypper" and (bad := _BAD_IN_ID.search(identifier)):
        problems.append(f"{where}: [{identifier[:100]}] is no id of a repository ({bad[0]!r} in it): passed over")
        return None
    if rules == "zypper":  # zypp.conf has no other defaults for them
        main = Section(0, {key: main.options[key] for key in ("gpgcheck", "repo_gpgcheck") if key in main.options})
    read = _Values(section, main, expand, path, problems)
    checked = read.truth("gpgcheck", rules == "zypper")
    places = {"baseurl": read.urls("baseurl"), "metalink": read.url("metalink"), "mirrorlist": read.url("mirrorlist")}
    if rules == "zypper" and (below := read.text("path").strip("/")):
        places["baseurl"] = [f"{url.rstrip('/')}/{below}" for url in places["baseurl"]]
    if rules == "zypper" and (bad_url := next((url for url in places["baseurl"] if not _SCHEME.match(url)), None)):
        raise MalformedConfiguration(section.options["baseurl"].line, f"no URL: {bad_url[:200]!r}")
    enabled = read.truth("enabled", True)
    if enabled and not any(places.values()):
        problems.append(f"{where}: [{identifier}] has no baseurl, metalink or mirrorlist")
    unknown = _UNKNOWN.findall(" ".join(url for each in places.values() for url in each)) if enabled else []
    problems += [
        f"{where}: [{identifier}] needs the variable {each}, which the image does not define"
        for each in dict.fromkeys(unknown)
    ]
    exclude = words(read.text("exclude") + "\n" + read.text("excludepkgs"))
    include = words("\n".join((read.text("includepkgs"), read.of_main("includepkgs"))))
    return Repository(
        id=identifier,
        name=read.text("name") or identifier,
        baseurl=tuple(places["baseurl"]),
        metalink=next(iter(places["metalink"]), ""),
        mirrorlist=next(iter(places["mirrorlist"]), ""),
        enabled=enabled,
        gpgcheck=checked,
        repo_gpgcheck=read.truth("repo_gpgcheck", False) or (rules == "zypper" and checked),
        gpgkey=tuple(words(read.text("gpgkey"))[:MAX_URLS]),
        exclude=exclude[:MAX_GLOBS],
        includepkgs=include[:MAX_GLOBS],
        priority=read.number("priority", 99),
        cost=read.number("cost", 1000),
        module_hotfixes=read.truth("module_hotfixes", False),
        skip_if_unavailable=read.truth("skip_if_unavailable", rules == "tdnf"),
        sslverify=read.truth("sslverify", True),
        client_certificate=read.text("sslclientcert"),
        client_key=read.text("sslclientkey"),
        ca_certificate=read.text("sslcacert"),
        credentials=read.login or bool(read.text("username") or read.text("password")),
        path=path,
        line=section.line,
    )


class _Values:
    """Options of a section, or of [main] where that counts for all."""

    def __init__(
        self, section: Section, main: Section, expand: Callable[[str], str], path: str, problems: list[str]
    ) -> None:
        self._options, self._main, self._expand = section.options, main.options, expand
        self._path, self._problems = path, problems
        self.login = False  # whether a URL had one

    def text(self, name: str) -> str:
        option = self._option(name)
        return "" if option is None else self._expand(option.value)

    def of_main(self, name: str) -> str:
        option = self._main.get(name)
        return "" if option is None else self._expand(option.value)

    def truth(self, name: str, otherwise: bool) -> bool:
        option = self._option(name)
        if option is None:
            return otherwise
        found = boolean(self._expand(option.value))
        if found is None:
            self._passed_over(name, option)
        return otherwise if found is None else found

    def number(self, name: str, otherwise: int) -> int:
        option = self._option(name)
        if option is None:
            return otherwise
        text = self._expand(option.value).strip()
        found = re.match(r"[+-]?[0-9]{1,9}(?![0-9])", text)  # libdnf overlooks what follows
        if found is None:
            self._passed_over(name, option)
            return otherwise
        return int(found[0])

    def urls(self, name: str) -> list[str]:
        """URLs without their logins."""
        found = words(self.text(name))
        if len(found) > MAX_URLS:
            self._problems.append(f"{self._path}:{self._options[name].line}: more than {MAX_URLS} URLs in {name}")
        return [self._bare(url) for url in found[:MAX_URLS]]

    def url(self, name: str) -> list[str]:
        """The one URL, or none."""
        text = self.text(name).strip()
        return [self._bare(text)] if text else []

    def _bare(self, url: str) -> str:
        try:
            parts = urlsplit(url)
        except ValueError:
            return url
        _, at, host = parts.netloc.rpartition("@")
        self.login = self.login or bool(at)
        return urlunsplit((parts.scheme, host, parts.path, parts.query, "")) if at else url

    def _option(self, name: str) -> Option | None:
        return self._options.get(name) or (self._main.get(name) if name in _INHERITED else None)

    def _passed_over(self, name: str, option: Option) -> None:
        self._problems.append(f"{self._path}:{option.line}: {name} is {option.value[:60]!r}, which is passed over")
