"""The form that asks for the token. One page with its style in it, as nothing else is shown to who has none."""

from html import escape

_STYLE = """
:root { color-scheme: light dark; --paper: #f4f6f9; --panel: #fff; --ink: #17212c; --muted: #5c6a79; --line: #dde3ea;
  --blue: #0b6aa8; --red: #c2372e; }
@media (prefers-color-scheme: dark) { :root { --paper: #0f1419; --panel: #171e26; --ink: #e5ebf1; --muted: #97a5b4;
  --line: #2a343f; --blue: #58b3ec; --red: #ff8a7f; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 16px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
form { width: 100%; max-width: 380px; background: var(--panel); border: 1px solid var(--line); border-radius: 12px;
  padding: 28px; }
h1 { display: flex; gap: 10px; align-items: center; font-size: 22px; margin: 0 0 6px; }
p { margin: 0 0 16px; color: var(--muted); } p.bad { color: var(--red); }
label { display: block; font-size: 13px; color: var(--muted); margin-bottom: 4px; }
input { width: 100%; font: inherit; padding: 8px 11px; border: 1px solid var(--line); border-radius: 8px;
  background: var(--paper); color: var(--ink); }
button { width: 100%; margin-top: 16px; font: inherit; font-weight: 600; padding: 9px; border: 0; border-radius: 8px;
  background: var(--blue); color: var(--panel); cursor: pointer; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
"""

_MARK = (
    '<svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true"><rect width="32" height="32" rx="8" '
    'fill="#0b6aa8"/><circle cx="14" cy="14" r="7" fill="none" stroke="#fff" stroke-width="3"/>'
    '<path d="M19.5 19.5 26 26" stroke="#ffb547" stroke-width="4" stroke-linecap="round"/></svg>'
)


def login_page(where: str, wrong: str) -> str:
    """`where`: the page to go on to; `wrong`: what was wrong with the last try."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Sign in · TrustLens</title><style>{_STYLE}</style></head><body>"
        f'<form action="/login" method="post"><h1>{_MARK}TrustLens</h1>'
        + (f'<p class="bad" role="alert">{escape(wrong)}</p>' if wrong else "<p>This reporter asks for its token.</p>")
        + f'<input type="hidden" name="next" value="{escape(where)}">'
        '<label for="token">Token</label>'
        '<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>'
        "<button>Sign in</button></form></body></html>\n"
    )
