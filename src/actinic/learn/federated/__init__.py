"""Sites that learn together without moving their data: one task, trained pooled, in one process, or far apart."""

from .aggregation import AGGREGATES as AGGREGATES
from .aggregation import aggregate as aggregate
from .messages import Form as Form
from .messages import Request as Request
from .messages import disclose as disclose
from .messages import enclose as enclose
from .messages import form_of as form_of
from .messages import write_request as write_request
from .privacy import Privacy as Privacy
from .privacy import promised as promised
from .privacy import spent as spent
from .relay import relay as relay
from .secure import Masks as Masks
from .secure import public as public
from .server import Course as Course
from .server import Plan as Plan
from .server import conduct as conduct
from .simulate import Simulated as Simulated
from .simulate import Trial as Trial
from .simulate import simulate as simulate
from .simulate import together as together
from .site import Site as Site
from .site import Terms as Terms
from .task import Arrays as Arrays
from .task import Recipe as Recipe
from .task import Task as Task
