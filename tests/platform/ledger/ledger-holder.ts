/** A process that opens a ledger and writes until it is killed; it tells its parent each fact that was acknowledged. */
import { openSqliteLedger } from '../../../platform/ledger/sqlite/client.ts';
import { audited } from '../../contracts/ledger-facts.ts';

const [, , file = '', round = '0'] = process.argv;
const ledger = await openSqliteLedger({ file });
await ledger.events.append([audited('holder', `${round}-first`)]);
process.send?.('open');
let number = 0;
const write = async (): Promise<never> => {
  for (;;) {
    number += 1;
    const subject = `${round}-${number}`;
    await ledger.events.append([audited('holder', subject)]);
    process.send?.(subject);
  }
};
await Promise.all(Array.from({ length: 8 }, write));
