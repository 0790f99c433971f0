"""Work cut into tiles and spread over processes."""

from .pool import pool as pool
from .tiles import Tile as Tile
from .tiles import Tiling as Tiling
from .tiles import split as split
from .tiles import stitch as stitch
