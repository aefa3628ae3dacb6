"""How a report looks: light and dark as the reader's screen is, on paper as well."""

from __future__ import annotations

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --card: #f6f7f9; --text: #1b1f24; --dim: #57606a;
  --line: #d0d7de; --good: 22 128 60; --bad: 200 60 40; --warn: #8a4b00;
  --c0: #1d4ed8; --c1: #b45309; --c2: #15803d; --c3: #a21caf; --c4: #b91c1c }
@media (prefers-color-scheme: dark) { :root { --ground: #0f1216; --card: #181c22; --text: #e8ebef;
  --dim: #a3adb8; --line: #363d47; --good: 60 170 95; --bad: 225 95 75; --warn: #ffc46b;
  --c0: #7fb0ff; --c1: #f5b45f; --c2: #6fd08c; --c3: #e39bf0; --c4: #ff9a8f } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem; max-width: 76rem; background: var(--ground); color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: 0 0 .5rem } h2 { font-size: 1.15rem; margin: 2.5rem 0 .6rem }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem } small, .dim { color: var(--dim); font-size: .85rem }
p { margin: .4rem 0 } code { font-size: .92em }
.warning { border-left: .3rem solid var(--warn); background: var(--card); padding: .5rem .9rem }
.wide { overflow-x: auto; margin: .6rem 0 1.2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem }
caption { text-align: left; white-space: nowrap; color: var(--dim); font-size: .85rem; padding-bottom: .3rem }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: right; font-weight: 400 }
th:first-child { text-align: left; padding-left: 0; min-width: 8rem; max-width: 26rem;
  overflow-wrap: break-word } td { white-space: nowrap } td:only-of-type { white-space: normal }
th[scope=col] { color: var(--dim); vertical-align: bottom }
.sum > * { font-weight: 600; border-top: 2px solid var(--line) }
.confusion td { min-width: 2.8rem; text-align: center; border: 1px solid var(--line) }
.confusion th[scope=col] { padding: .2rem .35rem; text-align: left }
.confusion th[scope=col] span { display: inline-block; writing-mode: vertical-rl; transform: rotate(180deg);
  max-height: 16rem; overflow-wrap: anywhere; line-height: 1.2 }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(28rem, 100%), 1fr)); gap: 1rem }
figure { margin: 0; max-width: 42rem; padding: .8rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem } figcaption { font-size: .92rem; margin-bottom: .3rem }
figure > svg { width: 100%; height: auto; display: block }
svg text { fill: var(--dim); font: 11px system-ui, sans-serif }
.grid { stroke: var(--line); stroke-width: 1 } .diagonal { stroke: var(--dim); stroke-dasharray: 5 4 }
.line { fill: none; stroke-width: 2 } .bin { fill: var(--c0); fill-opacity: .55; stroke: var(--c0) }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; font-size: .85rem }
.key { width: 2.2rem; height: .5rem; vertical-align: middle }
.mistakes ul { list-style: none; padding: 0 } .mistakes li { margin: 0 0 .9rem }
blockquote { margin: .2rem 0 0; padding: .4rem .8rem; background: var(--card); border-radius: .4rem;
  overflow-wrap: anywhere; font-size: .92rem }
mark { color: inherit; border-radius: .2em; padding: 0 .1em }
mark.said { background: rgb(var(--bad) / .25); text-decoration: underline dashed .1em }
mark.gold { background: rgb(var(--good) / .25); text-decoration: underline solid .1em }
mark.both { background: rgb(var(--good) / .12); text-decoration: underline double .1em }
b.said { text-decoration: underline dashed rgb(var(--bad)) .12em; text-underline-offset: .2em }
b.gold { text-decoration: underline solid rgb(var(--good)) .12em; text-underline-offset: .2em }
summary { cursor: pointer; color: var(--dim); font-size: .9rem; margin: .6rem 0 }
@media print { body { max-width: none; padding: 0 } figure, tr, li { break-inside: avoid } }
"""

_COLOURS = "".join(
    f".line.c{n} {{ stroke: var(--c{n}) }} .dot.c{n} {{ fill: var(--c{n}) }}\n" for n in range(5)
)
_DEPTHS = "".join(
    f".right{depth} {{ background: rgb(var(--good) / {share}) }} "
    f".wrong{depth} {{ background: rgb(var(--bad) / {share}) }}\n"
    for depth, share in enumerate((0.0, 0.12, 0.24, 0.38, 0.52))
)

BEGIN = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Report of a training run</title>
<style>{_STYLE}{_COLOURS}{_DEPTHS}
.confusion [class^=right] {{ outline: 2px solid var(--dim); outline-offset: -3px }}</style>
</head>
<body>
"""
END = "</body>\n</html>\n"
