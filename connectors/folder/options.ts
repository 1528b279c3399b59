/** What a destination of the type `folder` is configured with. */
import * as z from 'zod';
import { destinationOptions, verifyAfter } from '../destination-options.ts';
import { checkLayout, layout } from '../file-layout.ts';

export const options = z
  .strictObject({
    ...destinationOptions,
    type: z.literal('folder'),
    verify: verifyAfter,
    path: z.string().min(1).describe('Folder that gets one folder a study; made when it is not there.'),
    layout,
  })
  .superRefine(checkLayout);
export type FolderOptions = z.infer<typeof options>;
