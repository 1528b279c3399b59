/** Which names in a watched folder are nobody's instance: globs of the configuration, as regular expressions. */

/** True for a name, relative to the watched folder with forward slashes, that is left alone; of a folder, with all in it. */
export type IsIgnored = (name: string) => boolean;

/** @param globs - one without a slash is asked of the last part of a name, at any depth; case never matters */
export function ignoring(globs: readonly string[]): IsIgnored {
  const tests = globs.map((glob) => ({ isWhole: glob.includes('/'), test: regexOf(glob) }));
  return (name) => {
    const last = name.slice(name.lastIndexOf('/') + 1);
    return tests.some(({ isWhole, test }) => test.test(isWhole ? name : last));
  };
}

/** `*` and `?` inside a name, `**` across folders; nothing else is special. */
function regexOf(glob: string): RegExp {
  const source = glob.replaceAll(/\*\*\/?|[*?]|[\\^$.|+()[\]{}/]/g, (found) => {
    if (found === '**/') return '(?:[^/]+/)*';
    if (found === '**') return '.*';
    if (found === '*') return '[^/]*';
    if (found === '?') return '[^/]';
    return `\\${found}`;
  });
  return new RegExp(`^${source}$`, 'iu');
}
