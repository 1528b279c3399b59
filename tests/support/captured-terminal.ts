/** A terminal whose lines a test reads. */
export interface CapturedTerminal {
  readonly lines: string[];
  readonly errors: string[];
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}

export function captureTerminal(): CapturedTerminal {
  const lines: string[] = [];
  const errors: string[] = [];
  return { lines, errors, out: (line) => void lines.push(line), err: (line) => void errors.push(line) };
}
