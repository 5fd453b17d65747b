/**
 * What can be told of a page without looking at it. Each check answers complaints; none of them is about taste. They run
 * in the browser: what they use must be inside them.
 */
import type { Page } from 'playwright-core'

/** All of them, each named by what it found. */
export async function checkPage(page: Page): Promise<string[]> {
  const found = [
    await findOverflow(page),
    await findUnnamed(page),
    await findFaint(page),
    await findBroken(page),
  ]
  return found.flat()
}

/** What is wider than the window. A phone's browser makes the window wider then: it is told how wide it is to be. */
const findOverflow = (page: Page): Promise<string[]> =>
  page.evaluate((width) => {
    const { scrollWidth } = document.documentElement
    if (scrollWidth <= width && window.innerWidth <= width) return []
    const wide = [...document.querySelectorAll('body *')].filter((element) => {
      const { right } = element.getBoundingClientRect()
      return right > width + 0.5
    })
    const names = [...new Set(wide.map((element) => `${element.tagName}.${element.getAttribute('class')}`))]
    return [`the page is ${scrollWidth} px wide in ${width}: ${names.slice(0, 10).join(', ')}`]
  }, page.viewportSize()?.width ?? 0)

/** Controls without a name, and controls too small for a finger. */
const findUnnamed = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const nameOf = (element: Element): string => {
      const ids = element.getAttribute('aria-labelledby')?.split(' ') ?? []
      const labelled = ids.map((id) => document.getElementById(id)?.textContent ?? '').join(' ')
      const labels = [...((element as HTMLInputElement).labels ?? [])]
        .map((label) => label.textContent)
        .join(' ')
      // Other roles take no name from what is in them.
      const own = element.matches('button, a, summary') ? (element.textContent ?? '') : ''
      return (element.getAttribute('aria-label') || labelled || labels || own).trim()
    }
    const selector =
      'input, select, button, a[href], summary, [role="slider"], [role="radiogroup"], [role="img"]'
    return [...document.querySelectorAll(selector)].flatMap((element) => {
      const { width, height } = element.getBoundingClientRect()
      const what = `${element.tagName} ${element.className}`
      if (width === 0) return []
      const isInText = element.matches('a, .plain, summary')
      const isSmall =
        !isInText && element.matches('input, select, button, [role="slider"]') && Math.min(width, height) < 24
      return [
        ...(nameOf(element) === '' ? [`${what} has no name`] : []),
        ...(isSmall ? [`${what} is ${width} × ${height} px`] : []),
      ]
    })
  })

/** Text whose contrast with what is behind it is below 4.5. */
const findFaint = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    type Colour = readonly [red: number, green: number, blue: number, alpha: number]
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = 1
    const context = canvas.getContext('2d', { willReadFrequently: true })
    // Whatever notation the browser computes in, it can paint it.
    const colourOf = (text: string): Colour => {
      if (!context) throw new Error('no canvas')
      context.clearRect(0, 0, 1, 1)
      context.fillStyle = text
      context.fillRect(0, 0, 1, 1)
      const [red = 0, green = 0, blue = 0, alpha = 0] = context.getImageData(0, 0, 1, 1).data
      return [red, green, blue, alpha / 255]
    }
    const over = (top: Colour, below: Colour): Colour => {
      const mix = (at: 0 | 1 | 2) => top[at] * top[3] + below[at] * (1 - top[3])
      return [mix(0), mix(1), mix(2), 1]
    }
    const groundOf = (element: Element | null): Colour => {
      if (!element) return colourOf('canvas')
      const own = colourOf(getComputedStyle(element).backgroundColor)
      return own[3] >= 0.99 ? own : over(own, groundOf(element.parentElement))
    }
    const luminance = ([red, green, blue]: Colour): number => {
      const linear = [red, green, blue].map((value) => {
        const share = value / 255
        return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * (linear[0] ?? 0) + 0.7152 * (linear[1] ?? 0) + 0.0722 * (linear[2] ?? 0)
    }
    const contrast = (a: Colour, b: Colour): number => {
      const [light = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x)
      return (light + 0.05) / (dark + 0.05)
    }
    const faint = new Map<string, number>()
    const look = (element: Element, text: string, inkText: string): void => {
      const ground = groundOf(element)
      const value = contrast(over(colourOf(inkText), ground), ground)
      if (value < 4.5)
        faint.set(
          `"${text.trim().slice(0, 30)}" in ${element.tagName}.${element.getAttribute('class')}`,
          value,
        )
    }
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement
      if (!element || !node.textContent?.trim() || !element.checkVisibility()) continue
      if (element.closest('.sr-only, noscript, script')) continue
      const style = getComputedStyle(element)
      look(element, node.textContent, element instanceof SVGElement ? style.fill : style.color)
    }
    for (const input of document.querySelectorAll('input')) {
      if (input.placeholder && !input.value)
        look(input, input.placeholder, getComputedStyle(input, '::placeholder').color)
      else look(input, input.value, getComputedStyle(input).color)
    }
    return [...faint].map(([what, value]) => `${what} has a contrast of ${value.toFixed(2)}`)
  })

/** Ids that are there twice, references that lead nowhere, headings that skip a level, numbers that are none. */
const findBroken = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id)
    const doubled = ids.filter((id, at) => ids.indexOf(id) !== at)
    const references = [
      'aria-labelledby',
      'aria-describedby',
      'aria-controls',
      'for',
      'aria-activedescendant',
    ]
    const lost = references.flatMap((name) =>
      [...document.querySelectorAll(`[${name}]`)].flatMap((element) =>
        (element.getAttribute(name) ?? '')
          .split(' ')
          .filter((id) => !document.getElementById(id))
          .map((id) => `${name}="${id}" leads nowhere`),
      ),
    )
    const levels = [...document.querySelectorAll('h1, h2, h3')].map(({ tagName }) => Number(tagName.slice(1)))
    const text = document.body.textContent ?? ''
    return [
      ...doubled.map((id) => `the id ${id} is there twice`),
      ...lost,
      ...(levels[0] === 1 && levels.every((level, at) => level <= (levels[at - 1] ?? 0) + 1)
        ? []
        : ['headings skip']),
      ...(document.documentElement.lang === '' || document.title === '' ? ['no language or no title'] : []),
      ...(/\b(NaN|undefined|Infinity|null)\b/.test(text)
        ? [`it says ${/\b(NaN|undefined|Infinity|null)\b/.exec(text)?.[0]}`]
        : []),
    ]
  })
