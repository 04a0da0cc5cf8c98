"""Receiving in a thread of its own, some chunks ahead of whoever reads."""

import queue
import threading
from collections.abc import Generator, Iterable

__all__ = ["AHEAD_MAX", "ahead"]

AHEAD_MAX = 8
"""Chunks held at most; of 1 MiB at most each, by the sources' contract."""
_WAIT_S = 0.2


def ahead(chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
    """Give the same chunks in the same order, and in the end the same error, while the next ones are being received.

    Socket, hash and decompressor release the interpreter, so two cores are busy. Closing the iterator stops the thread
    at its next chunk, and closes `chunks`.
    """
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(AHEAD_MAX)
    stopped = threading.Event()

    def put(item: bytes | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=_WAIT_S)
            except queue.Full:
                continue
            return True
        return False

    def receive() -> None:
        iterator = iter(chunks)
        try:
            for chunk in iterator:
                if not put(chunk):
                    break
            else:
                put(None)
        except BaseException as error:  # raised again in the reader's thread
            put(error)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=receive, name="receive", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
