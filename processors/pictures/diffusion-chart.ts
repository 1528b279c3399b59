/** How a scan was diffusion-weighted: b-value of each repetition, and the directions of each shell on a sphere. */
import { schemeOf } from '../qc/diffusion.ts';
import type { Diffusion, Triple } from '../volumes/volume.ts';
import { draw, INK, type Ink, rangeOf, round, type Svg, svgOf, text } from './chart.ts';
import { markup, type Markup } from './markup.ts';

const WIDTH = 680;
const HEIGHT = 190;
const RADIUS = 74;
const SHELL_INKS: readonly Ink[] = [INK.line, INK.bad, INK.other, INK.warn, INK.text];
const SHELL_MARKS = ['circle', 'square', 'triangle'] as const;

export function diffusionChart(diffusion: Diffusion): Svg {
  const { bValues, directions } = diffusion;
  const { b0Volumes, shells, missingDirections } = schemeOf(diffusion);
  const shellsInWords = shells.map(({ bValue, volumes }) => `b ${Math.round(bValue)} s/mm²: ${volumes.length}`);
  const missing = missingDirections === 0 ? '' : ` ${missingDirections} weighted repetitions have no direction.`;
  const about = `Diffusion weighting: ${b0Volumes.length} repetitions without, ${shellsInWords.join(', ')}.${missing}`;
  const stems = draw({
    ...{ width: 400, rowHeight: HEIGHT, about: 'b-value of each repetition' },
    rows: [
      [
        {
          title: 'b-value of each repetition',
          x: { label: 'repetition', min: 0, max: bValues.length + 1 },
          y: { label: 's/mm²', ...rangeOf([...bValues, 0], 0) },
          layers: [
            { kind: 'stems', points: bValues.map((b, t) => [t + 1, b] as const), ink: INK.limit },
            {
              kind: 'points',
              points: b0Volumes.map((t) => [t + 1, bValues[t] ?? 0] as const),
              ink: INK.text,
              mark: 'ring',
            },
            ...shells.map(({ volumes }, shell) => ({
              kind: 'points' as const,
              points: volumes.map((t) => [t + 1, bValues[t] ?? 0] as const),
              ink: inkOf(shell),
              mark: 'dot' as const,
            })),
          ],
        },
      ],
    ],
  });
  const points = shells.flatMap(({ volumes }, shell) =>
    volumes.flatMap((t) => {
      const direction = directions[t];
      return direction === undefined ? [] : [pointOf(direction, shell)];
    }),
  );
  const centre = `${WIDTH - RADIUS - 130} ${HEIGHT / 2 + 4}`;
  const legend = shells.slice(0, 6).map(({ bValue, volumes }, shell) => {
    const y = 40 + shell * 16;
    return markup`<g transform="translate(${WIDTH - 112} ${y - 3})">${markOf(shell, 0, 0, 1)}</g>${text(WIDTH - 104, y, `b ${Math.round(bValue)}: ${volumes.length}`)}`;
  });
  const sphere = markup`<g transform="translate(${centre})"><circle r="${RADIUS}" fill="none" stroke="${INK.limit}" stroke-width="0.8"/><path d="M${-RADIUS} 0H${RADIUS}M0 ${-RADIUS}V${RADIUS}" stroke="${INK.faint}"/>${text(0, -RADIUS - 4, 'anterior', 'middle')}${text(RADIUS + 4, 3, 'left')}${points}</g>`;
  const heading = text(WIDTH - 112, 20, 'Directions');
  return { about, svg: svgOf(WIDTH, HEIGHT, about, [stems.svg, sphere, heading, ...legend]) };
}

/** Seen from the head; a gradient and its opposite weight alike, so that all lie on the near half, the nearest largest. */
function pointOf([x, y, z]: Triple, shell: number): Markup {
  const length = Math.hypot(x, y, z) || 1;
  const sign = z < 0 ? -1 : 1;
  // Lambert's projection keeps areas: an even table looks even.
  const depth = Math.abs(z) / length;
  const stretch = (RADIUS * sign) / (length * Math.sqrt(1 + depth));
  return markOf(shell, round(x * stretch), round(y * stretch), 0.75 + 0.25 * depth);
}

function inkOf(shell: number): Ink {
  return SHELL_INKS[shell % SHELL_INKS.length] ?? INK.line;
}

/** Shells differ in shape as well as in colour. */
function markOf(shell: number, x: number, y: number, size: number): Markup {
  const r = round(3 * size);
  const ink = inkOf(shell);
  switch (SHELL_MARKS[shell % SHELL_MARKS.length]) {
    case 'square':
      return markup`<rect x="${round(x - r)}" y="${round(y - r)}" width="${2 * r}" height="${2 * r}" fill="${ink}"/>`;
    case 'triangle':
      return markup`<path d="M${x} ${round(y - r * 1.2)}l${round(r * 1.2)} ${2 * r}h${round(-2.4 * r)}z" fill="${ink}"/>`;
    case 'circle':
    case undefined:
    default:
      return markup`<circle cx="${x}" cy="${y}" r="${r}" fill="${ink}"/>`;
  }
}
