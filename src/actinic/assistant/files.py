"""Files as tools see them: ids under one folder, and nothing outside it."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

from ..errors import ConfigError, InputError

# Parts that begin with a letter, digit or underscore: no `..`, no hidden file, no absolute path, no NUL, no line end.
_PART = r"[A-Za-z0-9_][A-Za-z0-9_ .+=@,-]*"
PATTERN = rf"^{_PART}(/{_PART})*$"
FileId = Annotated[str, StringConstraints(pattern=PATTERN, max_length=200)]
OWN = ".actinic"  # logs and the index of documents: no id reaches a hidden folder
MOST = 2000


class Root:
    """The folder whose files tools may use, by ids with forward slashes such as `lots/week12.csv`."""

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder).absolute()
        if not self.folder.is_dir():
            raise ConfigError(f"{folder}: is no folder; name the one that holds the files, with --root")
        self.folder = self.folder.resolve()

    @property
    def own(self) -> Path:
        """Where the assistant keeps its logs and index; made when it is needed."""
        folder = self.folder / OWN
        if folder.is_symlink():
            raise InputError(f"{folder}: is a link; remove it")
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def file(self, name: str) -> Path:
        """The file of an id. InputError for anything that is not a plain file under the folder, links included."""
        path = self._inside(name)
        if not path.is_file():
            raise InputError(f"{name}: there is no such file; list_files names those there are")
        return path

    def run(self, name: str) -> Path:
        """The run folder of an id."""
        path = self._inside(name)
        if not path.is_dir():
            raise InputError(f"{name}: there is no such run folder; list_runs names those there are")
        return path

    def new(self, name: str) -> Path:
        """The path of a result to be written; InputError where something stands there already."""
        path = self._inside(name)
        if path.exists():
            raise InputError(f"{name}: exists already; choose another name")
        return path

    def ids(self, suffixes: Sequence[str] = ()) -> list[str]:
        """Ids of the plain files under the folder, sorted, at most 2000; those with a suffix if any is named."""
        found = []
        for folder, folders, names in os.walk(self.folder):
            folders[:] = sorted(f for f in folders if not f.startswith(".") and not Path(folder, f).is_symlink())
            for name in sorted(names):
                path = Path(folder, name)
                text = path.relative_to(self.folder).as_posix()
                good = re.fullmatch(PATTERN, text) and len(text) <= 200 and not path.is_symlink() and path.is_file()
                if good and (not suffixes or path.suffix.lower() in suffixes):
                    found.append(text)
                if len(found) >= MOST:
                    return found
        return found

    def _inside(self, name: str) -> Path:
        if not isinstance(name, str) or len(name) > 200 or not re.fullmatch(PATTERN, name):
            raise InputError(f"{name!r:.80}: is no file id: a relative path of letters, digits and _ . - + = @ , space")
        path = self.folder
        for part in name.split("/"):
            path = path / part
            if path.is_symlink():
                raise InputError(f"{name}: is a link; tools read plain files only")
        return path
