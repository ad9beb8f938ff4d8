"""A table of one-line cells. Rich's own takes 60 µs a cell, seconds for a list of 5,000 limits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.text import Text

GAP = "   "  # between two columns


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, whether its cells stand at the right, whether they may be cut, or go on in the next lines."""

    heading: str
    at_right: bool
    may_be_cut: bool
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows under their headings, for a console. If there is too little room, the widest columns that may be cut are cut."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        widths = self._widths(options.max_width)
        room = sum(widths) + len(GAP) * (len(widths) - 1)
        blank = Segment(f"{' ' * (room + 2)}\n")
        yield blank
        yield from self._line(console, [Text(column.heading, "bold") for column in self.columns], widths)
        yield Segment(f" {'─' * room} \n")
        for row in self.rows:
            yield from self._line(console, row, widths)
        yield blank

    def _line(self, console: Console, cells: Sequence[Text], widths: Sequence[int]) -> Iterator[Segment]:
        more: list[Text] = []
        plain = ""  # what is not written yet: few pieces are written faster than many
        for place, (cell, column, width) in enumerate(zip(cells, self.columns, widths, strict=True)):
            if (room := width - cell.cell_len) < 0:
                if column.goes_on:
                    cell, *rest = Text(cell.plain, cell.style).wrap(console, width)
                    more = [Text()] * place + [Text(" ".join(line.plain for line in rest))] + [Text()] * (len(widths) - place - 1)
                else:
                    cell = cell.copy()
                    cell.truncate(width, overflow="ellipsis")
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
        if more:
            yield from self._line(console, more, widths)

    def _widths(self, most: int) -> list[int]:
        """The columns of the terminal that each column takes."""
        columns = range(len(self.columns))
        widths = [max([len(self.columns[n].heading), *(row[n].cell_len for row in self.rows)]) for n in columns]
        too_many = sum(widths) + len(GAP) * (len(widths) - 1) + 2 - most
        while too_many > 0 and (cut := [n for n in columns if self.columns[n].may_be_cut and widths[n] > 1]):
            widest = max(widths[n] for n in cut)
            among = [n for n in cut if widths[n] == widest]
            next_widest = max([1, *(widths[n] for n in cut if widths[n] < widest)])
            step = max(1, min(widest - next_widest, too_many // len(among)))
            for n in among[: max(1, too_many // step)]:
                widths[n] -= step
                too_many -= step
        return widths
