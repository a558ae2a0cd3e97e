"""The report's style sheet: light and dark by the reader's system, and a version for paper."""

STYLE = """
:root { color-scheme: light dark;
  --paper: #ffffff; --panel: #f6f8fa; --ink: #1d2733; --muted: #5b6876; --grid: #dbe1e7;
  --blue: #0072b2; --orange: #d98200; --green: #009e73; --purple: #b5609a; --brown: #8a6d3b; --tint: #e8f2f9; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #12161b; --panel: #1a2027; --ink: #e6ebf0; --muted: #9aa7b4; --grid: #2e3741;
  --blue: #4fb0e8; --orange: #f0a83a; --green: #3cc79d; --purple: #dd92c6; --brown: #c7a76c; --tint: #172a38; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 40px 28px 72px; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 52px 0 6px; padding-top: 18px; border-top: 2px solid var(--ink); }
h3 { font-size: 15px; margin: 26px 0 4px; }
p { margin: 6px 0 12px; max-width: 78ch; }
.quiet, figcaption, small { color: var(--muted); }
h1 + .quiet { max-width: none; }
.lead { font-size: 18px; line-height: 1.5; max-width: 72ch; margin: 18px 0 22px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 14px; margin: 0 0 18px; }
.tile { background: var(--panel); border-radius: 8px; padding: 16px 18px; border-left: 4px solid var(--blue); }
.tile b { display: block; font-size: 27px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile span { display: block; } .tile small { display: block; margin-top: 2px; }
.scroll { overflow-x: auto; margin: 12px 0 8px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); padding: 0 0 6px; }
th, td { padding: 7px 8px; text-align: right; vertical-align: top; border-bottom: 1px solid var(--grid); }
th:first-child { text-align: left; } tbody th { font-weight: 500; min-width: 170px; }
thead th { vertical-align: bottom; color: var(--muted); font-weight: 600; border-bottom: 1.5px solid var(--muted); }
td { white-space: nowrap; } td small { display: block; font-size: 11px; }
th small { display: block; font-weight: 400; }
tbody th small { max-width: 30ch; line-height: 1.35; }
tr.chosen { background: var(--tint); } tr.chosen th { font-weight: 700; }
tr.baseline th { font-style: italic; }
table.facts th { width: 260px; color: var(--muted); }
table.facts td { text-align: left; overflow-wrap: anywhere; white-space: normal; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 22px 28px; }
figure { margin: 14px 0 0; break-inside: avoid; } figure.wide { grid-column: 1 / -1; }
figure svg { width: 100%; height: auto; display: block; background: var(--panel); border-radius: 8px; }
figure svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
figcaption { font-size: 13.5px; margin-top: 7px; max-width: 74ch; } figcaption b { color: var(--ink); display: block; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 5px 18px; font-size: 13.5px; max-width: 100ch; }
dt { font-weight: 600; } dd { margin: 0; color: var(--muted); }
.note { border-left: 4px solid var(--orange); background: var(--panel); padding: 10px 16px; }
.note ul { margin: 4px 0; padding-left: 18px; }
abbr { text-decoration: none; cursor: help; }
@media (max-width: 560px) { .plots { grid-template-columns: 1fr; } main { padding: 24px 16px; }
  dl { display: block; } }
@media print { :root { color-scheme: light;
    --paper: #fff; --panel: #fff; --ink: #000; --muted: #444; --grid: #ccc; --tint: #eef4f8;
    --blue: #0072b2; --orange: #d98200; --green: #009e73; --purple: #b5609a; --brown: #8a6d3b; }
  @page { size: landscape; margin: 12mm; } body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  .tile { border: 1px solid var(--grid); border-left: 4px solid var(--blue); }
  .tiles { grid-template-columns: repeat(4, 1fr); gap: 8px; } .tile b { font-size: 15pt; }
  .plots { grid-template-columns: 1fr 1fr; gap: 12px; } table { font-size: 8pt; } th, td { padding: 3px 4px; }
  tbody th { min-width: 0; }
  td { white-space: normal; } td small { font-size: 6.5pt; white-space: normal; }
  h2 { break-after: avoid; } tr, .tile { break-inside: avoid; }
}
"""
