"""Tasks that sites can learn together."""

from .calibration import Calibration as Calibration
from .hotspot import Hotspot as Hotspot
