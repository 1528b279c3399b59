/** What a UID that was given to a partner stands for: for a role of its own, and each question is on record. */
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import { type Operation, operation } from './operation.ts';
import type { ApiPorts } from './ports.ts';
import { REIDENTIFIERS } from './roles.ts';
import { newReidentification, reidentified } from './shapes.ts';

export function reidentifyOperations(ports: ApiPorts): readonly Operation[] {
  const { reidentify } = ports;
  // Without the key of the crosswalk, nobody is told anything.
  if (reidentify === undefined) return [];
  return [
    operation({
      method: 'post',
      path: '/reidentifications',
      tag: 'studies',
      summary: 'What a UID that was given to a partner stands for; each question is an audit event',
      roles: REIDENTIFIERS,
      body: newReidentification,
      answer: z.object({ uid: z.string(), items: z.array(reidentified) }),
      audit: 'reidentify',
      // As released; under a policy that keeps UIDs that is the original, which no event holds.
      subject: ({ items }) =>
        items.find((item) => item.releasedStudyInstanceUid !== item.studyInstanceUid)?.releasedStudyInstanceUid ??
        'retained UID',
      handle: async ({ body: { uid, partner } }) => {
        const { policies, partners } = ports.catalogue();
        const recipients = [
          ...policies.map((policy) => policy.partner ?? policy.name),
          ...partners.map(({ name }) => name),
        ];
        const items = await reidentify(uid, partner === undefined ? recipients : [partner]);
        if (items.length === 0)
          throw new HubError('resource.not-found', { detail: 'no such UID was given to anybody' });
        return { uid, items: [...items] };
      },
    }),
  ];
}
