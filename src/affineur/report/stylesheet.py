"""The one style sheet of the HTML page: light, dark and printed; from a telephone to a desk.

Text has a contrast of at least 4.5 to 1 on its ground in both schemes (WCAG 2.2, 1.4.3); the letters' colours carry
white.
"""

__all__ = ["LETTER_COLOURS", "STYLES"]

LETTER_COLOURS = {
    "A": "#116329",
    "B": "#4d7c0f",
    "C": "#8f5b00",
    "D": "#b84209",
    "E": "#b91c1c",
    "F": "#7f1d1d",
    "": "#57606a",
}

STYLES = """
:root { color-scheme: light dark; --ground: #f6f4ef; --card: #fffefb; --ink: #1f2328; --quiet: #59626c; --line: #ddd8cd;
  --good: #116329; --warn: #8a5300; --bad: #b3261e; --link: #0a57c2; }
@media (prefers-color-scheme: dark) { :root { --ground: #15171a; --card: #1d2024; --ink: #e8e6e1; --quiet: #a3abb5;
  --line: #363b42; --good: #6fd08c; --warn: #f0b849; --bad: #ff8f85; --link: #83b4ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Cantarell,
  "DejaVu Sans", sans-serif; }
main, header, footer { max-width: 70rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 0 0 .75rem; }
p { margin: .35rem 0; }
a { color: var(--link); }
code, .mono { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .86em;
  overflow-wrap: anywhere; }
.verdict { display: flex; gap: 1.1rem; align-items: flex-start; }
.letter { flex: none; width: 5.2rem; height: 5.2rem; border-radius: 1rem; color: #fff; background: #57606a;
  display: grid; place-content: center; text-align: center; font-weight: 700; font-size: 3rem; line-height: 1; }
.letter small { display: block; font-size: .8rem; font-weight: 600; margin-bottom: .2rem; }
.letter.A { background: #116329; } .letter.B { background: #4d7c0f; } .letter.C { background: #8f5b00; }
.letter.D { background: #b84209; } .letter.E { background: #b91c1c; } .letter.F { background: #7f1d1d; }
.decision { font-weight: 700; text-transform: uppercase; letter-spacing: .04em; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); } .quiet { color: var(--quiet); }
.good, .warn, .bad { font-weight: 600; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: 1rem 1.25rem 1.1rem;
  margin: 1.1rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: .38rem .9rem .38rem 0; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--quiet); font-weight: 600; white-space: nowrap; }
td.keep, .id { white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.1rem; margin: 0; font-size: .95rem; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
ul { margin: .3rem 0; padding-left: 1.2rem; } li { overflow-wrap: anywhere; margin: .2rem 0; }
svg { display: block; width: 100%; height: auto; margin: .4rem 0 1rem; }
svg text { font-family: system-ui, "Segoe UI", Cantarell, "DejaVu Sans", sans-serif; fill: var(--ink); }
svg .inside { fill: #fff; font-weight: 700; } svg .fine { fill: var(--quiet); }
svg line { stroke: var(--quiet); } svg line.today { stroke: var(--ink); }
svg.narrow { display: none; }
footer { color: var(--quiet); font-size: .87rem; padding-bottom: 2rem; }
@media (max-width: 46rem) { svg.wide { display: none; } svg.narrow { display: block; }
  section { padding: .9rem .9rem 1rem; } main, header, footer { padding-left: .8rem; padding-right: .8rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } .letter { width: 4.4rem; height: 4.4rem; }
  table.stack thead { display: none; } table.stack tr { display: block; border-top: 1px solid var(--line);
  padding: .45rem 0; } table.stack td { display: block; border: 0; padding: .05rem 0; white-space: normal; }
  td:last-child { overflow-wrap: anywhere; } table.stack td:empty { display: none; }
  table.stack td[data-label]::before { content: attr(data-label) ": "; color: var(--quiet); } }
@media print { :root { --ground: #fff; --card: #fff; --ink: #000; --quiet: #444; --line: #bbb; --good: #116329;
  --warn: #8a5300; --bad: #b3261e; --link: #000; } body { font-size: 10pt; } section { break-inside: avoid-page; }
  .letter, svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; } tr { break-inside: avoid; }
  main, header, footer { max-width: none; padding: 0; } }
"""
