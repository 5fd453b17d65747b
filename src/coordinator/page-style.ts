/** One style sheet for the pages of the control server, light and dark by the reader's own setting. */
export const PAGE_STYLE = `:root {
  color-scheme: light dark;
  --back: light-dark(#fbfcfc, #101517);
  --front: light-dark(#1b2427, #dfe7e8);
  --dim: light-dark(#5a686c, #93a3a7);
  --line: light-dark(#d9e1e2, #2a3538);
  --panel: light-dark(#f1f5f5, #182023);
  --accent: light-dark(#08737a, #52c7cd);
  --good: light-dark(#1a7f3c, #5fd38a);
  --bad: light-dark(#b3261e, #ff8a80);
}
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--front); font: 16px/1.55 system-ui, sans-serif }
a { color: var(--accent) }
code, pre { font: 0.88em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
:not(pre) > code { background: var(--panel); padding: 0.1em 0.3em; border-radius: 4px; overflow-wrap: anywhere }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 0.8em 1em; margin: 0; overflow-x: auto }
h1 { font-size: 2rem; margin: 0 0 0.3em; letter-spacing: -0.02em }
h2 { font-size: 1.25rem; margin: 2em 0 0.6em }
.lead, .dim { color: var(--dim) }
.home { max-width: 46rem; margin: 0 auto; padding: 4rem 1.25rem }
.health { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1px; background: var(--line); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; margin: 1.5rem 0 }
.health div { background: var(--back); padding: 0.7rem 1rem }
.health dt { color: var(--dim); font-size: 0.8rem }
.health dd { margin: 0; font-weight: 600; overflow-wrap: anywhere }
.good { color: var(--good) }
.bad { color: var(--bad) }
.bars { display: block; width: 100%; height: 36px; background: var(--panel); border-radius: 4px }
.bars .full { fill: var(--good) }
.bars .less { fill: light-dark(#b26a00, #f0b357) }
.bars .low { fill: var(--bad) }
.bars .empty { fill: var(--line) }
.incident { border-left: 3px solid var(--line); padding-left: 0.8rem; margin: 0.8rem 0 }
.incident p { margin: 0.2rem 0 }
.copyable { position: relative }
.copyable pre { padding-right: 5.5em; white-space: pre-wrap; overflow-wrap: anywhere }
.copyable button { position: absolute; top: 0.5em; right: 0.5em; font: inherit; font-size: 0.8rem; color: var(--front); background: var(--back); border: 1px solid var(--line); border-radius: 6px; padding: 0.2em 0.7em; cursor: pointer }
.copyable button:hover, .copyable button:focus-visible { border-color: var(--accent) }
.docs { display: grid; grid-template-columns: minmax(12rem, 17rem) minmax(0, 1fr); max-width: 80rem; margin: 0 auto }
.docs nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.5rem 1rem; border-right: 1px solid var(--line); font-size: 0.88rem }
.docs nav ul { list-style: none; margin: 0 0 1rem; padding: 0 }
.docs nav a { display: block; padding: 0.12rem 0; text-decoration: none; overflow-wrap: anywhere }
.docs nav a:hover { text-decoration: underline }
.docs nav strong { display: block; margin-top: 0.8rem }
.docs main { padding: 2rem 1.5rem 6rem; min-width: 0 }
.docs section { border-top: 1px solid var(--line); padding: 1.2rem 0; scroll-margin-top: 1rem }
.docs h3 { margin: 0 0 0.4rem; font-size: 1.02rem; overflow-wrap: anywhere }
.docs h4 { margin: 1rem 0 0.4rem; font-size: 0.85rem; color: var(--dim) }
.method { display: inline-block; min-width: 4.2em; font-weight: 700; color: var(--accent) }
.scope { float: right; font-size: 0.8rem; color: var(--dim); border: 1px solid var(--line); border-radius: 99px; padding: 0.05em 0.7em }
.table { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.8rem 0.35rem 0; border-bottom: 1px solid var(--line) }
th { color: var(--dim); font-weight: 500 }
section:target { outline: 2px solid var(--accent); outline-offset: 6px; border-radius: 4px }
@media (max-width: 46rem) {
  .docs { display: block }
  .docs nav { position: static; height: auto; max-height: 40vh; border-right: 0; border-bottom: 1px solid var(--line) }
}
`
