"""A table of one-line cells. Rich's own takes 60 µs a cell, seconds for a list of 5,000 limits.

What gives way if there is too little room, in this order: cells that may be cut are cut; whole columns go, see `columns_kept`;
cells that may be cut are cut further; what must be read whole is folded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.text import Text

GAP = "   "  # between two columns
WIDE = 20  # columns of the terminal that a cell which may be cut keeps, as long as whole columns can go
MOST_LINES = 6  # of a cell that goes on, and may be cut
FOLDED = 10  # columns of the terminal that a text keeps, as long as others can be folded


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, whether its cells stand at the right, whether they may be cut, or go on in the next lines."""

    heading: str
    at_right: bool
    may_be_cut: bool
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows under their headings, for a console. If there is too little room, the widest cells are cut, or folded."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        widths = self._widths(options.max_width)
        room = sum(widths) + len(GAP) * (len(widths) - 1)
        blank = Segment(f"{' ' * (room + 2)}\n")
        yield blank
        yield from self._row(console, [Text(column.heading, "bold") for column in self.columns], widths, True)
        yield Segment(f" {'─' * room} \n")
        for row in self.rows:
            yield from self._row(console, row, widths)
        yield blank

    def _row(self, console: Console, cells: Sequence[Text], widths: Sequence[int], is_head: bool = False) -> Iterator[Segment]:
        """The lines of a row; one, unless a cell goes on or is folded."""
        first, more = list(cells), dict[int, list[Text]]()
        for place, (cell, column, width) in enumerate(zip(cells, self.columns, widths, strict=True)):
            if cell.cell_len > width:
                if column.may_be_cut and not column.goes_on and not is_head:
                    first[place] = cell.copy()
                    first[place].truncate(width, overflow="ellipsis")
                else:
                    first[place], *more[place] = folded(console, cell, width, MOST_LINES if column.may_be_cut else None)
        yield from self._line(console, first, widths)
        for number in range(max(map(len, more.values()), default=0)):
            line = [Text()] * len(widths)
            for place, rest in more.items():
                if number < len(rest):
                    line[place] = rest[number]
            yield from self._line(console, line, widths)

    def _line(self, console: Console, cells: Sequence[Text], widths: Sequence[int]) -> Iterator[Segment]:
        plain = ""  # what is not written yet: few pieces are written faster than many
        for place, (cell, column, width) in enumerate(zip(cells, self.columns, widths, strict=True)):
            room = width - cell.cell_len
            plain += (GAP if place else " ") + " " * (room if column.at_right else 0)
            if cell.spans or cell.style:
                yield Segment(plain)
                yield from cell.render(console)
                plain = ""
            else:
                plain += cell.plain
            plain += " " * (0 if column.at_right else room)
        yield Segment(f"{plain} \n")

    def _widths(self, most: int) -> list[int]:
        """The columns of the terminal that each column takes."""
        every = range(len(self.columns))
        widths = [max([len(self.columns[n].heading), *(row[n].cell_len for row in self.rows)]) for n in every]
        if needed(widths) > most:
            widths = [least_width(self.columns[n].heading, [row[n] for row in self.rows]) for n in every]
        cut = [n for n in every if self.columns[n].may_be_cut]
        texts = [n for n in every if not self.columns[n].at_right]
        for among, least in ((cut, WIDE), (cut, 1), (texts, FOLDED), (texts, 1), (every, 1)):
            _narrow(widths, among, least, needed(widths) - most)
        return widths


@dataclass(frozen=True, slots=True)
class Fact:
    """A value and its heading; one that may be cut is cut after some lines."""

    heading: str
    value: Text
    may_be_cut: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """Values under each other, beside their headings; a long one goes on in the next lines."""

    facts: Sequence[Fact]

    def __bool__(self) -> bool:
        return bool(self.facts)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        beside = max((len(fact.heading) for fact in self.facts), default=0) + 2
        room = max(options.max_width - beside, 1)
        for fact in self.facts:
            lines = [fact.value]
            if fact.value.cell_len > room:
                lines = folded(console, fact.value, room, MOST_LINES if fact.may_be_cut else None)
            for number, line in enumerate(lines):
                yield Segment(f"{'' if number else fact.heading:<{beside}}")
                yield from line.render(console)
                yield Segment.line()


def folded(console: Console, cell: Text, width: int, most: int | None = None) -> list[Text]:
    """A cell in lines: between words, and within a word that is longer than a line. most: of these lines; None = all."""
    text = Text(cell.plain if most is None else cell.plain[: width * most + 1], cell.style)
    lines = [line for line in text.wrap(console, width, overflow="fold") if line.plain.strip()] or [Text()]
    for line in lines:
        line.rstrip()
        line.truncate(width)  # a letter of two columns where there is one
    if most is not None and len(lines) > most:
        del lines[most:]
        lines[-1].truncate(width - 1)
        lines[-1].append("…")
    return lines


def least_width(heading: str, cells: Sequence[Text]) -> int:
    """The width of a column whose heading is folded between its words."""
    return max([*map(len, heading.split()), *(cell.cell_len for cell in cells)])


def needed(widths: Sequence[int]) -> int:
    """The columns of the terminal that a table with these columns takes."""
    return sum(widths) + len(GAP) * (len(widths) - 1) + 2


def columns_kept(widths: Mapping[str, int], may_be_cut: Sequence[str], spare: Sequence[str], most: int) -> list[str]:
    """The columns that are shown: as many of `spare` go, one after the other, as it takes.

    Args:
        widths: the width of each column, in the order in which they are shown.
        may_be_cut: those whose cells may be cut.
        spare: those that may go, in this order.
        most: the columns of the terminal.
    """
    least = {name: min(width, WIDE) if name in may_be_cut else width for name, width in widths.items()}
    for name in spare:
        if needed(list(least.values())) <= most:
            break
        least.pop(name, None)
    return list(least)


def _narrow(widths: list[int], among: Sequence[int], least: int, too_many: int) -> None:
    """Make the widest of some columns narrower, together, by so much, but none narrower than `least`."""
    while too_many > 0 and (wide := [n for n in among if widths[n] > least]):
        widest = max(widths[n] for n in wide)
        its = [n for n in wide if widths[n] == widest]
        next_widest = max([least, *(widths[n] for n in wide if widths[n] < widest)])
        step = max(1, min(widest - next_widest, too_many // len(its)))
        for n in its[: max(1, too_many // step)]:
            widths[n] -= step
            too_many -= step
