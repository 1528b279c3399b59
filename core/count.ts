/** How many of something, in words for people: `1 study`, `3 studies`. */

/** @param many - where an s is not enough */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${String(number)} ${number === 1 ? one : many}`;
}
