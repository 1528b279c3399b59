/** The `pixels` of a policy: what happens to text and faces in pictures (PS3.15 Sections E.3.1 and E.3.2). */
import * as z from 'zod';
import type { DeviceSignature, PixelPolicy } from './cleaning.ts';
import hubSignatures from './signatures.json' with { type: 'json' };

const place = z.int().min(-65_535).max(65_535);
const extent = z.int().min(1).max(65_535);

const signatureSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'letters, digits, dot, dash and underscore'),
  when: z
    .strictObject({
      manufacturer: z.string().min(1).max(64).optional(),
      model: z.string().min(1).max(64).optional(),
      modality: z
        .string()
        .regex(/^[A-Z]{2,16}$/, 'a modality such as US')
        .optional(),
      sopClassUid: z
        .string()
        .regex(/^[0-9.]{1,64}$/, 'a UID')
        .optional(),
      imageType: z.array(z.string().min(1).max(16)).max(8).optional(),
      rows: extent.optional(),
      columns: extent.optional(),
    })
    .refine(
      (when) => Object.values(when).some((value) => value !== undefined),
      'say which device: one condition at least',
    ),
  regions: z
    .array(z.strictObject({ x: place, y: place, width: extent, height: extent }))
    .max(32)
    .describe('Rectangles in pixels from the upper left corner; a negative x or y counts from the other edge.'),
});

export const pixelPolicySchema = z.strictObject({
  text: z
    .enum(['quarantine', 'blank-regions', 'detect-text'])
    .optional()
    .describe(
      'What may show text is held; or blanked where the device is known to write; or every frame is looked at.',
    ),
  foundText: z.enum(['blank', 'quarantine']).default('blank').describe('What happens to text that was detected.'),
  faces: z
    .enum(['keep', 'quarantine', 'deface'])
    .optional()
    .describe('Human heads are released as they are, held, or defaced; when unsure, the study is held.'),
  signatures: z
    .array(signatureSchema)
    .max(200)
    .default([])
    .describe('Where devices write text, before those that come with the hub.'),
});

type Asked = z.infer<typeof pixelPolicySchema>;

const HUB_SIGNATURES: readonly DeviceSignature[] = z.array(signatureSchema).parse(hubSignatures.signatures);

/**
 * Every default filled in: an option of PS3.15 asks for the whole of it, so less than that contradicts it.
 *
 * @param refuse - ends with an error
 */
export function pixelPolicyOf(
  asked: Asked,
  options: readonly string[],
  refuse: (detail: string) => never,
): PixelPolicy {
  const cleansPixels = options.includes('clean-pixel-data');
  const cleansFaces = options.includes('clean-recognizable-visual-features');
  const text = asked.text ?? (cleansPixels ? 'detect-text' : 'quarantine');
  const faces = asked.faces ?? (cleansFaces ? 'deface' : 'keep');
  if (cleansPixels && text !== 'detect-text')
    refuse('clean-pixel-data looks at every frame: pixels.text is detect-text');
  if (cleansFaces && faces === 'keep')
    refuse('clean-recognizable-visual-features and pixels.faces: keep contradict each other');
  return { text, foundText: asked.foundText, faces, signatures: [...asked.signatures, ...HUB_SIGNATURES] };
}
