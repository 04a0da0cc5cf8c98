"""The page of `affineur config explain` for a terminal."""

from affineur.report.layout import Page
from affineur.source.configuration.explanation import Asked, Explanation, Line, LookasideFound, TlsFound

__all__ = ["render"]

COLUMN = 9


def render(found: Explanation, width: int = 80, colour: bool = False) -> str:
    """Return what a name means, as a page."""
    page = Page(width, colour)
    page.paragraph(found.meant, 0, "strong")
    page.paragraph(found.why or "The name itself says which registry is meant.")
    for warning in found.warnings:
        page.fact("warning", warning, COLUMN, "warn")
    if found.asked:
        page.title("Asked, in this order:" if len(found.asked) > 1 else "Asked:")
    for number, each in enumerate(found.asked, 1):
        _asked(page, each, number)
    if not found.asked:
        page.title("Nobody is asked.")
    if found.left_out:
        page.title("Left out:")
    for left_out in found.left_out:
        page.paragraph(left_out.reference, 0, "strong")
        page.fact("why", left_out.why, COLUMN, "warn")
    page.title("GPG signatures:")
    _lookaside(page, "read", found.lookaside, "nowhere")
    _lookaside(page, "written", found.lookaside_staging, "nowhere; no lookaside-staging is named in registries.d")
    page.title("Read, later ones winning:" if len(found.files) > 1 else "Read:")
    for file in found.files or ("no registries.conf is there",):
        page.paragraph(file)
    return page.text()


def _asked(page: Page, each: Asked, number: int) -> None:
    if number > 1:
        page.blank()
    page.paragraph(f"{number}. {each.reference}", 0, "strong")
    page.fact("said by", f"{_where(each.said)}{', a mirror' if each.mirror else ''}", COLUMN)
    page.fact("at", each.url, COLUMN)
    if each.tls is not None:
        _tls(page, each.tls)
    proxy = f"{each.proxy.url} (${each.proxy.variable})" if each.proxy is not None else "none"
    page.fact("proxy", proxy, COLUMN)
    login = "none"
    if each.login is not None:
        login = f"{each.login.username or 'an identity token'}, from {each.login.where}"
    page.fact("login", login, COLUMN)
    for problem in each.problems:
        page.fact("problem", problem, COLUMN, "bad")


def _tls(page: Page, tls: TlsFound) -> None:
    if not tls.verify:
        page.fact("TLS", f"not verified, and plain HTTP where there is no TLS: {tls.why}", COLUMN, "warn")
    else:
        plain = "; plain HTTP where there is no TLS, on this machine alone" if tls.plain_http else ""
        page.fact("TLS", f"verified by {' and '.join((tls.trust, *tls.authorities))}{plain}", COLUMN)
    for certificate in tls.client_certificates:
        page.fact("shows", f"the client certificate {certificate}", COLUMN)


def _lookaside(page: Page, what: str, found: LookasideFound | None, none: str) -> None:
    if found is None:
        page.fact(what, none, COLUMN)
    else:
        page.fact(what, f"{found.url} ({_where(found.said) if found.said else 'by default'})", COLUMN)


def _where(said: Line | None) -> str:
    return f"{said.file}:{said.line}" if said is not None else "the name itself"
