import { expect } from 'chai';
import { DEFAULT_QUOTAS, entitledTypes, narrowed, type PartnerSettings, withheld } from '../../core/partners.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const DAY = 86_400_000;

function settings(changes: Partial<PartnerSettings> = {}): PartnerSettings {
  return { name: 'kct', entitlements: {}, quotas: DEFAULT_QUOTAS, webhookHosts: [], ...changes };
}

describe('what a partner may have', () => {
  const limited = settings({
    expiresAtMs: NOW + DAY,
    entitlements: { routes: ['rat'], types: ['study.processed'], fromMs: NOW - DAY },
  });

  const rows: readonly (readonly [string, Parameters<typeof withheld>, ReturnType<typeof withheld>])[] = [
    [
      'everything without limits',
      [narrowed(settings()), { type: 'qc.completed', route: 'x', atMs: 0 }, NOW],
      undefined,
    ],
    [
      'what it is entitled to',
      [narrowed(limited), { type: 'study.processed', route: 'rat', atMs: NOW }, NOW],
      undefined,
    ],
    ['nothing of another route', [narrowed(limited), { type: 'study.processed', route: 'mouse' }, NOW], 'route'],
    ['nothing of another type', [narrowed(limited), { type: 'qc.completed', route: 'rat' }, NOW], 'type'],
    ['nothing from before', [narrowed(limited), { atMs: NOW - DAY - 1 }, NOW], 'before'],
    ['what is from the first moment', [narrowed(limited), { atMs: NOW - DAY }, NOW], undefined],
    ['nothing once its access has ended', [narrowed(limited), {}, NOW + DAY], 'expired'],
    ['nothing while it is suspended', [narrowed(limited, { suspended: true }), {}, NOW], 'suspended'],
    [
      'what is of its own account, whatever types',
      [narrowed(limited), { type: 'webhook.disabled', atMs: 0 }, NOW],
      undefined,
    ],
    [
      'nothing of its own account once its access has ended',
      [narrowed(limited), { type: 'webhook.disabled' }, NOW + DAY],
      'expired',
    ],
    ['nothing of no routes', [narrowed(settings({ entitlements: { routes: [] } })), { route: 'rat' }, NOW], 'route'],
  ];
  for (const [what, [partner, wanted, nowMs], expected] of rows) {
    it(`is ${what}`, () => {
      expect(withheld(partner, wanted, nowMs)).to.equal(expected);
    });
  }

  it('is never widened by what is granted at run time', () => {
    const wide = narrowed(limited, {
      expiresAtMs: NOW + 99 * DAY,
      routes: ['rat', 'mouse'],
      types: ['study.processed', 'qc.completed'],
      fromMs: 0,
      quotas: { requestsPerSecond: 9_999, webhooks: 9_999, streams: 9_999 },
    });
    const narrow = narrowed(limited, { expiresAtMs: NOW, routes: [], fromMs: NOW, quotas: { webhooks: 1 } });

    expect(wide).to.deep.include({
      expiresAtMs: NOW + DAY,
      entitlements: { routes: ['rat'], types: ['study.processed'], fromMs: NOW - DAY },
      quotas: DEFAULT_QUOTAS,
    });
    expect(narrow).to.deep.include({
      expiresAtMs: NOW,
      entitlements: { routes: [], types: ['study.processed'], fromMs: NOW },
      quotas: { ...DEFAULT_QUOTAS, webhooks: 1 },
    });
  });

  it('narrows the types that are asked for, and never to all of them', () => {
    const [all, some] = [narrowed(settings()), narrowed(limited)];

    expect(entitledTypes(all, undefined)).to.equal(undefined);
    expect(entitledTypes(all, ['qc.completed'])).to.deep.equal(['qc.completed']);
    expect(entitledTypes(some, undefined)).to.deep.equal(['study.processed', 'webhook.disabled']);
    expect(entitledTypes(some, ['qc.completed'])).to.deep.equal([]);
  });
});
