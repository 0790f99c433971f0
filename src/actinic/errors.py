"""What can go wrong, as one tree; the message is the sentence the user reads.

ActinicError
├── ConfigError      a setting, preset or argument is wrong             exit code 2
├── InputError       a file, layer or window cannot be used             exit code 2
├── NumericalError   a computation did not give a usable result         exit code 3
│   └── WorkerLost   the process that computed it died, again and again
└── MissingError     an optional package, device or data set is absent  exit code 4

Exit codes of every verb: 0 done and in spec, 1 done but out of spec, 2 usage or configuration,
3 numerical failure, 4 missing extra, device or data, 130 interrupted.
"""

DONE, OUT_OF_SPEC, USAGE, NUMERICAL, MISSING, INTERRUPTED = 0, 1, 2, 3, 4, 130


class ActinicError(Exception):
    """Base of every error Actinic raises on purpose: one line saying what, where and what to do."""

    exit_code = USAGE


class ConfigError(ActinicError):
    """A setting, preset or argument is wrong. One line for each bad key."""


class InputError(ActinicError):
    """A file, layer or window cannot be used."""


class NumericalError(ActinicError):
    """A computation did not give a usable result."""

    exit_code = NUMERICAL


class WorkerLost(NumericalError):
    """The process that computed a task died each time it was tried."""


class MissingError(ActinicError):
    """An optional package, device or data set is absent."""

    exit_code = MISSING
