/** `/roi`: what a GPU really earns. Computed here, by the same functions as `shoal roi`; no number leaves the browser. */
import './style.css'
import { catalogue } from 'virtual:catalogue'
import { createRoot } from 'react-dom/client'
import { Page } from './page.tsx'
import { RoiStore } from './roi-store.ts'
import { applyTheme, savedTheme } from './theme.ts'

applyTheme(savedTheme())
const store = new RoiStore({
  catalogue,
  search: location.search,
  nowMs: () => Date.now(),
  startThread: () => new Worker(new URL('./economics-worker.ts', import.meta.url), { type: 'module' }),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
  onSearch: (search) => history.replaceState(null, '', search === '' ? location.pathname : `?${search}`),
})
addEventListener('popstate', () => store.read(location.search))

const place = document.getElementById('page')
if (place) createRoot(place).render(<Page store={store} catalogue={catalogue} />)
