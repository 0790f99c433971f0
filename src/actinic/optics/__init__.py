"""Source, lens and the images they make."""

from .ambit import Ambit as Ambit
from .ambit import ambit_kernels as ambit_kernels
from .film import FilmStack as FilmStack
from .film import Layer as Layer
from .film import Substrate as Substrate
from .film import reflectivity_curve as reflectivity_curve
from .film import swing_curve as swing_curve
from .kernels import KernelFile as KernelFile
from .materials import optical_constants as optical_constants
from .polarisation import sources_of as sources_of
from .polarisation import vector_rows as vector_rows
from .pupil import JonesPupil as JonesPupil
from .pupil import Projector as Projector
from .pupil import zernike as zernike
from .scanner import Scanner as Scanner
from .scanner import coherent_systems as coherent_systems
from .socs import decompose as decompose
from .source import Annular as Annular
from .source import Conventional as Conventional
from .source import Dipole as Dipole
from .source import Freeform as Freeform
from .source import Points as Points
from .source import Quasar as Quasar
from .source import sample as sample
