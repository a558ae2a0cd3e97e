"""What the terminal showed, as an SVG that needs nothing from elsewhere."""

from pathlib import Path

from rich.console import Console

from console.output import replaced

# rich's own frame fetches its font from the net; this one takes what the reader's machine has. The letters of each run
# are stretched to its length, so that columns stay columns in any font.
_FRAME = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 16px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def write_picture(record: Console, path: Path, title: str) -> None:
    svg = record.export_svg(title=title, code_format=_FRAME, unique_id="demo")
    with replaced(path) as (unfinished,):
        unfinished.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")
