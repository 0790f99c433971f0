"""The grammar of KLARF 1.8: what is written where, before anything of it has a meaning.

`Record KIND "name" { ... }`, `Field NAME n {value, ...}`, `List NAME { Columns n {type NAME, ...} Data m {row; ...} }`
and `EndOfFile;`. A cell is a word, or an image list `Images k { ... }`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from .tokens import Faulty, Token, lines, tokens, whole

_DEEPEST = 32


@dataclass
class Table:
    """A list: types and names of its columns, and its rows, a list of words for each cell."""

    line: int
    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: list[list[list[Token]]] = field(default_factory=list)


@dataclass
class Record:
    """A record: its kind, its name, and what lies in it."""

    kind: str
    name: str
    line: int
    fields: dict[str, list[Token]] = field(default_factory=dict)
    lists: dict[str, Table] = field(default_factory=dict)
    records: list["Record"] = field(default_factory=list)

    def of(self, kind: str) -> list["Record"]:
        """The records of one kind that lie directly in this one."""
        return [record for record in self.records if record.kind == kind]

    def names(self) -> Iterator[str]:
        """What this record and those in it hold, by name."""
        yield from chain(self.fields, self.lists, (record.kind for record in self.records))
        for record in self.records:
            yield from record.names()


def parse(text: str) -> Record:
    """The record a file consists of. Faulty where it breaks the grammar or is cut off."""
    parser = _Parser(text)
    if parser.word() != "Record":
        raise Faulty(parser.line, "the file must begin with Record FileRecord")
    root = parser.record(0)
    if parser.word() != "EndOfFile":
        raise Faulty(parser.line, "the file must end with EndOfFile")
    return root


class _Parser:
    def __init__(self, text: str):
        self.tokens = tokens(text, nested=True)
        self.line = len(lines(text))
        self.token: Token | None = next(self.tokens, None)

    def next(self) -> Token:
        token = self.token
        if token is None:
            raise Faulty(self.line, "the file ends before EndOfFile; it seems cut off")
        self.token, self.line = next(self.tokens, None), token.line
        return token

    def word(self) -> str:
        token = self.next()
        return token.text if token.kind == "word" else ""

    def at(self, mark: str) -> bool:
        """Whether a mark comes next; it is taken if so."""
        if self.token is not None and self.token.kind == "mark" and self.token.text == mark:
            self.next()
            return True
        return False

    def expect(self, mark: str, where: str) -> None:
        if not self.at(mark):
            found = self.next()
            raise Faulty(found.line, f"{found.text!r} where {where} needs {mark!r}")

    def record(self, depth: int) -> Record:
        kind = self.next()
        name = self.next().text if self.token is not None and self.token.kind != "mark" else ""
        if depth > _DEEPEST:
            raise Faulty(kind.line, f"records are nested more than {_DEEPEST} deep")
        found = Record(kind.text, name, kind.line)
        self.expect("{", f"Record {kind.text}")
        while not self.at("}"):
            match self.word():
                case "Record":
                    found.records.append(self.record(depth + 1))
                case "Field":
                    name = self.next().text
                    found.fields[name] = self._values(name)
                case "List":
                    name = self.next().text
                    found.lists[name] = self._table(name)
                case said:
                    raise Faulty(self.line, f"{said!r} where a Record, Field or List is due in {kind.text}")
        return found

    def _values(self, name: str) -> list[Token]:
        count = self.next()
        self.expect("{", f"Field {name}")
        values = []
        while not self.at("}"):
            values.append(self.next())
            if values[-1].kind == "mark":
                raise Faulty(self.line, f"{values[-1].text!r} among the values of Field {name}")
            self.at(",")
        if whole(count) != len(values):
            raise Faulty(count.line, f"Field {name} states {count.text} values and has {len(values)}")
        return values

    def _table(self, name: str) -> Table:
        table = Table(self.line)
        self.expect("{", f"List {name}")
        while not self.at("}"):
            match self.word():
                case "Columns":
                    table.columns = self._columns(name)
                case "Data":
                    self._rows(name, table)
                case said:
                    raise Faulty(self.line, f"{said!r} where Columns or Data is due in List {name}")
        return table

    def _columns(self, name: str) -> list[tuple[str, str]]:
        count = self.next()
        self.expect("{", f"Columns of {name}")
        columns = []
        while not self.at("}"):
            columns.append((self.word(), self.word()))
            if "" in columns[-1]:
                raise Faulty(self.line, f"Columns of {name} are pairs of type and name")
            self.at(",")
        if whole(count) != len(columns):
            raise Faulty(count.line, f"List {name} states {count.text} columns and names {len(columns)}")
        return columns

    def _rows(self, name: str, table: Table) -> None:
        count = self.next()
        self.expect("{", f"Data of {name}")
        while not self.at("}"):
            row: list[list[Token]] = []
            start = self.token.line if self.token is not None else self.line
            while not self.at(";"):
                row.append(self._cell())
            if len(row) != len(table.columns):
                raise Faulty(start, f"a row of {len(row)} values in {name}, which has {len(table.columns)} columns")
            table.rows.append(row)
        if whole(count) != len(table.rows):
            raise Faulty(count.line, f"List {name} states {count.text} rows and has {len(table.rows)}")

    def _cell(self) -> list[Token]:
        cell = [self.next()]
        if cell[0].kind == "mark":
            raise Faulty(cell[0].line, f"{cell[0].text!r} where a value is due; is a semicolon missing?")
        if cell[0].kind == "word" and cell[0].text == "Images":
            cell.append(self.next())
            self.expect("{", "Images")
            cell.append(Token("{", "mark", self.line, False))
            while not self.at("}"):
                cell.append(self.next())
                if cell[-1].text in "{;" and cell[-1].kind == "mark":
                    raise Faulty(self.line, "an image list that is not closed")
            cell.append(Token("}", "mark", self.line, False))
        return cell
