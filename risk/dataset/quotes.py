"""What quotes mean in a CSV file: where a value begins and ends, and which lines are one row.

A quote opens a value only at its beginning; inside, two quotes are one; any other quote is a sign like the rest.
Within a line we are lenient: what follows a closed quote belongs to the value. To take further lines in, a row must
be beyond doubt, because a stray quote would otherwise swallow the rows below it.
"""

import re

# A quoted value may hold line breaks. A row over more lines or bytes was never meant as one; and a message of a
# stream may not be longer than this either.
LONGEST_ROW_LINES = 100
LONGEST_ROW_BYTES = 64 * 1024

NO_ROW, UNDECIDED = -1, -2


class Quoting:
    """The rules for one delimiter and one number of values a row; None where the header is still to be read."""

    def __init__(self, delimiter: str, width: int | None) -> None:
        other = f"[^{re.escape(delimiter)}]*+"
        other_in_line = f"[^{re.escape(delimiter)}\n]*+"
        between = re.escape(delimiter)
        self.delimiter = delimiter
        # Every pattern can match in one way only, so that no text makes it slow.
        quoted = '"[^"]*+(?:""[^"]*+)*"(?!")'
        lenient = f'(?:{quoted}{other}|(?!"){other})'
        self._closed = re.compile(f"{lenient}(?:{between}{lenient})*".encode())
        strict = f'(?:{quoted}|(?!"){other_in_line})'
        more = "*" if width is None else f"{{{width - 1}}}"
        self._row = re.compile(rf"{strict}(?:{between}{strict}){more}\r?(?=\n|\Z)".encode())
        inside = '"([^"]*+(?:""[^"]*+)*)"(?!")'
        self._value = re.compile(rf"(?:{inside}({other})|({other}))({between}|\Z)")

    def stays_open(self, data: bytes, start: int, end: int) -> bool:
        """Whether a line that begins outside of quotes ends inside."""
        return self._closed.fullmatch(data, start, end) is None

    def row_end(self, data: bytes, start: int, limit: int, is_whole: bool) -> int:
        """Where the row ends whose first line, from `start` on, stays open: no later than `limit`; or NO_ROW.

        Every quote in it is closed before a delimiter or a line's end, and it has the header's number of values.
        UNDECIDED where bytes that are not read yet may tell: the answer never depends on how far somebody had read.
        """
        found = self._row.match(data, start, limit + 1)
        end = len(data) if found is None else found.end()
        if end > limit:
            return NO_ROW
        if end == len(data) and not is_whole:
            return UNDECIDED
        return NO_ROW if found is None else end

    def values(self, row: str) -> list[str]:
        """The values of a row; a quote that is never closed stays a sign."""
        if '"' not in row:
            return row.split(self.delimiter)
        values = []
        for found in self._value.finditer(row):
            inside, behind, plain, separator = found.groups()
            values.append(plain if inside is None else inside.replace('""', '"') + behind)
            if not separator:
                break
        return values
