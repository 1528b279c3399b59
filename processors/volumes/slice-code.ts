/** NIfTI's slice_code, for the orders it has a number for. */

const CODES = { ascending: 1, descending: 2, oddFirst: 3, oddFirstDown: 4, evenFirst: 5, evenFirstDown: 6 } as const;

/** @param timesMs - by slice @returns undefined when slices were taken together, or in an order of another kind */
export function sliceCode(
  timesMs: readonly number[],
): { readonly code: number; readonly durationMs: number } | undefined {
  const slices = timesMs.map((_, index) => index);
  if (slices.length < 2 || new Set(timesMs).size !== slices.length) return undefined;
  const acquired = slices.toSorted((a, b) => (timesMs[a] ?? 0) - (timesMs[b] ?? 0));
  const every = (first: number) => slices.filter((slice) => slice % 2 === first);
  const down = slices.toReversed();
  const everyDown = (first: number) => down.filter((_, index) => index % 2 === first);
  const orders: Readonly<Record<keyof typeof CODES, readonly number[]>> = {
    ascending: slices,
    descending: down,
    oddFirst: [...every(0), ...every(1)],
    oddFirstDown: [...everyDown(0), ...everyDown(1)],
    evenFirst: [...every(1), ...every(0)],
    evenFirstDown: [...everyDown(1), ...everyDown(0)],
  };
  for (const [name, code] of Object.entries(CODES)) {
    const order = Object.entries(orders).find(([each]) => each === name)?.[1] ?? [];
    if (order.every((slice, index) => slice === acquired[index]))
      return { code, durationMs: Math.max(...timesMs) / (slices.length - 1) };
  }
  return undefined;
}
