"""What chance does to a print: photons, acid and quencher are few. Spread of sizes, rough edges, rare failures."""

from .chance import SOURCES as SOURCES
from .chance import Chance as Chance
from .chance import Film as Film
from .chance import Source as Source
from .chance import Tilt as Tilt
from .chance import film as film
from .contacts import Contacts as Contacts
from .contacts import Sizes as Sizes
from .contacts import find_contacts as find_contacts
from .contacts import measured as measured
from .edges import FEWEST_SAMPLES as FEWEST_SAMPLES
from .edges import Edges as Edges
from .edges import find_edges as find_edges
from .edges import traced as traced
from .failure import Failure as Failure
from .failure import merged as merged
from .failure import missing as missing
from .failure import nearest as nearest
from .rare import Probability as Probability
from .rare import Rate as Rate
from .rare import counted as counted
from .rare import likeliest as likeliest
from .rare import probability as probability
