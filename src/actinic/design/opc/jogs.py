"""Jogs put into the edges of a mask where they pay.

An edge is one piece until its placement error along the target asks for more. The answer of the print to a piece of
edge moved out by h from a to b is close to m h [Phi((s - a) / w) - Phi((s - b) / w)], Phi the normal distribution, m
the mask error factor and w the reach of the optics. So of all pieces on a lattice, moved out or in by one smallest jog,
the one that takes away most of the squared error can be told at once, and one after the other is put in until the best
brings less than it costs. What their positions are to be in the end, the solver finds.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from .edges import Edges

# Longest piece that is looked at on a long edge, in jogs.
LONGEST = 60


@dataclass(frozen=True)
class Piece:
    """A part of an edge from `start_nm` to `end_nm`, counted from where it starts, moved out by `out_nm`."""

    edge: int
    start_nm: float
    end_nm: float
    out_nm: float


@dataclass(frozen=True)
class Pays:
    """What a jog does and when it is worth it: lengths in nm."""

    jog_nm: float
    apart_nm: float  # smallest width and space: least distance of two jogs
    reach_nm: float
    factor: float
    gain: float  # least squared error, nm^2 times nm of edge, that a piece must take away


def wanted(
    edge: int,
    length_nm: float,
    at_nm: np.ndarray,
    error_nm: np.ndarray,
    weight_nm: np.ndarray,
    pays: Pays,
    first_nm: float | None = None,
) -> list[Piece]:
    """The pieces that pay on one edge, from errors at places along it counted from its start.

    They end on a lattice about the edge's middle, so that it does not matter from which end one counts, and the edge as
    a whole takes up its mean error. With `first_nm`, a point of the lattice, the edge is a long one that may go on
    beyond what is known: the lattice stands there, and pieces are told from their own surroundings alone.
    """
    inner = int(np.floor(length_nm / pays.jog_nm + 1e-9)) - 2
    nodes = 0.5 * length_nm + pays.jog_nm * (np.arange(inner + 1) - 0.5 * inner)
    if first_nm is not None:
        nodes = first_nm % pays.jog_nm + pays.jog_nm * np.arange(1, int(length_nm / pays.jog_nm) + 1)
        nodes = nodes[nodes <= length_nm - pays.jog_nm + 1e-9]
    nodes = np.concatenate([[0.0], nodes, [length_nm]])
    return list(_pieces(edge, length_nm, nodes, at_nm, error_nm, weight_nm, pays, first_nm is None))


def _pieces(edge, length, nodes, at, error, weight, pays: Pays, whole: bool) -> Iterable[Piece]:
    root = np.sqrt(weight)
    step = pays.factor * ndtr((at[None] - nodes[:, None]) / pays.reach_nm) * root
    # Beyond the edge's ends there is nothing to move: what stands there is the whole edge.
    step[nodes <= 0] = pays.factor * root
    step[nodes >= length - 1e-9] = 0.0
    left = error * root
    if whole:  # the edge as a whole takes up the mean
        step = step - np.outer(step @ root, root) / (root @ root)
        left = left - (left @ root) * root / (root @ root)
    overlap = step @ step.T
    size = np.diag(overlap)
    energy = size[:, None] + size[None] - 2 * overlap
    a, b = np.meshgrid(nodes, nodes, indexing="ij")
    inner = (a > 0) & (b < length - 1e-9)
    free = (b - a >= np.where(inner, pays.apart_nm, pays.jog_nm) - 1e-9) & ~((a <= 0) & (b >= length - 1e-9))
    if not whole:
        free &= b - a <= LONGEST * pays.jog_nm
    found: list[Piece] = []
    while free.any():
        pull = step @ left
        pull = pull[:, None] - pull[None]
        gains = np.stack([-2 * h * pull - h * h * energy for h in (pays.jog_nm, -pays.jog_nm)])
        gains = np.where(free, gains, -np.inf)
        sign, i, j = np.unravel_index(int(np.argmax(gains)), gains.shape)
        if gains[sign, i, j] <= pays.gain:
            break
        h = pays.jog_nm * (1 - 2 * sign)
        found.append(Piece(edge, float(nodes[i]), float(nodes[j]), float(h)))
        left = left + h * (step[i] - step[j])
        clear = (b <= nodes[i] - pays.apart_nm) | (a >= nodes[j] + pays.apart_nm)
        free &= clear
    return found


def spliced(edges: Edges, pieces: Iterable[Piece]) -> tuple[Edges, np.ndarray, np.ndarray]:
    """The edges with jogs put in; of each the old edge that it is a part of or cuts, and its piece (-1: none)."""
    of: dict[int, list[tuple[int, Piece]]] = {}
    for number, piece in enumerate(pieces):
        of.setdefault(piece.edge, []).append((number, piece))
    position, upright, forward, source, owner = [], [], [], [], []
    before, after = [], []
    start, length = edges.start_nm, edges.length_nm
    for ring in edges.rings():
        first = len(position)
        for k in ring.tolist():
            here, run, out = edges.position_nm[k], int(edges.forward[k]), edges.outward[k]

            def add(value, along, sign, number=-1, k=k):
                position.append(float(value))
                upright.append(along)
                forward.append(int(sign))
                source.append(k)
                owner.append(number)

            up, at = bool(edges.upright[k]), 0.0
            for number, piece in sorted(of.get(k, []), key=lambda item: item[1].start_nm):
                moved, rise = here + out * piece.out_nm, int(np.sign(out * piece.out_nm))
                if piece.start_nm > 0:
                    if piece.start_nm > at or at == 0.0:
                        add(here, up, run)
                    add(start[k] + run * piece.start_nm, not up, rise, number)
                add(moved, up, run, number)
                at = piece.end_nm
                if piece.end_nm < length[k] - 1e-9:
                    add(start[k] + run * piece.end_nm, not up, -rise, number)
            if at < length[k] - 1e-9:
                add(here, up, run)
        n = len(position) - first
        number = np.arange(n)
        before += (first + (number - 1) % n).tolist()
        after += (first + (number + 1) % n).tolist()
    made = Edges(
        np.array(position), np.array(upright, bool), np.array(forward, int), np.array(before, int), np.array(after, int)
    )
    return made, np.array(source, int), np.array(owner, int)
