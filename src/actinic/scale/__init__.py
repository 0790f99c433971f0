"""Work cut into tiles and spread over processes."""

from .pool import spread as spread
from .tiles import Tile as Tile
from .tiles import Tiling as Tiling
from .tiles import split as split
from .tiles import stitch as stitch
