"""Measurements kept for good: what came in, once, with every version; nothing is changed or deleted."""

from .ingest import Ingested as Ingested
from .ingest import ingest as ingest
from .tables import Rejected as Rejected
