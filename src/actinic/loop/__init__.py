"""The closed loop over design and operation: one product, one twin, and what each kind of correction is worth."""

from .evidence import ARMS as ARMS
from .evidence import Number as Number
from .evidence import numbers as numbers
from .inspect import Inspector as Inspector
from .lots import Product as Product
from .lots import Steering as Steering
from .lots import exposed as exposed
from .plant import Plant as Plant
from .scenario import Scenario as Scenario
from .tables import gauge_table as gauge_table
from .tables import monitor_table as monitor_table
from .tables import with_blur as with_blur
