"""The look of the report's page: light or dark as the reader's system is."""

STYLE = """
:root { color-scheme: light dark; --ground: #fbfbfa; --panel: #fff; --line: #e0dfdb; --text: #1d1d1b; --quiet: #6a6965;
  --bar: #4a7db5; --good: #2a8a3e; --bad: #c4302b; }
@media (prefers-color-scheme: dark) { :root { --ground: #161615; --panel: #1f1f1d; --line: #383835; --text: #ecebe7;
  --quiet: #a09f99; --bar: #6d9fd6; --good: #56c26b; --bad: #f0716b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 76rem; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
header p { margin: .2rem 0 1.2rem; color: var(--quiet); overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .8rem; }
h3 { font-size: .95rem; margin: 1.4rem 0 .4rem; color: var(--quiet); font-weight: 600; }
.cards { display: flex; flex-wrap: wrap; gap: .75rem; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem 1rem; }
.card b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.card span { color: var(--quiet); font-size: .85rem; }
.card.good b { color: var(--good); } .card.bad b { color: var(--bad); }
.timeline { display: block; width: 100%; height: 96px; shape-rendering: crispEdges; }
.timeline .ground { fill: var(--line); opacity: .55; }
.timeline line { stroke: var(--text); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.ends { display: flex; justify-content: space-between; color: var(--quiet); font-size: .8rem; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; color: var(--quiet); font-size: .85rem; }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .45em; }
.views { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: .75rem; }
figure { margin: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: .35rem; }
figcaption { color: var(--quiet); font-size: .8rem; margin-top: .25rem; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem 1.2rem .25rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
th { font-weight: 500; color: var(--quiet); white-space: nowrap; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.wide { width: 28rem; }
tr.differs td { font-weight: 600; }
.bar { background: var(--bar); height: .75rem; border-radius: 2px; margin-top: .35rem; min-width: 1px; }
ul { padding-left: 1.2rem; margin: 0; }
details { margin: .4rem 0; } summary { cursor: pointer; color: var(--quiet); }
"""
