import { expect } from 'chai';
import { start } from '../../cli/start.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { Logger } from '../../core/ports.ts';
import { KEY_PURPOSES, requireSameKeys } from '../../wiring/replica-keys.ts';
import { STAGES } from '../../wiring/shapes.ts';
import { openTestLedger } from '../support/open-ledger.ts';
import { silentLog } from '../support/silent-log.ts';
import { thrownBy } from '../support/thrown.ts';

describe('the keys that a ledger was kept with', () => {
  let ledger: Ledger;
  let remove: () => Promise<void>;
  const keys = new Map<string, Uint8Array>();
  const dataFolder = { secret: (purpose: string) => Promise.resolve(keys.get(purpose) ?? new Uint8Array(32)) };
  const begin = (log: Logger, ...accepted: readonly string[]) =>
    requireSameKeys(dataFolder, ledger, new Set(STAGES), { purposes: new Set(accepted), log });

  beforeEach(async () => {
    ({ ledger, remove } = await openTestLedger());
    keys.clear();
    await begin(silentLog);
  });
  afterEach(() => remove());

  for (const purpose of KEY_PURPOSES)
    it(`are asked for at each start: ${purpose}`, async () => {
      await begin(silentLog);
      keys.set(purpose, new Uint8Array(32).fill(9));

      const error = await thrownBy(begin(silentLog, ...KEY_PURPOSES.filter((other) => other !== purpose)));

      expect(error).to.include({ code: 'config.invalid' });
      expect(String(error)).to.match(/fingerprint [0-9a-f]{12}\).*\(fingerprint [0-9a-f]{12}\)/);
    });

  it('are another one from now on when somebody says so, and it is in the log', async () => {
    const warned: string[] = [];
    const log: Logger = { ...silentLog, warn: (message) => void warned.push(message) };
    keys.set('crosswalk', new Uint8Array(32).fill(9));

    await begin(log, 'crosswalk');
    await begin(log);

    expect(warned).to.deep.equal(['another key is used from now on']);
    keys.clear();
    expect(await thrownBy(begin(log))).to.include({ code: 'config.invalid' });
  });

  it('have names, and hub start knows no others', async () => {
    const error = await thrownBy(start(['--accept-key', 'cross-walk']));

    expect(error).to.include({ code: 'command.usage' });
    expect(String(error)).to.include('no such key: cross-walk').and.include('crosswalk');
  });
});
