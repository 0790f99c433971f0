"""Secrets planted in data, and the search for them in bytes that have no business to hold them."""

import base64
import zlib


def windows(canary: bytes, size: int = 32) -> list[bytes]:
    """What to look for: pieces of a secret, raw, in hexadecimal and in base64 at any offset."""
    pieces = [canary[at : at + size] for at in range(0, len(canary) - size, size // 2)]
    coded = [base64.b64encode(piece[shift:])[4:-8] for piece in pieces for shift in range(3)]
    return [*pieces, *(piece.hex().encode() for piece in pieces), *coded]


def leaks(content: bytes, canary: bytes) -> bool:
    """Whether bytes hold any window of a secret, packed or not."""
    unpacked = [content]
    for mark, how in ((b"\x1f\x8b", 31), (b"\x78\x9c", 15), (b"\x78\xda", 15), (b"\x78\x01", 15)):
        at = content.find(mark)
        while at >= 0:
            try:
                unpacked.append(zlib.decompressobj(how).decompress(content[at:], 2**20))
            except zlib.error:
                pass
            at = content.find(mark, at + 1)
    return any(window in one for one in unpacked for window in windows(canary))
