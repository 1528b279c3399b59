import { expect } from 'chai';
import { HubError } from '../../core/errors.ts';
import { ledgerPatience } from '../../gateway/ledger-patience.ts';
import { silentLog } from '../support/silent-log.ts';
import { waitFor } from '../support/wait-for.ts';

const TIMES = { patienceMs: 40, restMs: 60 };

describe('the patience with the ledger before an acknowledgement', () => {
  const patience = () => ledgerPatience({ log: silentLog }, TIMES);
  const never = () => new Promise<string>(() => undefined);

  it('has its answer', async () => {
    expect(await patience().ask(() => Promise.resolve('known'))).to.equal('known');
  });

  it('waits once for a ledger that does not answer, and then nobody does, nor is it asked', async () => {
    const asked = patience();
    let questions = 0;
    const startedMs = performance.now();

    const first = await asked.ask(never);
    const waitedMs = performance.now() - startedMs;
    const others = await Promise.all(
      Array.from({ length: 100 }, () =>
        asked.ask(() => {
          questions += 1;
          return never();
        }),
      ),
    );

    expect(first).to.equal(undefined);
    expect(waitedMs).to.be.at.least(TIMES.patienceMs - 5);
    expect(others.filter((answer) => answer !== undefined)).to.deep.equal([]);
    expect(questions).to.equal(0);
  });

  it('asks again after a while, one question that nobody waits for, and waits again when that is answered', async () => {
    const asked = patience();
    const away = () => Promise.reject(new HubError('ledger.unreachable'));
    await asked.ask(away);
    let questions = 0;

    const answers: unknown[] = [];
    await waitFor('an answer', async () => {
      const answer = await asked.ask(() => {
        questions += 1;
        return Promise.resolve(questions);
      });
      answers.push(answer);
      return answer !== undefined;
    });

    expect(answers.slice(0, -1).every((answer) => answer === undefined)).to.be.true;
    expect(answers.at(-1)).to.equal(2);
  });

  it('goes on asking when the ledger refuses one question', async () => {
    const asked = patience();

    await asked.ask(() => Promise.reject(new Error('no such table')));

    expect(await asked.ask(() => Promise.resolve('known'))).to.equal('known');
  });
});
