import { useState } from 'react'
import { commandOf, type Params, questionOf, searchOf } from './link.ts'

/** The same question elsewhere: as a link, in a terminal, over the API. */
export function Share({ params }: { params: Params }) {
  const link = `${location.origin}${location.pathname}?${searchOf(params)}`
  const api = `/api/economics/roi?${searchOf(questionOf(params))}`
  return (
    <section className="panel" aria-labelledby="share">
      <h2 id="share">The same again</h2>
      <dl className="fields wide">
        <div>
          <dt>Link</dt>
          <dd>
            <code>{link}</code> <Copy text={link} />
          </dd>
        </div>
        <div>
          <dt>Terminal</dt>
          <dd>
            <code>{commandOf(questionOf(params))}</code> <Copy text={commandOf(questionOf(params))} />
          </dd>
        </div>
        <div>
          <dt>API</dt>
          <dd>
            <a href={api}>
              <code>{api}</code>
            </a>
          </dd>
        </div>
      </dl>
    </section>
  )
}

function Copy({ text }: { text: string }) {
  const [said, setSaid] = useState('Copy')
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setSaid('Copied'),
      () => setSaid('Select it by hand'),
    )
  return (
    <button type="button" className="plain" onClick={() => void copy()} onBlur={() => setSaid('Copy')}>
      {said}
    </button>
  )
}
