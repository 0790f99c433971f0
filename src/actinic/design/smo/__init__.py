"""Source-mask optimisation: linear programmes over source pixels and small moves of the mask's edges."""

from .clips import Clip as Clip
from .families import SourceRules as SourceRules
from .optimise import Effort as Effort
from .optimise import Found as Found
from .optimise import source_mask as source_mask
