"""Work cut into tiles and spread over processes; results kept by their content, so that a run survives its death."""

from .content import content_key as content_key
from .durable import Failure as Failure
from .durable import Kind as Kind
from .durable import durable as durable
from .engine import Engine as Engine
from .engine import Here as Here
from .journal import Journal as Journal
from .journal import Progress as Progress
from .journal import read_journal as read_journal
from .pool import pool as pool
from .spreading import spreading as spreading
from .store import Store as Store
from .tiles import Tile as Tile
from .tiles import Tiling as Tiling
from .tiles import split as split
from .tiles import stitch as stitch
