/** What every page of ours begins and ends with: one file that asks for nothing. */
import { markup, type Markup } from '../pictures/markup.ts';
import { CONTENT_SECURITY_POLICY, STYLE } from './style.ts';

export function document(title: string, body: Markup): string {
  const head = markup`<meta http-equiv="Content-Security-Policy" content="${CONTENT_SECURITY_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>`;
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8">
${String(head)}
<style>${STYLE}</style></head>
<body>
${String(body)}
</body>
</html>
`;
}
