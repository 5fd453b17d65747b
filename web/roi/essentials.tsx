import { useMemo } from 'react'
import type { Catalogue } from '../../src/economics/catalogue.ts'
import { inputInfo } from '../../src/economics/input-lines.ts'
import { marketPriceOf } from '../../src/economics/market-price.ts'
import { usdText } from '../../src/economics/usd-text.ts'
import { Combobox, type Option } from './combobox.tsx'
import { fieldsOf } from './fields.ts'
import { VIEW, viewOf } from './link.ts'
import { NumberField } from './number-field.tsx'
import type { RoiState, RoiStore } from './roi-store.ts'
import { Segments } from './segments.tsx'

export interface InputProps {
  readonly state: RoiState
  readonly catalogue: Catalogue
  readonly change: RoiStore['change']
}

/** The few inputs that decide most: which GPU, whose, where or at what price of electricity. */
export function Essentials({ state, catalogue, change }: InputProps) {
  const gpus = useMemo(() => gpuOptions(catalogue), [catalogue])
  const places = useMemo(() => placeOptions(catalogue), [catalogue])
  const { params } = state
  const { problemOf, numberField } = fieldsOf(state, change)
  const place = state.shown.kind === 'report' ? state.shown.report.place?.name : undefined
  const own = params['kwh'] === undefined ? '' : ' Your own price goes before its.'
  const placeHint = place ? `${place}.${own}` : `${places.length} are known, for their price of electricity.`
  return (
    <section className="essentials" aria-labelledby="machine">
      <h1 id="machine">What will this GPU really earn?</h1>
      <div className="panel">
        <Combobox
          label="GPU"
          placeholder="RTX 4090"
          value={params['gpu'] ?? ''}
          options={gpus}
          hint={`${gpus.length} are known; type to search.`}
          problem={problemOf('gpu')}
          onSay={(gpu) => change({ gpu: gpu === '' ? null : gpu })}
        />
        <div className="field">
          <span className="label" id="whose">
            Whose it is
          </span>
          <Segments
            name={{ 'aria-labelledby': 'whose' }}
            value={viewOf(params)}
            choices={[
              ['own', 'I own it'],
              ['buy', 'I would buy it'],
            ]}
            onChoose={(view) => change({ [VIEW]: view })}
          />
          <p className="hint">Decides which side of the verdict is large.</p>
        </div>
        <Combobox
          label="Where it stands"
          placeholder="Germany, or US-CA"
          value={params['country'] ?? ''}
          options={places}
          hint={placeHint}
          problem={problemOf('country')}
          onSay={(country) => change({ country: country === '' ? null : country })}
        />
        <NumberField
          {...numberField('electricity')}
          label="Price of electricity"
          unit={inputInfo.electricity.unit}
          range={{ min: 0, max: 0.6, step: 0.005 }}
        />
      </div>
    </section>
  )
}

const gpuOptions = ({ gpus }: Catalogue): Option[] =>
  gpus.map((gpu) => {
    const rent = marketPriceOf(gpu)
    const facts = [
      `${gpu.vram_gb} GB`,
      gpu.used_price_usd === null ? 'price not known' : usdText(gpu.used_price_usd),
      rent === null ? 'rent not known' : `rents for ${usdText(rent.usd)}/h`,
    ]
    const words = [
      gpu.name,
      gpu.id,
      gpu.vendor,
      gpu.segment,
      gpu.architecture,
      `${gpu.vram_gb} gb`,
      ...gpu.aliases,
    ]
    return {
      value: gpu.name,
      label: gpu.name,
      detail: facts.join(' · '),
      text: words.join(' ').toLowerCase(),
    }
  })

const placeOptions = ({ places }: Catalogue): Option[] =>
  places.map(({ code, name, residential_usd_kwh: usd }) => ({
    value: code,
    label: `${name} (${code})`,
    detail: usd === null ? 'no household price: asks for yours' : `${usdText(usd)}/kWh`,
    text: `${name} ${code}`.toLowerCase(),
  }))
