"""Learned arrays on disk, in safetensors: nothing in such a file runs when it is read.

Weights lie beside their card, a JSON document of the same name that says what they are, what they were trained on, how
well they do, and their SHA-256. The state of a training carries the digest of its own arrays.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError, MissingError
from ..plain import to_json
from ..scale import content_key
from ..writing import write_file

Tree = TypeVar("Tree")

_ABOUT = "actinic"
# Larger files are no weights of ours, and are not read.
MOST_BYTES = 2**30


def named(tree: Any) -> dict[str, np.ndarray]:
    """The arrays of a tree by their path in it, `layers.0.weight`; what is no array is left out."""
    found = jax.tree_util.tree_leaves_with_path(eqx.filter(tree, _is_array))
    return {jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(leaf) for path, leaf in found}


def pack(arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> bytes:
    """Arrays by name and a few words about them (plain data) as a safetensors file.

    The same bytes for the same content. MissingError without the package safetensors.
    """
    words = json.dumps(about, sort_keys=True)
    # One entry of metadata: the order of several would be left to chance.
    said = {_ABOUT: json.dumps([words, content_key(words, dict(arrays))])}
    return _safetensors().save({name: np.asarray(a, order="C") for name, a in arrays.items()}, said)


def unpack(content: bytes, where: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a safetensors file and what it says about them; InputError, naming `where`, if it is not whole."""
    library = _safetensors()
    try:
        arrays = library.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    # The library's own error is no subclass of anything that says more.
    except Exception as error:
        raise InputError(f"{where}: is no whole safetensors file ({' '.join(str(error).split())[:120]})") from None
    try:
        words, digest = json.loads(header.get("__metadata__", {})[_ABOUT])
        about = json.loads(words)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise InputError(f"{where}: was not written by Actinic: it does not say what its arrays are") from None
    try:
        same = content_key(words, arrays) == digest
    except TypeError:
        same = False
    if not same:
        raise InputError(f"{where}: it does not hold what it was written with: take a fresh copy")
    return arrays, about


def checked(arrays: Mapping[str, np.ndarray], like: Tree, where: str | Path) -> Tree:
    """A tree of the form of `like` with these arrays; InputError unless names, shapes and types agree, all finite."""
    wanted = named(like)
    if missing := sorted(wanted.keys() - arrays.keys()):
        raise InputError(f"{where}: has no array {missing[0]}: it belongs to another model")
    if extra := sorted(arrays.keys() - wanted.keys()):
        raise InputError(f"{where}: has an array {extra[0]} that this model has not: it belongs to another one")
    for name, array in wanted.items():
        found = arrays[name]
        if found.shape != array.shape or found.dtype != array.dtype:
            told = f"{found.dtype} {found.shape}, this model's is {array.dtype} {array.shape}"
            raise InputError(f"{where}: array {name} is {told}: it belongs to another model")
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise InputError(f"{where}: array {name} holds numbers that are not finite: take a fresh copy")
    own, rest = eqx.partition(like, _is_array)
    leaves, form = jax.tree_util.tree_flatten(own)
    new = [
        arrays[name] if isinstance(leaf, np.ndarray | np.generic) else jnp.asarray(arrays[name])
        for name, leaf in zip(wanted, leaves, strict=True)
    ]
    return eqx.combine(jax.tree_util.tree_unflatten(form, new), rest)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def save_weights(path: str | Path, tree: Any, card: Mapping[str, Any]) -> str:
    """Write a model's arrays and their card beside them; returns the file's SHA-256, which the card holds.

    `card` is plain data: what the model is, its data, its range, its figures.
    """
    content = pack(named(tree), {"model": card["model"]})
    digest = hashlib.sha256(content).hexdigest()
    write_file(path, content)
    write_file(_card(path), (to_json({**card, "sha256": digest, "bytes": len(content)}) + "\n").encode())
    return digest


def load_weights(path: str | Path, like: Tree, sha256: str | None = None) -> Tree:
    """The model of the form of `like` that a file holds.

    InputError unless the file's SHA-256 is the one in its card, and `sha256` where that is given, and its arrays are
    those of `like` in name, shape and type.
    """
    content = _read(path)
    digest, wanted = hashlib.sha256(content).hexdigest(), sha256 or read_card(path)["sha256"]
    if digest != wanted:
        raise InputError(f"{path}: has the SHA-256 {digest[:12]}..., not {wanted[:12]}...: not the weights of its card")
    return checked(unpack(content, path)[0], like, path)


def read_card(path: str | Path) -> dict[str, Any]:
    """What is said of the weights in a file; InputError where there is no card or it says no SHA-256."""
    place = _card(path)
    try:
        card = json.loads(_read(place))
    except (ValueError, RecursionError):
        raise InputError(f"{place}: is not JSON") from None
    if not isinstance(card, dict) or not isinstance(card.get("sha256"), str):
        raise InputError(f"{place}: is no card of weights: it gives no sha256")
    return card


def save_state(path: str | Path, state: Any, about: Mapping[str, Any]) -> None:
    """Write the state of a training, a tree of arrays, so that the file is the old one or the new one whole.

    `about` is what the training was asked for; it only goes on with the same.
    """
    write_file(path, pack(named(state), about))


def load_state(path: str | Path, like: Tree, about: Mapping[str, Any]) -> Tree:
    """The state that `save_state` wrote, bit for bit; InputError where it is of another training."""
    arrays, said = unpack(_read(path), path)
    wanted = json.loads(json.dumps(about))
    if said != wanted:
        other = sorted(key for key in said.keys() | wanted.keys() if said.get(key) != wanted.get(key))
        raise InputError(f"{path}: is of a training with another {', '.join(other)}: choose another folder")
    return checked(arrays, like, path)


def _card(path: str | Path) -> Path:
    return Path(path).with_suffix(".json")


def _read(path: str | Path) -> bytes:
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: is larger than 1 GiB: no weights of ours")
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _safetensors() -> Any:
    try:
        return import_module("safetensors.numpy")
    except ImportError:
        raise MissingError('learned weights need the package safetensors: pip install "actinic[learn]"') from None
