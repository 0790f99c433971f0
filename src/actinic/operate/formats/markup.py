"""XML that comes from outside, read without what makes XML dangerous: no document type, so no entities, no depth."""

from dataclasses import dataclass, field
from xml.parsers import expat

_DEEPEST = 64


class BadMarkup(Exception):
    """What is wrong with a document, and on which line."""


@dataclass
class Element:
    """An element: its name without name space, attributes, text, and the line it begins on."""

    name: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, *path: str) -> list["Element"]:
        """The elements down a path of names."""
        found: list[Element] = [self]
        for name in path:
            found = [child for element in found for child in element.children if child.name == name]
        return found


def parse(content: bytes) -> Element:
    """The root of a document. BadMarkup where it is not well formed or declares a document type."""
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    top = Element("", {}, 0)
    open_elements = [top]

    def start(name, attributes):
        if len(open_elements) > _DEEPEST:
            raise BadMarkup(f"line {parser.CurrentLineNumber}: elements are nested more than {_DEEPEST} deep")
        local = {key.rpartition("}")[2]: value for key, value in attributes.items()}
        element = Element(name.rpartition("}")[2], local, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(name):
        open_elements.pop()

    def text(words):
        open_elements[-1].text += words

    def doctype(*_):
        raise BadMarkup(
            f"line {parser.CurrentLineNumber}: a document type is declared; maps have none, and it can harm"
        )

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise BadMarkup(f"line {error.lineno}: {expat.ErrorString(error.code)}") from None
    except (LookupError, ValueError) as error:  # of an encoding nobody knows
        raise BadMarkup(f"line 1: {error}") from None
    return top.children[0]
