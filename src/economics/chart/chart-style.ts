/** Colours of the charts by their classes, as CSS: for light pages, and for dark ones where the reader prefers them. */
const light = `--ink:#1b1f24;--soft:#57606a;--line:#d5d9de;--good:#1a7f37;--bad:#b3261e;--accent:#0b5cad;--page:#ffffff;--card:#f6f7f9`
const dark = `--ink:#e8eaed;--soft:#a3abb5;--line:#3a4149;--good:#4cc270;--bad:#ff8178;--accent:#6cb2ff;--page:#14171a;--card:#1d2125`

export const chartStyle = `
:root{color-scheme:light dark;${light}}
@media (prefers-color-scheme:dark){:root{${dark}}}
.chart{display:block;width:100%;height:auto;font:12px system-ui,sans-serif}
.chart text{fill:var(--ink)}.chart .soft{fill:var(--soft)}.chart .strong{font-weight:600}
.chart .grid{stroke:var(--line);stroke-width:1}.chart .zero{stroke:var(--ink);stroke-width:1}
.chart .good{fill:var(--good)}.chart .bad{fill:var(--bad)}.chart .accent{fill:var(--accent)}
.chart .line{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round}
.chart .halo{paint-order:stroke;stroke:var(--page);stroke-width:3px;stroke-linejoin:round}
.chart .fields{shape-rendering:crispEdges}
.chart .band{fill:var(--accent);fill-opacity:.2}
.chart .mark{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:3 3}
.chart .border{fill:none;stroke:var(--ink);stroke-width:2}
.chart .you{fill:var(--page);stroke:var(--ink);stroke-width:2}
`.trim()
