"""Secure aggregation: the server learns the sum of updates and, as long as all keep to the rules, no single one.

Updates become whole numbers of 2^-24 modulo 2^64. Every pair of sites has a secret of its own (X25519 keys that the
sites exchange without the server), from which both draw the same mask for one round and attempt; one adds it, the other
subtracts it, so that masks cancel in the sum of all (Bonawitz et al. 2017, without their recovery of lost masks: when a
site is missing the round is tried again among those left, with fresh masks).
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from ...errors import ConfigError, InputError, MissingError, NumericalError

# With fewer than three sites, the sum and one's own update give away the other's.
LEAST = 3
SCALE = 2.0**24
# Of a sum, so that it cannot pass for another one modulo 2^64.
MOST = 2.0**38


class Masks:
    """One site's secret key and the public keys of all; makes the masks of a round."""

    def __init__(self, site: str, secret: bytes, roster: Mapping[str, bytes]):
        self.site, self.roster = site, dict(roster)
        self._key = _curve().X25519PrivateKey.from_private_bytes(secret)
        if self.roster.get(site) != public(secret):
            raise ConfigError(f"the roster's key of {site} is not that of its secret: exchange the public keys again")

    def cover(self, update: np.ndarray, sites: Sequence[str], context: str) -> np.ndarray:
        """An update (n,) as masked whole numbers (n,) uint64, for a sum over these sites.

        `context` must be new for every update. InputError where a site is unknown, or they are too few.
        """
        if self.site not in sites or len(set(sites)) != len(sites) or len(sites) < LEAST:
            raise InputError(f"a masked sum is over {LEAST} sites or more, each once, this one among them: refused")
        if unknown := sorted(set(sites) - self.roster.keys()):
            raise InputError(f"{unknown[0]} is not in the roster: refused")
        total = whole(update, len(sites))
        for other in sites:
            if other != self.site:
                mask = self._shared(other, "\n".join([context, *sorted(sites)]), len(total))
                total = total + mask if self.site < other else total - mask
        return total

    def _shared(self, other: str, context: str, count: int) -> np.ndarray:
        common = self._key.exchange(_curve().X25519PublicKey.from_public_bytes(self.roster[other]))
        pair = "\n".join(sorted([self.site, other]))
        stream = hashlib.shake_256(b"actinic mask\n" + common + f"{pair}\n{context}".encode()).digest(8 * count)
        return np.frombuffer(stream, "<u8").astype(np.uint64)


def public(secret: bytes) -> bytes:
    """The public key of a site's secret, both 32 bytes."""
    return _curve().X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def whole(update: np.ndarray, sites: int) -> np.ndarray:
    """Whole numbers (n,) modulo 2^64 of an update; NumericalError where the sum over the sites might not fit."""
    if not (np.abs(update) < MOST / sites).all():
        raise NumericalError("an update is too large to be masked, or not finite")
    return np.round(update * SCALE).astype(np.int64).astype(np.uint64)


def uncovered(masked: np.ndarray) -> np.ndarray:
    """The sum (n,) of updates from masked ones (site, n), of all the sites that were asked."""
    return masked.sum(0, dtype=np.uint64).astype(np.int64) / SCALE


def _curve() -> Any:
    try:
        return import_module("cryptography.hazmat.primitives.asymmetric.x25519")
    except ImportError:
        raise MissingError('secure aggregation needs cryptography: pip install "actinic[federated]"') from None
