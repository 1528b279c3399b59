import { expect } from 'chai';
import { DiskGuard } from '../../../gateway/spool/disk-guard.ts';
import type { LogLine } from '../../support/running-gateway.ts';
import type { Logger } from '../../../core/ports.ts';

const GB = 1e9;
const LIMITS = { maxUsedFraction: 0.75, minFreeBytes: 5 * GB };

describe('the disk guard', () => {
  const TABLE: readonly {
    readonly used: number;
    readonly free: number;
    readonly isLow: boolean;
    readonly why: string;
  }[] = [
    { used: 0.5, free: 100, isLow: false, why: 'there is room' },
    { used: 0.75, free: 100, isLow: false, why: 'exactly at the percentage' },
    { used: 0.751, free: 100, isLow: true, why: 'above the percentage, whatever is free' },
    { used: 0.1, free: 5, isLow: false, why: 'exactly at the free space' },
    { used: 0.1, free: 4.999, isLow: true, why: 'below the free space, whatever is used' },
  ];
  for (const { used, free, isLow, why } of TABLE) {
    it(`${isLow ? 'refuses' : 'lets in'} at ${used * 100} % used and ${free} GB free: ${why}`, async () => {
      const { guard } = watched(() => ({ usedFraction: used, freeBytes: free * GB }));

      await guard.check();

      expect(guard.isLow).to.equal(isLow);
      expect(guard.refusal?.code).to.equal(isLow ? 'store.full' : undefined);
    });
  }

  it('opens again a little above the limit, and does not flap at it', async () => {
    const uses = [0.76, 0.75, 0.745, 0.74, 0.75, 0.751];
    let space = { usedFraction: 0, freeBytes: 100 * GB };
    const { guard, lines } = watched(() => space);
    const seen: boolean[] = [];

    for (const usedFraction of uses) {
      space = { usedFraction, freeBytes: 100 * GB };
      await guard.check();
      seen.push(guard.isLow);
    }

    expect(seen).to.deep.equal([true, true, true, false, false, true]);
    expect(lines.map(({ level }) => level)).to.deep.equal(['error', 'warn', 'error']);
  });

  it('recovers at 100 %, where nothing lies above', async () => {
    let freeBytes = 1;
    const guard = new DiskGuard(
      { disk: async () => ({ usedFraction: 1, freeBytes }) },
      { maxUsedFraction: 1, minFreeBytes: 100 },
      recorder([]),
    );
    await guard.check();
    const before = guard.isLow;
    freeBytes = 111;
    await guard.check();

    expect([before, guard.isLow]).to.deep.equal([true, false]);
  });

  it('says the numbers, the limits and what to do', async () => {
    const { guard, lines } = watched(() => ({ usedFraction: 0.8, freeBytes: 200 * GB }));

    await guard.check();

    expect(lines[0]?.fields).to.include({ usedPercent: 80, maxUsedPercent: 75, freeBytes: 200 * GB });
    expect(guard.refusal?.fields['advice'])
      .to.match(/^80 % of the disk is used and 200 GB are free; .* at most 75 % used and at least 5 GB free/)
      .and.to.contain('gateway.disk.maxUsedPercent');
  });
});

function watched(disk: () => { usedFraction: number; freeBytes: number }) {
  const lines: LogLine[] = [];
  return { guard: new DiskGuard({ disk: async () => disk() }, LIMITS, recorder(lines)), lines };
}

function recorder(lines: LogLine[]): Logger {
  const write =
    (level: LogLine['level']) =>
    (message: string, fields: LogLine['fields'] = {}) =>
      void lines.push({ level, message, fields });
  const log: Logger = {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    child: () => log,
  };
  return log;
}
