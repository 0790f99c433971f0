"""What is learned: weights in safetensors, each with a card that says what it was trained on and how well it does."""

from .training import Training as Training
from .training import train as train
from .weights import checked as checked
from .weights import load_state as load_state
from .weights import load_weights as load_weights
from .weights import named as named
from .weights import pack as pack
from .weights import read_card as read_card
from .weights import save_state as save_state
from .weights import save_weights as save_weights
from .weights import unpack as unpack
