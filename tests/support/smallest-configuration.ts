import { readFileSync } from 'node:fs';

/** The smallest useful configuration, as the README shows it: what a reader copies is what is tested. */
export const SMALLEST = firstYamlOf(readFileSync(new URL('../../README.md', import.meta.url), 'utf8'));

function firstYamlOf(text: string): string {
  const [, yaml] = /```yaml\n(.*?)```/s.exec(text) ?? [];
  if (yaml === undefined) throw new Error('the README shows no configuration');
  return yaml;
}
