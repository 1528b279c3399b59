/** What the API shows of the ledger's rows: identifiers, states, numbers, reasons; no attribute of a patient, no reference to bytes. */
import * as z from 'zod';
import { PARTNER_SCOPES } from '../core/partners.ts';
import { CROSSWALK_KINDS } from '../core/ledger/crosswalk.ts';
import { DELIVERY_PRIORITIES } from '../core/ledger/deliveries.ts';
import { OVERRIDE_REASONS } from '../core/override-reasons.ts';

const uid = z.string().regex(/^[0-9.]{1,64}$/);
const time = z.string().describe('UTC, ISO 8601');
const count = z.int().min(0);

export const studyParams = z.object({ studyInstanceUid: uid });
export const deliveryParams = z.object({ deliveryId: z.uuid() });
export const runParams = z.object({ runId: z.uuid() });
export const quarantineParams = z.object({ quarantineId: z.uuid() });
export const commitmentParams = z.object({ commitmentId: z.uuid() });
export const tokenParams = z.object({ tokenId: z.string().regex(/^[0-9a-f]{1,64}$/) });

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50).describe('Rows a page.'),
  before: z.string().min(1).max(128).optional().describe('`cursor` of the page before.'),
});

/** Newest first; `cursor` is absent on the last page. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), cursor: z.string().optional() });
}

export const studyState = z.enum(['receiving', 'completed', 'unrouted', 'routed']);
export const study = z.object({
  studyInstanceUid: uid,
  revision: count.describe('0 before the first completion'),
  source: z.string(),
  instances: count,
  firstReceivedAt: time,
  lastReceivedAt: time,
  correlationId: z.string(),
  held: z.boolean().describe('Waits for the release of a quarantine entry'),
  state: studyState,
  expiredAt: z.string().optional().describe('What was received of it was removed then, after delivery.'),
});
/** Of a study that is being received. */
export const waiting = z.object({
  waitingFor: z.array(z.string()).optional().describe('In words; the first is the strongest'),
  waitingUntil: time.optional().describe('When it is judged again; absent: when something arrives'),
});
export const series = z.object({
  seriesInstanceUid: uid,
  instances: count,
  modality: z.string().optional(),
  door: z.enum(['dimse', 'stow-rs', 'folder']),
  source: z.string(),
});
export const run = z.object({
  runId: z.string(),
  studyInstanceUid: uid,
  revision: count,
  route: z.string(),
  configVersion: z.string(),
  state: z.enum(['waiting', 'running', 'processed', 'quarantined', 'cancelled']),
  createdAt: time,
  processors: z.array(z.string()),
  nextStep: count,
  destinations: z.array(z.string()),
  items: count.describe('Instances and artefacts after the last finished step'),
  explanation: z.unknown().describe('Why the route matched'),
});
export const timelineEntry = z.object({ at: time, what: z.string(), fields: z.record(z.string(), z.unknown()) });

export const deliveryState = z.enum(['pending', 'succeeded', 'dead', 'cancelled']);
export const delivery = z.object({
  deliveryId: z.string(),
  runId: z.string(),
  destination: z.string(),
  partner: z.string().optional(),
  state: deliveryState,
  studyInstanceUid: uid,
  releasedStudyInstanceUid: uid,
  revision: count,
  route: z.string(),
  priority: z.enum(DELIVERY_PRIORITIES),
  createdAt: time,
  attempts: count.describe('Since creation or the last replay'),
  dueAt: time.optional().describe('When it goes; absent: it has ended, is under way, or nobody knows'),
  waitingFor: z.array(z.string()).optional().describe('Why nothing goes to its destination now, in words'),
  reason: z.string().optional(),
  code: z.string().optional().describe('Error code of the last attempt'),
  correlationId: z.string(),
});
export const deliveryWithHistory = delivery.extend({
  history: z.array(
    z.object({
      attempt: count,
      startedAt: time,
      durationMs: z.number(),
      outcome: z
        .enum(['succeeded', 'failed', 'waiting'])
        .describe('waiting: all of it was sent, and the destination says later whether it has it'),
      code: z.string().optional(),
      retry: z.string().optional().describe('transient, ambiguous or permanent'),
      detail: z.string().optional(),
      request: z.string().optional().describe('What was asked last'),
      answer: z.string().optional(),
      sizeBytes: count.optional().describe('Read for it'),
    }),
  ),
});

export const overrideReason = z.enum(OVERRIDE_REASONS);
export const quarantineState = z.enum(['held', 'released', 'replayed']);
export const quarantine = z.object({
  quarantineId: z.string(),
  stage: z.enum(['gateway', 'routers', 'processors']),
  reason: z.string(),
  detail: z.string(),
  studyInstanceUid: uid.optional(),
  runId: z.string().optional(),
  instances: count,
  sizeBytes: count,
  source: z.string().optional(),
  holdsStudy: z.boolean(),
  repeats: count.optional().describe('Copies of it that came again; the same content is kept once'),
  repeatedAt: time.optional().describe('When the last of them came'),
  isOverridable: z.boolean().optional().describe('True: it may go on all the same, by an override'),
  override: z
    .object({
      reason: overrideReason,
      by: z.string().describe('As in the audit'),
      role: z.string(),
      note: z.string().optional(),
      at: time,
    })
    .optional()
    .describe('Who let it go on all the same, and why'),
  state: quarantineState,
  createdAt: time,
});

export const commitmentState = z.enum(['deciding', 'reporting', 'reported', 'failed']);
export const commitment = z.object({
  commitmentId: z.string(),
  transactionUid: uid,
  source: z.string(),
  callingAeTitle: z.string(),
  state: commitmentState,
  requestedAt: time,
  decidedAt: time.optional(),
  endedAt: time.optional(),
  dueAt: time.optional(),
  instances: count,
  failures: count.describe('Instances that are not promised'),
  attempts: count.describe('To tell its source, since it asked last'),
  reason: z.string().optional(),
});
export const commitmentWithHistory = commitment.extend({
  history: z.array(
    z.object({
      attempt: count,
      startedAt: time,
      way: z.enum(['same-association', 'new-association', 'none']),
      outcome: z.enum(['answered', 'failed']),
      detail: z.string().optional(),
    }),
  ),
  failed: z.array(z.object({ sopInstanceUid: uid, failureReason: z.string().describe('(0008,1197)') })),
});

export const role = z.enum(['admin', 'operator', 'auditor', 'partner', 'reidentifier']);
export const token = z.object({
  tokenId: z.string(),
  role,
  partner: z.string().optional(),
  createdAt: time,
  expiresAt: time.optional(),
  lastUsedAt: time.optional(),
  revokedAt: time.optional(),
  scopes: z.array(z.enum(PARTNER_SCOPES)).optional().describe("What a partner's token may be used for"),
});
export const newToken = z
  .strictObject({
    role,
    partner: z.string().min(1).max(64).optional().describe('Needed for role partner, refused for the others.'),
    expiresAt: z.iso.datetime().optional(),
    scopes: z.array(z.enum(PARTNER_SCOPES)).min(1).optional().describe('Of role partner; without it: all of them.'),
  })
  .refine((given) => given.scopes === undefined || given.role === 'partner', {
    message: 'only tokens of role partner have scopes',
    path: ['scopes'],
  })
  .refine((given) => (given.role === 'partner') === (given.partner !== undefined), {
    message: 'role partner needs a partner, and only it',
    path: ['partner'],
  });
export const createdToken = token.extend({ token: z.string().describe('Shown this once.') });

export const newReidentification = z.strictObject({
  uid: uid.describe('Study, Series or SOP Instance UID, frame of reference or other UID, as it was released.'),
  partner: z.string().min(1).max(64).optional().describe('As released to this one only.'),
});
export const reidentified = z.object({
  kind: z.enum(CROSSWALK_KINDS),
  partner: z.string().describe('Who it was released for; the policy where that is nobody'),
  releasedStudyInstanceUid: uid,
  studyInstanceUid: uid,
  seriesInstanceUid: uid.optional(),
  sopInstanceUid: uid.optional(),
  uid: uid.optional().describe('Of what is no study, series or instance of the hub'),
  patientId: z.string(),
  issuerOfPatientId: z.string().optional(),
  policy: z.string(),
});

export const route = z.object({
  name: z.string(),
  enabled: z.boolean(),
  when: z.unknown().describe('The rule as configured'),
  process: z.array(z.unknown()),
  deliver: z.array(z.string()),
  perSeries: z.boolean(),
  owner: z.string().optional(),
  contact: z.string().optional(),
  fallback: z.boolean().optional().describe('It takes what no other route takes'),
  effectiveFrom: time.optional(),
  effectiveUntil: time.optional(),
});
export const auditEntry = z.object({
  position: z.int(),
  time,
  actor: z.string(),
  role: z.string(),
  action: z.string(),
  subject: z.string(),
  outcome: z.enum(['done', 'refused']),
});

export const source = z.object({ name: z.string(), lastSeenAt: time.optional() });
export const refusal = z.object({
  address: z.string(),
  callingAeTitle: z.string(),
  calledAeTitle: z.string(),
  why: z.string().describe('What did not fit, in the words of the log'),
  count: z.int().min(1),
  firstAt: time,
  lastAt: time,
});
