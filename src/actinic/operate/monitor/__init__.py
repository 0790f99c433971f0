"""Monitoring of equipment: is this wafer like the ones before? Float64 NumPy, no JAX; begin with `watch.py`."""

from .baseline import Baseline as Baseline
from .baseline import carried_scale as carried_scale
from .charts import KINDS as KINDS
from .charts import Chart as Chart
from .charts import designed as designed
from .features import Features as Features
from .features import Traces as Traces
from .features import trace_features as trace_features
from .read import read_table as read_table
from .read import read_traces as read_traces
from .resemble import library as library
from .resemble import resembling as resembling
from .resemble import suspects as suspects
from .watch import Finding as Finding
from .watch import Settings as Settings
from .watch import watch as watch
