"""From hotspots to what an inspection tool looks at, and from what it found back to what was predicted."""

from .match import Compared as Compared
from .match import compare as compare
from .plan import Hotspot as Hotspot
from .plan import Likelihood as Likelihood
from .plan import Plan as Plan
from .plan import States as States
from .plan import plan as plan
