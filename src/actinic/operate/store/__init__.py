"""Measurements kept for good: what came in, once, with every version; nothing is changed or deleted."""

from ..rows import Rejected as Rejected
from .database import WAIT_S as WAIT_S
from .export import export as export
from .flags import invalidate as invalidate
from .flags import reinstate as reinstate
from .ingest import Ingested as Ingested
from .ingest import ingest as ingest
from .query import Lot as Lot
from .query import Wanted as Wanted
from .query import lots as lots
from .query import marks as marks
