import { escapeHtml, renderPage } from './html.ts'

/** The page at `/`: what this is, whether it lives, and the first command to try. */
export function renderHomePage(openAiBaseUrl: string): string {
  const curl = [
    `curl ${openAiBaseUrl}/chat/completions \\`,
    `  -H "Authorization: Bearer $SHOAL_API_KEY" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '{"model": "MODEL", "messages": [{"role": "user", "content": "What is Shoal?"}]}'`,
  ].join('\n')
  const models = `curl ${openAiBaseUrl}/models -H "Authorization: Bearer $SHOAL_API_KEY"`
  return renderPage({
    title: 'Shoal',
    script: '/assets/home.js',
    body: `<main class="home">
<h1>Shoal</h1>
<p class="lead">Idle GPUs of many owners, turned into compute that a company can rely on. This is one network’s control API;
any OpenAI client can use its models.</p>
<dl class="health" aria-live="polite">
<div><dt>State</dt><dd id="state">asking…</dd></div>
<div><dt>Network</dt><dd id="network">–</dd></div>
<div><dt>Version</dt><dd id="version">–</dd></div>
<div><dt>Up for</dt><dd id="uptime">–</dd></div>
</dl>
<h2>Try it</h2>
<p>See which models there are:</p>
${renderCopyable('models', models)}
<p>Ask one of them, in place of <code>MODEL</code>:</p>
${renderCopyable('chat', curl)}
<p>Or point any OpenAI client at <code>${escapeHtml(openAiBaseUrl)}</code>. The key is the one that <code>shoal up</code>
printed; <code>shoal keys create</code> makes more.</p>
<h2>Read on</h2>
<ul>
<li><a href="/roi">What a GPU really earns</a>: after electricity, idle hours, fees and its fall in value</li>
<li><a href="/status">Status</a>: availability, incidents, maintenance</li>
<li><a href="/docs">API reference</a></li>
<li><a href="/openapi.json">OpenAPI 3.1 document</a></li>
<li><a href="/api/health">Health, as JSON</a></li>
</ul>
</main>`,
  })
}

const renderCopyable = (id: string, text: string): string =>
  `<div class="copyable"><pre id="${id}">${escapeHtml(text)}</pre><button type="button" data-copy="${id}">Copy</button></div>`
