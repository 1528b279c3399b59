/** Questions to a PostgreSQL ledger, where the server goes away between two of one script. */
import { once } from 'node:events';
import { connect as dial, createServer, type Server } from 'node:net';
import { expect } from 'chai';
import pg from 'pg';
import { clientConfig } from '../../../platform/ledger/postgres/connection.ts';
import { translate } from '../../../platform/ledger/postgres/failures.ts';
import { openReadPool } from '../../../platform/ledger/postgres/reads.ts';
import type { Request, Script } from '../../../platform/ledger/sql/script.ts';
import { execute, postgres } from '../../support/postgres.ts';

const QUESTION: Request = { kind: 'rows', sql: 'SELECT 42 AS answer', parameters: [] };
const END_OTHERS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()`;

describe('questions to a PostgreSQL ledger', function () {
  this.timeout(60_000);
  it('outlive a farewell of the server that comes with an answer: nothing is asked then that could hear it', async () => {
    const server = await (await postgres()).createDatabase({ isEmpty: true });
    const relay = await HoldingRelay.start(server.port);
    const reads = openReadPool({ ...server, port: relay.port }, 1);
    await reads.run(() => asked(1));

    const held = relay.holdNextAnswer();
    const answered = reads.run(() => asked(2));
    await held;
    await execute(server, END_OTHERS);
    const answers = await answered;
    await reads.close();
    await relay.stop();

    expect(answers).to.deep.equal([[{ answer: 42 }], [{ answer: 42 }]]);
    expect(relay.accepted, 'the rest was asked on a new connection').to.equal(2);
  });

  it('are refused as too many for now, not as something unexpected, when all connections are taken for too long', async () => {
    const server = await (await postgres()).createDatabase({ isEmpty: true });
    const pool = new pg.Pool({ ...clientConfig(server), max: 1, connectionTimeoutMillis: 50 });
    const taken = await pool.connect();

    const refused = await pool.connect().catch(translate);
    taken.release();
    await pool.end();

    expect(refused).to.include({ code: 'ledger.busy' });
  });
});

function* asked(times: number): Script<readonly unknown[]> {
  const answers: unknown[] = [];
  for (let n = 0; n < times; n += 1) answers.push(yield QUESTION);
  return answers;
}

/** Passes bytes on, and can hold back what the server says until it hangs up: then all of it arrives in one piece. */
class HoldingRelay {
  readonly #server: Server;
  #onHeld: (() => void) | undefined;
  accepted = 0;

  private constructor(port: number) {
    this.#server = createServer((client) => {
      this.accepted += 1;
      const server = dial(port, '127.0.0.1');
      const held: Buffer[] = [];
      let isHolding = false;
      client.on('data', (bytes) => server.write(bytes));
      server.on('data', (bytes) => {
        if (this.#onHeld !== undefined) {
          isHolding = true;
          this.#onHeld();
          this.#onHeld = undefined;
        }
        if (isHolding) held.push(bytes);
        else client.write(bytes);
      });
      server.on('end', () => client.end(Buffer.concat(held)));
      client.on('close', () => server.destroy());
      for (const socket of [client, server]) socket.on('error', () => socket.destroy());
    });
  }

  static async start(port: number): Promise<HoldingRelay> {
    const relay = new HoldingRelay(port);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('a listening server has no port');
    return address.port;
  }

  /** Resolves when the server has answered what is asked next, and nobody was told. */
  holdNextAnswer(): Promise<void> {
    return new Promise((resolve) => (this.#onHeld = resolve));
  }

  async stop(): Promise<void> {
    this.#server.close();
    await once(this.#server, 'close');
  }
}
