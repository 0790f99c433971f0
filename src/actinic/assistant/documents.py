"""Manuals, notes and logs of a site in an SQLite full-text index, found by words and cited by file, page and passage.

Porter stemming, any of the words, ranked by BM25. Codes such as `ALM-4711` or `WS2.X` are kept beside their parts as
exact tokens. The index is a file of the site's own; nothing leaves the machine.
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, MissingError
from .files import Root

try:
    import pypdf
except ImportError:
    pypdf = None

TEXTS, TABLES, PDF = (".md", ".txt", ".rst"), (".csv", ".log"), (".pdf",)
SUFFIXES = TEXTS + TABLES + PDF
PASSAGE = 1200  # characters
LARGEST = 50_000_000  # bytes of a file
_CODE = re.compile(r"[A-Za-z0-9]+(?:[-_./][A-Za-z0-9]+)+")
_WORD = re.compile(r"[^\W_]+")
_SCHEMA = """
create table if not exists files (file text primary key, sha256 text not null, trouble text);
create virtual table if not exists passages using fts5(
    text, codes, file unindexed, page unindexed, passage unindexed, tokenize = 'porter unicode61');
"""


@dataclass(frozen=True)
class Passage:
    """A piece of a document: `page` from 1 (other than in a PDF always 1), `passage` from 1 in the file."""

    file: str
    page: int
    passage: int
    text: str

    @property
    def id(self) -> str:
        return f"{self.file}#p{self.page}.{self.passage}"


@dataclass(frozen=True)
class Indexed:
    """What an update did: files read anew, gone, unchanged, and those that could not be read, with the reason."""

    new: int
    gone: int
    same: int
    troubles: dict[str, str]


class Documents:
    """The index of a folder's documents, kept in its own subfolder."""

    def __init__(self, root: Root):
        self._root, self._file = root, root.own / "documents.sqlite"

    def update(self) -> Indexed:
        """Bring the index up to date: by content, so that a file that was touched only is not read again."""
        with closing(self._open()) as base, base:
            known = dict(base.execute("select file, sha256 from files"))
            there, new, troubles = self._root.ids(SUFFIXES), 0, {}
            for name in there:
                path = self._root.file(name)
                if path.stat().st_size > LARGEST:
                    troubles[name] = f"larger than {LARGEST // 1_000_000} MB"
                    continue
                content = path.read_bytes()
                digest = hashlib.sha256(content).hexdigest()
                if known.get(name) == digest:
                    continue
                self._forget(base, name)
                try:
                    passages = list(passages_of(name, path, content))
                except (InputError, MissingError) as error:
                    troubles[name], passages = str(error), []
                    if isinstance(error, MissingError):
                        continue  # it is read when the package is there
                rows = [(p.text, " ".join(_codes(p.text)), p.file, p.page, p.passage) for p in passages]
                base.executemany("insert into passages values (?, ?, ?, ?, ?)", rows)
                base.execute("insert into files values (?, ?, ?)", (name, digest, troubles.get(name)))
                new += 1
            gone = known.keys() - set(there)
            for name in gone:
                self._forget(base, name)
            troubles |= dict(base.execute("select file, trouble from files where trouble is not null"))
            return Indexed(new, len(gone), len(there) - new - len(troubles), troubles)

    def search(self, words: str, most: int = 5) -> list[Passage]:
        """The passages that say most about any of the words, best first; an exact code counts three times."""
        terms = _query(words)
        if not terms or not self._file.exists():
            return []
        sql = (
            "select file, page, passage, text from passages "
            "where passages match ? order by bm25(passages, 1.0, 3.0), file, passage limit ?"
        )
        with closing(self._open()) as base:
            return [Passage(*row) for row in base.execute(sql, (terms, most))]

    def passage(self, id: str) -> Passage:
        """A passage by the id that a search gave; InputError where there is none."""
        match = re.fullmatch(r"(.+)#p(\d{1,6})\.(\d{1,6})", id)
        sql = "select file, page, passage, text from passages where file = ? and page = ? and passage = ?"
        with closing(self._open()) as base:
            row = base.execute(sql, (match[1], int(match[2]), int(match[3]))).fetchone() if match else None
        if row is None:
            raise InputError(f"{id}: there is no such passage; search_documents names them")
        return Passage(*row)

    def _open(self) -> sqlite3.Connection:
        try:
            base = sqlite3.connect(self._file, timeout=10)
            base.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise InputError(f"{self._file}: cannot be used as an index ({error}); remove it to begin anew") from None
        return base

    @staticmethod
    def _forget(base: sqlite3.Connection, name: str) -> None:
        base.execute("delete from passages where file = ?", (name,))
        base.execute("delete from files where file = ?", (name,))


def passages_of(name: str, path: Path, content: bytes) -> Iterator[Passage]:
    """The passages of a document; MissingError for a PDF without pypdf, InputError for what cannot be read."""
    number = 0
    for page, text in enumerate(_pages(name, path, content), 1):
        for piece in _pieces(text, lines=path.suffix.lower() in TABLES):
            number += 1
            yield Passage(name, page, number, piece)


def _pages(name: str, path: Path, content: bytes) -> Iterator[str]:
    if path.suffix.lower() not in PDF:
        yield content.decode("utf-8", "replace")
        return
    if pypdf is None:
        raise MissingError(f"{name}: reading PDF needs pypdf: pip install 'actinic[assistant]'")
    try:
        for page in pypdf.PdfReader(path).pages:
            yield page.extract_text()
    except Exception as error:  # whatever a broken or encrypted file makes the library raise
        raise InputError(f"{name}: cannot be read as PDF ({type(error).__name__})") from None


def _pieces(text: str, lines: bool) -> Iterator[str]:
    """Paragraphs, or lines, put together to pieces of about one size; a longer one is cut."""
    parts = text.splitlines() if lines else re.split(r"\n\s*\n", text)
    piece = ""
    for part in (p.strip() for p in parts):
        while len(part) > PASSAGE:
            if piece:
                yield piece
                piece = ""
            cut = part.rfind(" ", 1, PASSAGE) if " " in part[1:PASSAGE] else PASSAGE
            yield part[:cut]
            part = part[cut:].strip()
        if piece and len(piece) + len(part) > PASSAGE:
            yield piece
            piece = ""
        if part:
            piece = f"{piece}\n{part}" if piece else part
    if piece:
        yield piece


def _codes(text: str) -> list[str]:
    """Codes as single tokens: their parts run together, lower case."""
    return [_whole(code) for code in _CODE.findall(text)]


def _whole(code: str) -> str:
    return "".join(_WORD.findall(code)).lower()


def _query(words: str) -> str:
    """An FTS5 query of any of the words, all quoted: no operator of the asker's is one."""
    plain = {word.lower() for word in _WORD.findall(words)}
    return " OR ".join(f'"{term}"' for term in sorted(plain | set(_codes(words))))
