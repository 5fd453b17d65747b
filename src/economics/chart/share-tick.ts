/** A share with as many digits as it takes to tell it from all: `95 %`, `99.9 %`. */
export function shareTick(share: number): string {
  const percent = share * 100
  const missing = 100 - percent
  const digits = missing <= 0 || missing >= 1 ? 0 : Math.min(4, Math.ceil(-Math.log10(missing)))
  return `${Number(percent.toFixed(percent >= 99 ? Math.max(1, digits) : 1))} %`
}
