"""The drifting twin: a fab whose truth is known, to try controllers on. No controller imports it."""

from .fab import Fab as Fab
from .fab import FabLot as FabLot
from .fab import FabResult as FabResult
from .incidents import Incident as Incident
from .incidents import Machine as Machine
from .prints import Printed as Printed
from .prints import Prints as Prints
from .settings import MISSPECIFIED as MISSPECIFIED
from .settings import VARIANTS as VARIANTS
from .settings import Twin as Twin
from .settings import variant as variant
