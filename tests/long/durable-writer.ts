/** A process that writes to ledger and store until it is killed; it tells its parent what was acknowledged, and only then. */
import { openDataFolder } from '../../platform/data-folder.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { openFileStore } from '../../platform/store/file.ts';
import { audited } from '../contracts/ledger-facts.ts';

export type Acknowledged =
  | { readonly kind: 'fact'; readonly subject: string }
  | { readonly kind: 'pack'; readonly blob: string; readonly sha256: string }
  | { readonly kind: 'key'; readonly purpose: string; readonly hex: string };

const [, , dir = '', facts] = process.argv;
const tell = (message: Acknowledged) => process.send?.(message);

const folder = await openDataFolder(dir, {});
const ledger = await openSqliteLedger({ file: folder.ledgerFile });
const store = openFileStore(folder.path);
tell({ kind: 'key', purpose: 'deidentify', hex: Buffer.from(await folder.secret('deidentify')).toString('hex') });

const writeFacts = async (writer: number, limit = Infinity): Promise<void> => {
  for (let number = 0; number < limit; number += 1) {
    const subject = `${writer}-${number}`;
    await ledger.events.append([audited(`writer-${writer}`, subject)]);
    tell({ kind: 'fact', subject });
  }
};
const writePacks = async (): Promise<never> => {
  for (let number = 0; ; number += 1) {
    const pack = await store.createPack(`run-${number}`);
    await pack.append(Buffer.alloc(100_000, number));
    const { blob, sha256 } = await pack.append(Buffer.alloc(50_000, number + 1));
    await pack.commit();
    tell({ kind: 'pack', blob, sha256 });
  }
};
// With a number, one fact after the other, so many.
if (facts === undefined) await Promise.all([writeFacts(1), writeFacts(2), writeFacts(3), writePacks()]);
else await writeFacts(1, Number(facts));
await ledger.close();
