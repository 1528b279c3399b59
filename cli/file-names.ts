/** Names of series as names of files: letters, digits, `_` and `-`, each once. */

const MAX_LENGTH = 80;

/** @returns gives every name it is asked for a different answer */
export function fileNames(): (name: string) => string {
  const given = new Set<string>();
  return (name) => {
    const safe = name.replaceAll(/[^A-Za-z0-9_-]+/g, '_').slice(0, MAX_LENGTH) || 'series';
    let unique = safe;
    for (let count = 2; given.has(unique.toLowerCase()); count++) unique = `${safe}_${count}`;
    given.add(unique.toLowerCase());
    return unique;
  };
}
