"""Metalinks and lists of mirrors."""

import pytest

from affineur.errors import ContentError, LimitExceeded, MalformedDocument
from affineur.repositories.rpmmd.metalink import MAX_MIRRORS, is_metalink, read_metalink, read_mirrorlist

NEW, OLD, OLDER = "a" * 64, "b" * 64, "c" * 64
# The form of https://mirrors.fedoraproject.org/metalink, with other hosts
METALINK = f"""<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic" pubdate="Thu, 24 Oct 2019 21:52:20 GMT"
  generator="mirrormanager" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files>
  <file name="repomd.xml">
   <mm0:timestamp>1571935236</mm0:timestamp>
   <size>7601</size>
   <verification>
    <hash type="md5">8a4a3a1cbc3aa9cc1f8a48b4b4f0b5f6</hash>
    <hash type="sha1">5a4a3a1cbc3aa9cc1f8a48b4b4f0b5f612345678</hash>
    <hash type="sha256">{NEW}</hash>
    <hash type="sha512">{NEW * 2}</hash>
   </verification>
   <mm0:alternates>
    <mm0:alternate>
     <mm0:timestamp>1571848722</mm0:timestamp>
     <size>7599</size>
     <verification><hash type="sha256">{OLD}</hash></verification>
    </mm0:alternate>
    <mm0:alternate>
     <verification><hash type="sha256">{OLDER}</hash></verification>
    </mm0:alternate>
   </mm0:alternates>
   <resources maxconnections="1">
    <url protocol="https" type="https" location="CZ" preference="99">https://b.example/f/repodata/repomd.xml</url>
    <url protocol="https" type="https" location="CZ" preference="100">https://a.example/f/repodata/repomd.xml</url>
    <url protocol="rsync" type="rsync" location="CZ" preference="100">rsync://c.example/f/repodata/repomd.xml</url>
    <url protocol="http" type="http" location="DE" preference="98">http://u:p@d.example/f/repodata/repomd.xml</url>
   </resources>
  </file>
 </files>
</metalink>
""".encode()


def test_a_metalink() -> None:
    found = read_metalink(METALINK, "here")
    assert found.mirrors == ("https://a.example/f/", "https://b.example/f/", "http://d.example/f/")
    newest, old, older = found.states
    assert newest.digests == {f"sha256:{NEW}", f"sha512:{NEW * 2}"}
    assert (newest.size, newest.timestamp) == (7601, 1571935236)
    assert (old.digests, old.size) == (frozenset({f"sha256:{OLD}"}), 7599)
    assert (older.digests, older.size, older.timestamp) == (frozenset({f"sha256:{OLDER}"}), None, 0)


def test_weak_hashes_promise_nothing() -> None:
    text = METALINK.replace(b"sha256", b"md5").replace(b"sha512", b"sha1")
    assert read_metalink(text, "here").states == ()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>not found</html>",
        METALINK[:500],
        METALINK.replace(b"repomd.xml", b"other.xml"),
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + METALINK.partition(b"\n")[2],
        METALINK.replace(b"7601", b"7" * 20_000),
    ],
)
def test_what_is_no_metalink(text: bytes) -> None:
    with pytest.raises(ContentError):
        read_metalink(text, "here")


def test_too_many_mirrors() -> None:
    url = b"<url>https://a.example/repodata/repomd.xml</url>"
    with pytest.raises(LimitExceeded):
        read_metalink(METALINK.replace(b"</resources>", url * (MAX_MIRRORS + 1) + b"</resources>"), "here")
    with pytest.raises(LimitExceeded):
        read_mirrorlist(b"https://a.example/\n" * (MAX_MIRRORS + 1), "here")


def test_a_mirror_list() -> None:
    text = b"# repo = x\r\nhttps://a.example/el9\r\n\nhttp://u:p@b.example/el9/\nftp://c.example/\nhttps://a.example/el9/\n"
    assert read_mirrorlist(text, "here") == ("https://a.example/el9/", "http://b.example/el9/")
    assert read_mirrorlist(b"# nothing\n", "here") == ()
    with pytest.raises(MalformedDocument):
        read_mirrorlist(b"Invalid release\n", "here")


def test_a_mirror_list_may_be_a_metalink() -> None:
    assert is_metalink(METALINK)
    assert not is_metalink(b"# list\nhttps://a.example/\n")
