/** Whether two samples come from one distribution. */

/** Two-sided 99.5 %. */
const Z = 2.807
const C = 1.731

/** Gives the chance that one of `x` is larger than one of `y` (Mann and Whitney), with its range where both are alike. */
export function auc(x: number[], y: number[]): { area: number; low: number; high: number } {
  let wins = 0
  for (const a of x) for (const b of y) wins += a > b ? 1 : a === b ? 0.5 : 0
  const area = wins / (x.length * y.length)
  const error = Z * Math.sqrt((x.length + y.length + 1) / (12 * x.length * y.length))
  return { area, low: area - error, high: area + error }
}

/** Gives the largest distance of the two distribution functions (Kolmogorov and Smirnov), and what it may be by chance. */
export function ks(x: number[], y: number[]): { distance: number; critical: number } {
  const below = (all: number[], at: number) => all.filter((one) => one <= at).length / all.length
  const distance = Math.max(...[...x, ...y].map((at) => Math.abs(below(x, at) - below(y, at))))
  return { distance, critical: C * Math.sqrt((x.length + y.length) / (x.length * y.length)) }
}
