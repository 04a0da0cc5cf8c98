"""Answers whose end is disputed: RFC 9112 § 6, § 7.1 and § 9.3, with a server that sends exactly these bytes."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affineur.errors import Error, LimitExceeded, Unreachable
from affineur.http.addresses import Reach
from affineur.http.client import Client
from support.raw_server import RawServer

MakeClient = Callable[..., Client]
OWN = Reach.OWN
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"
SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"


def answered(client: Client, *answers: bytes) -> bytes:
    """What a client makes of an answer that is all a connection carries, both as a document and as a stream."""
    with RawServer(answers) as server:
        document = client.get(f"{server.url}/x", limit=1_000_000, reach=OWN).body
    with RawServer(answers) as server, client.stream(f"{server.url}/x", reach=OWN) as stream:
        assert b"".join(stream) == document
    return document


class TestChunks:
    @pytest.mark.parametrize(
        ("sent", "body"),
        [
            (b"0\r\n\r\n", b""),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"005\r\nhello\r\n00\r\n\r\n", b"hello"),
            (b'2\r\nhe\r\n3 ; a=b;c="d"\r\nllo\r\n0;x\r\nTrailer: x\r\nOther: y\r\n\r\n', b"hello"),
            (b"1A\r\n" + b"x" * 26 + b"\r\n1a\r\n" + b"y" * 26 + b"\r\n0\r\n\r\n", b"x" * 26 + b"y" * 26),
        ],
    )
    def test_are_put_together(self, client: Client, sent: bytes, body: bytes) -> None:
        """RFC 9112 § 7.1: hexadecimal in either case, extensions and trailers that nobody needs."""
        assert answered(client, CHUNKED + sent) == body

    @pytest.mark.parametrize(
        "sent",
        [
            b"-1\r\nhello",
            b"-5\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b" 5\r\nhello\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"0_5\r\nhello\r\n0\r\n\r\n",
            b"\xb2\r\nhello\r\n0\r\n\r\n",
            b"\r\nhello\r\n0\r\n\r\n",
            b";5\r\nhello\r\n0\r\n\r\n",
            b"g\r\nhello\r\n0\r\n\r\n",
            b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhello world\r\n0\r\n\r\n",
            b"5\r\nhelloX\n0\r\n\r\n",
            b"5" + b";" * 2000 + b"\r\nhello\r\n0\r\n\r\n",
        ],
    )  # fmt: skip
    def test_whose_length_is_none_are_refused(self, client: Client, sent: bytes) -> None:
        with pytest.raises(Unreachable, match=r"no HTTP/1\.1"):
            answered(client, CHUNKED + sent)
        with (
            RawServer([CHUNKED + sent]) as server,
            pytest.raises(Unreachable),
            client.stream(f"{server.url}/x", reach=OWN) as stream,
        ):
            list(stream)

    @pytest.mark.parametrize(
        "sent", [b"", b"5", b"5\r\n", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n0\r\n", b"0\r\nA: b\r\n"]
    )
    def test_that_end_early_are_a_broken_connection(self, client: Client, sent: bytes) -> None:
        with RawServer([CHUNKED + sent]) as server:
            with pytest.raises(Unreachable):
                client.get(f"{server.url}/x", limit=100, reach=OWN)
            with pytest.raises(Unreachable), client.stream(f"{server.url}/x", reach=OWN) as stream:
                list(stream)

    def test_of_a_negative_length_do_not_fill_the_memory(self, client: Client) -> None:
        """http.client's reader takes -1 for "to the end": cpython, Lib/http/client.py, _read_next_chunk_size."""
        endless = itertools.chain([CHUNKED + b"-1\r\n"], itertools.repeat(bytes(65536)))
        with RawServer([endless]) as server:
            with pytest.raises(Unreachable), client.stream(f"{server.url}/x", reach=OWN) as stream:
                list(stream)
            assert server.sent < 50_000_000

    @pytest.mark.parametrize(
        "flood",
        [b"Trailer: " + b"x" * 500 + b"\r\n", b"1;" + b"x" * 500 + b"\r\na\r\n"],
        ids=["trailers", "extensions"],
    )
    def test_with_an_endless_aside_are_left(self, client: Client, flood: bytes) -> None:
        start = CHUNKED + (b"0\r\n" if flood.startswith(b"T") else b"")
        with RawServer([itertools.chain([start], itertools.repeat(flood))]) as server:
            with pytest.raises(Unreachable, match="extensions and trailers"):
                client.get(f"{server.url}/x", limit=100_000_000, reach=OWN)
            assert server.sent < 50_000_000

    def test_without_end_are_left_at_the_limit(self, client: Client) -> None:
        endless = itertools.chain([CHUNKED], itertools.repeat(b"ffff\r\n" + bytes(0xFFFF) + b"\r\n"))
        with RawServer([endless]) as server, pytest.raises(LimitExceeded):
            client.get(f"{server.url}/x", limit=1_000_000, reach=OWN)

    @given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.integers(1, 400))
    def test_come_out_as_they_went_in(self, parts: list[bytes], size: int) -> None:
        """RFC 9112 § 7.1.3: the decoding there, for any division and any size of reading."""
        import io

        from affineur.http.framing import Chunked

        coded = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        reader = Chunked(io.BufferedReader(io.BytesIO(coded)))
        read = b""
        while part := reader.read(size):
            assert len(part) <= size
            read += part
        assert read == b"".join(parts)
        assert reader.finished


class TestHeadsThatAreReadInTwoWays:
    @pytest.mark.parametrize(
        "lines",
        [
            b"Content-Length: 5\r\nContent-Length: 6\r\n",
            b"Content-Length: 5, 5\r\n",
            b"Content-Length: -5\r\n",
            b"Content-Length: +5\r\n",
            b"Content-Length: 0x5\r\n",
            b"Content-Length: 1_0\r\n",
            b"Content-Length: \xb2\r\n",
            b"Content-Length:\r\n",
            b"Content-Length: " + b"9" * 30 + b"\r\n",
            b"Transfer-Encoding: gzip, chunked\r\n",
            b"Transfer-Encoding: chunked, chunked\r\n",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
            b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
            b"no header at all\r\nContent-Length: 5\r\n",
            b" folded: 1\r\nContent-Length: 5\r\n",
        ],
    )
    def test_are_refused(self, client: Client, lines: bytes) -> None:
        """RFC 9112 § 6.3, 4 and 5: an unrecoverable error, and the connection is closed."""
        with RawServer([b"HTTP/1.1 200 OK\r\n" + lines + b"\r\nhello", NEXT], [NEXT]) as server:
            with pytest.raises(Unreachable, match=r"no HTTP/1\.1"):
                client.get(f"{server.url}/x", limit=100, reach=OWN)
            assert client.get(f"{server.url}/x", limit=100, reach=OWN).body == b"next"
            assert server.connections == 2

    def test_equal_lengths_are_one(self, client: Client) -> None:
        assert answered(client, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nok") == b"ok"

    def test_chunks_go_before_a_length_and_the_connection_is_not_used_again(self, client: Client) -> None:
        """RFC 9112 § 6.3, 3, and § 6.1: close it after such an answer."""
        both = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        with RawServer([both, SMUGGLED], [NEXT]) as server:
            assert client.get(f"{server.url}/x", limit=100, reach=OWN).body == b"ok"
            assert client.get(f"{server.url}/x", limit=100, reach=OWN).body == b"next"
            assert server.connections == 2

    def test_a_folded_value_is_one_line(self, client: Client) -> None:
        """RFC 9112 § 5.2."""
        folded = b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n  b\r\nContent-Length: 0\r\n\r\n"
        with RawServer([folded]) as server:
            found = client.get(f"{server.url}/x", limit=100, reach=OWN)
        assert found.headers.get("X-Folded").split() == ["a", "b"]
        assert "\n" not in found.headers.get("X-Folded")


class TestConnectionsAreNotUsedAgain:
    @pytest.mark.parametrize(
        ("method", "first", "body"),
        [
            ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
            ("GET", CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"ok"),
            ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
            ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
            ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b""),
            ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b""),
        ],
    )
    @pytest.mark.parametrize("surplus", [b"x", SMUGGLED, SMUGGLED + bytes(200_000)], ids=len)
    def test_with_bytes_left_over(self, client: Client, method: str, first: bytes, body: bytes, surplus: bytes) -> None:
        """One answer that becomes two: the second would be taken for the answer to somebody else's question."""
        with RawServer([first + surplus], [NEXT]) as server:
            assert client.get(f"{server.url}/x", limit=100, reach=OWN, method=method).body == body
            assert client.get(f"{server.url}/y", limit=100, reach=OWN).body == b"next"
            assert [head.split()[1] for head in server.requests] == ["/x", "/y"]

    @pytest.mark.parametrize("first", [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 200 OK\r\n\r\nok"])
    def test_that_the_server_did_not_mean_to_keep(self, client: Client, first: bytes) -> None:
        with RawServer([first], [NEXT]) as server:
            assert client.get(f"{server.url}/x", limit=100, reach=OWN).body == b"ok"
            assert client.get(f"{server.url}/y", limit=100, reach=OWN).body == b"next"

    def test_but_are_where_all_is_well(self, client: Client) -> None:
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
        with RawServer([whole, CHUNKED + b"2\r\nok\r\n0\r\n\r\n", head, NEXT]) as server:
            for method in ("GET", "GET", "HEAD", "GET"):
                client.get(f"{server.url}/x", limit=100, reach=OWN, method=method)
            assert server.connections == 1


class TestAnswersBeforeTheAnswer:
    @pytest.mark.parametrize(
        "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"]
    )
    def test_are_passed_over(self, client: Client, interim: bytes) -> None:
        """RFC 9110 § 15.2: a client can read any number of 1xx, though it did not expect them."""
        assert answered(client, interim * 3 + NEXT) == b"next"
        with RawServer([interim + NEXT, NEXT]) as server:
            for _ in range(2):
                assert client.get(f"{server.url}/x", limit=100, reach=OWN).body == b"next"

    @pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 Else"])
    def test_without_end_are_left(self, client: Client, status: bytes) -> None:
        with RawServer([itertools.repeat(b"HTTP/1.1 " + status + b"\r\nA: b\r\n\r\n")]) as server:
            with pytest.raises(Unreachable, match="16 interim answers"):
                client.get(f"{server.url}/x", limit=100, reach=OWN)
            assert server.connections == 1

    def test_another_protocol_is_refused(self, client: Client) -> None:
        with (
            RawServer([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + NEXT]) as server,
            pytest.raises(Unreachable, match="another protocol"),
        ):
            client.get(f"{server.url}/x", limit=100, reach=OWN)


class TestHeads:
    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 " + b"x" * 1_000_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 10_000 + b"\r\n",
            b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"x" * 50_000 + b"\r\n") * 80 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX: x\r\n" + b" folded\r\n" * 10_000 + b"\r\n",
        ],
        ids=["a line of 1 MB", "a status of 1 MB", "10,000 lines", "4 MB of long lines", "10,000 folds"],
    )
    def test_that_are_bombs_are_left_and_not_asked_for_again(self, client: Client, head: bytes) -> None:
        with RawServer([head + b"x"]) as server:
            with pytest.raises(Unreachable, match=r"no HTTP/1\.1"):
                client.get(f"{server.url}/x", limit=100, reach=OWN)
            assert server.connections == 1

    @pytest.mark.parametrize(
        "head",
        [
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"220 ftp ready\r\n",
            b"\x00" * 100,
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1 -200 OK\r\n\r\n",
            b"HTTP/1.1\r\n\r\n",
            b"\r\n\r\n",
            b"<html>\r\n",
        ],
    )
    def test_that_are_none_are_refused(self, client: Client, head: bytes) -> None:
        with RawServer([head]) as server:
            with pytest.raises(Unreachable, match=r"no HTTP/1\.1|broke") as caught:
                client.get(f"{server.url}/x", limit=100, reach=OWN)
            assert "\x00" not in str(caught.value)

    @pytest.mark.parametrize("length", range(len(NEXT) - 4))
    def test_that_end_early_are_a_broken_connection(self, make_client: MakeClient, length: int) -> None:
        """A cut head is neither a head without a length nor one with a smaller number."""
        slept: list[float] = []
        with RawServer([NEXT[:length]], [NEXT]) as server:
            client = make_client(sleep=slept.append)
            assert client.get(f"{server.url}/x", limit=100, reach=OWN).body == b"next"
        assert len(slept) == 1

    def test_of_one_byte_after_the_other_are_given_up(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        import time

        from affineur.http import connection

        monkeypatch.setattr(connection, "GRACE_S", 0.3)

        def drip() -> "itertools.chain[bytes]":
            def slowly(part: bytes) -> bytes:
                time.sleep(0.02)
                return part

            return itertools.chain([b"HTTP/1.1 200 OK\r\nX: "], map(slowly, itertools.repeat(b"x")))

        began = time.monotonic()
        with RawServer([drip()]) as server, pytest.raises(Unreachable, match="slower than 4096 bytes a second"):
            client.get(f"{server.url}/x", limit=100, reach=OWN)
        assert time.monotonic() - began < 5


def test_patience_is_not_saved_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte that came fast buys no days of dripping."""
    import time

    from affineur.http import connection

    monkeypatch.setattr(connection, "GRACE_S", 0.3)

    def parts() -> "itertools.chain[bytes]":
        def slowly(part: bytes) -> bytes:
            time.sleep(0.02)
            return part

        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
        return itertools.chain([head, bytes(20_000_000)], map(slowly, itertools.repeat(b"x")))

    began = time.monotonic()
    with (
        RawServer([parts()]) as server,
        pytest.raises(Unreachable, match="slower than"),
        client.stream(f"{server.url}/x", reach=OWN) as stream,
    ):
        for _ in stream:
            pass
    assert time.monotonic() - began < 10


@settings(deadline=None)  # a server each time, on a machine that may be busy
@given(st.binary(max_size=200))
def test_whatever_comes_ends_in_an_answer_or_an_error_of_ours(garbage: bytes) -> None:
    from affineur.http.addresses import AddressPolicy

    with (
        RawServer([b"HTTP/1.1 200 OK\r\n" + garbage]) as server,
        Client(addresses=AddressPolicy(["127.0.0.0/8"]), environment={}, sleep=lambda seconds: None) as client,
    ):
        said = ""
        try:
            client.get(f"{server.url}/x", limit=100, reach=OWN)
        except Error as problem:
            said = str(problem)
        assert said.isprintable()
