/** Work of which the next pieces are under way while one is sent. */

/**
 * The results of `work`, in order.
 *
 * @param depth - pieces under way at once, at most
 */
export async function* ahead<Item, Result>(
  items: Iterable<Item>,
  depth: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const underWay: Promise<Result>[] = [];
  for (const item of items) {
    const piece = work(item);
    // It is awaited in its turn; when an earlier one fails, or nobody goes on reading, it never is.
    piece.catch(() => undefined);
    underWay.push(piece);
    const oldest = underWay.length >= depth ? underWay.shift() : undefined;
    if (oldest !== undefined) yield await oldest;
  }
  for (const piece of underWay) yield await piece;
}
