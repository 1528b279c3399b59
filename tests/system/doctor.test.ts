import { expect } from 'chai';
import { once } from 'node:events';
import { chmod, mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Diagnosis } from '../../core/diagnosis.ts';
import { makeAuthority } from '../support/certificates.ts';
import { HubProcess } from '../support/hub-process.ts';
import { RawPeer, associateRequest } from '../support/raw-association.ts';
import { echo } from '../support/scanner.ts';

const SOURCES = [
  { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] },
  { name: 'far', aeTitle: 'FAR', hosts: ['192.0.2.1', '198.51.100.0/24'] },
];

interface Report {
  readonly ok: boolean;
  readonly examined: readonly {
    readonly kind: string;
    readonly name: string;
    readonly checks: readonly Diagnosis[];
  }[];
}

describe('hub doctor, from the outside', function () {
  this.timeout(60_000);
  let hub: HubProcess;
  const config = { gateway: { dimse: { sources: SOURCES } } };

  before(async () => {
    hub = await HubProcess.create({ config });
  });
  after(async () => hub.remove());

  const examine = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await hub.command('doctor', '--json', ...args);
    if (stdout === '') throw new Error(`hub doctor said nothing: ${stderr}`);
    const report = JSON.parse(stdout) as Report;
    const checks = (name: string) => report.examined.find((each) => each.name === name)?.checks ?? [];
    return {
      code,
      report,
      check: (name: string, id: string) => checks(name).find((each) => each.id === id),
      all: (name: string, id: string) => checks(name).filter((each) => each.id.startsWith(id)),
    };
  };

  it('ends with 2 for a name that is not there, and 78 for a configuration that is not valid', async () => {
    const unknown = await hub.command('doctor', '--source', 'pv-7');
    const broken = await HubProcess.create({ config: { gateway: { dimse: { sources: [{ name: 'x' }] } } } });
    const invalid = await broken.command('doctor');
    await broken.remove();

    expect([unknown.code, invalid.code]).to.deep.equal([2, 78]);
    expect(unknown.stderr).to.contain('there is no source pv-7; did you mean pv-7t?');
  });

  describe('before the start', () => {
    it('says that no hub runs, that its ports are free, and makes no data folder', async () => {
      const ran = await examine();
      const again = await examine();

      expect([ran.code, ran.report.ok, ran.check('tested', 'running')?.verdict]).to.deep.equal([1, false, 'wrong']);
      expect(ran.check('tested', 'port.dimse')?.what).to.equal(`Port ${hub.dimsePort} is free`);
      expect(again.check('tested', 'data.folder')?.verdict).to.equal('skipped');
    });

    it('says that another program holds the port', async () => {
      const other = createServer().listen(hub.dimsePort, '127.0.0.1');
      await once(other, 'listening');

      const ran = await examine();
      other.close();

      expect(ran.check('tested', 'port.dimse')?.why).to.equal('Another program holds it, and it is not this hub.');
    });

    it('says that a name in hosts is not known, without which the hub does not start', async () => {
      const named = await HubProcess.create({
        config: { gateway: { dimse: { sources: [{ name: 'lost', aeTitle: 'LOST', hosts: ['nowhere.invalid'] }] } } },
      });

      const { stdout } = await named.command('doctor', '--json', '--source', 'lost');
      await named.remove();

      const check = (JSON.parse(stdout) as Report).examined[0]?.checks.find(({ id }) => id === 'hosts.nowhere.invalid');
      expect([check?.verdict, check?.what]).to.deep.equal(['wrong', 'The name nowhere.invalid cannot be resolved']);
    });

    it('finds keys that others can read', async () => {
      const keys = join(hub.dataFolder, 'keys');
      await mkdir(keys, { recursive: true });
      await chmod(keys, 0o755);

      const ran = await examine();
      await chmod(keys, 0o700);

      expect(ran.check('tested', 'keys')?.remedy).to.contain(`chmod 700 ${keys}`);
    });
  });

  describe('beside a running hub', () => {
    before(async () => hub.start());

    it('calls the hub as a source would, and says what another would be answered', async () => {
      const ran = await examine('--source', 'pv-7t', '--source', 'far');

      expect(ran.report.examined.map(({ kind, name }) => [kind, name])).to.deep.equal([
        ['source', 'pv-7t'],
        ['source', 'far'],
      ]);
      for (const id of ['port', 'association', 'contexts', 'echo', 'policy.127.0.0.1', 'timeouts']) {
        expect(ran.check('pv-7t', id)?.verdict, id).to.equal('fine');
      }
      expect(ran.check('far', 'association')?.what).to.match(/refuses FAR from this machine .* and that is right/);
      expect(ran.check('far', 'policy.192.0.2.1')?.what).to.equal(
        'Calling as FAR from 192.0.2.1, the scanner is let in as far',
      );
      expect(ran.check('far', 'policy.198.51.100.0/24')?.verdict).to.equal('fine');
    });

    it('says to the scanner that only loopback is listened on', async () => {
      const ran = await examine('--source', 'far');

      expect([ran.code, ran.check('far', 'settings')?.verdict]).to.deep.equal([1, 'wrong']);
    });

    it('tells what was tried and refused, and what to change on the scanner', async () => {
      await echo(hub.dimsePort, { calling: 'pv7t' });
      await echo(hub.dimsePort, { calling: 'PV7T', called: 'ARCHIVE' });
      await echo(hub.dimsePort, { calling: 'FAR' });
      const evil = await RawPeer.connect(hub.dimsePort);
      evil.send(associateRequest({ calling: 'EV\u001b[31mIL' }));
      await evil.untilClosed();

      const ran = await examine();
      const { stdout } = await hub.command('doctor');

      const refusal = (source: string, tried: string) =>
        ran.all(source, 'refusals.').find(({ what }) => what.includes(tried));
      const [called, calling] = [refusal('pv-7t', "'ARCHIVE'"), refusal('pv-7t', "'pv7t'")];
      expect(called?.remedy).to.equal(
        'On the scanner set: AE title of the archive = HUB. Or add ARCHIVE to gateway.dimse.aeTitle and restart the hub.',
      );
      expect(calling?.why).to.equal(
        "The address fits source pv-7t, but the scanner calls itself 'pv7t' and not 'PV7T' (case matters).",
      );
      // From this machine it may have been an earlier run of this very command.
      expect(refusal('far', "'FAR'")?.why).to.equal(
        "Your scanner called us as 'FAR' from 127.0.0.1, which is not in hosts of source far (192.0.2.1, 198.51.100.0/24). It came from this very machine: an earlier run of this command calls so.",
      );
      expect(refusal('far', "'FAR'")?.verdict).to.equal('skipped');
      expect(stdout).not.to.contain('\u001b');
      expect(stdout.split('\n').filter((line) => line.length > 80)).to.deep.equal([]);
    });

    it('remembers that a source has come through since it was refused', async () => {
      await echo(hub.dimsePort, { calling: 'PV7T' });

      const ran = await examine('--source', 'pv-7t');

      expect(ran.check('pv-7t', 'last-seen')?.verdict).to.equal('fine');
      expect(ran.all('pv-7t', 'refusals.').map(({ verdict }) => verdict))
        .to.include('skipped')
        .and.not.to.include('wrong');
    });

    it('sees that the hub runs with another configuration than the file', async () => {
      await hub.configure({ gateway: { dimse: { sources: SOURCES.slice(0, 1) } } });

      const ran = await examine();
      await hub.configure(config);
      const same = await examine();

      expect(ran.check('tested', 'running')).to.include({ verdict: 'warning' });
      expect(ran.check('tested', 'running')?.remedy).to.match(/^"hub reload" has it take its file/);
      expect(same.check('tested', 'running')?.verdict).to.equal('fine');
    });
  });

  it('calls a door that speaks TLS only, and says when its certificate ends', async () => {
    const secure = await HubProcess.create({ config: {} });
    const { certificate, key } = await makeAuthority(secure.folder);
    await secure.configure({
      gateway: {
        dimse: {
          sources: SOURCES.slice(0, 1),
          tls: { certificate: { file: certificate }, key: { file: key }, clientCertificates: 'none' },
        },
      },
    });
    await secure.start();

    const { code, stdout } = await secure.command('doctor', '--json');
    await secure.remove();

    const { examined } = JSON.parse(stdout) as Report;
    const verdictOf = (name: string, id: string) =>
      examined.find((each) => each.name === name)?.checks.find((each) => each.id === id)?.verdict;
    expect([code, verdictOf('tested', 'certificate')]).to.deep.equal([0, 'warning']);
    expect([verdictOf('pv-7t', 'association'), verdictOf('pv-7t', 'echo')]).to.deep.equal(['fine', 'fine']);
  });
});
