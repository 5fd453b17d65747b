/** The home page's script, as it is served: keeps the state current and makes the commands copyable. */
export const HOME_SCRIPT = `const show = (id, text) => { document.getElementById(id).textContent = text }
const formatDuration = (ms) => {
  const minutes = Math.floor(ms / 60000)
  if (minutes < 1) return Math.floor(ms / 1000) + ' s'
  if (minutes < 60) return minutes + ' min'
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? hours + ' h ' + (minutes % 60) + ' min' : Math.floor(hours / 24) + ' days'
}
async function refresh() {
  const state = document.getElementById('state')
  try {
    const response = await fetch('/api/health', { cache: 'no-store' })
    if (!response.ok) throw new Error('HTTP ' + response.status)
    const health = await response.json()
    show('state', 'serving')
    state.className = 'good'
    show('network', health.networkName)
    show('version', health.version)
    show('uptime', formatDuration(health.uptimeMs))
  } catch {
    show('state', 'does not answer')
    state.className = 'bad'
  }
}
refresh()
setInterval(refresh, 5000)
for (const button of document.querySelectorAll('[data-copy]')) {
  button.addEventListener('click', async () => {
    const source = document.getElementById(button.dataset.copy)
    try {
      await navigator.clipboard.writeText(source.textContent)
      button.textContent = 'Copied'
    } catch {
      getSelection().selectAllChildren(source)
      button.textContent = 'Selected'
    }
    setTimeout(() => { button.textContent = 'Copy' }, 1500)
  })
}
`
