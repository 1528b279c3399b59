import { expect } from 'chai';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { send } from '../../cli/send.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { freePort } from '../support/child-process.ts';
import { mrImage } from '../support/outgoing.ts';
import { startStorescp, type StorescpPeer } from '../support/peer-servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

describe('hub send', () => {
  const folder = temporaryFolder();
  let scp: StorescpPeer | undefined;
  let study = '';

  before(async () => {
    study = join(folder.path, 'study');
    await mkdir(join(study, 'inner'), { recursive: true });
    for (const index of [1, 2]) await writeFile(join(study, `${index}.dcm`), mrImage(index));
    await writeFile(join(study, 'inner/3'), mrImage(3));
    await writeFile(join(study, 'notes.txt'), 'not DICOM');
  });
  afterEach(async () => {
    await scp?.stop();
    scp = undefined;
  });

  it('sends what is DICOM below the paths and counts the rest', async () => {
    scp = await startStorescp({ dir: join(folder.path, 'received'), aeTitle: 'PACS' });
    const terminal = captureTerminal();

    const code = await send(
      [study, join(study, '1.dcm'), '--to', `PACS@127.0.0.1:${scp.port}`, '--from', 'PV7T'],
      terminal,
    );

    expect(code).to.equal(0);
    expect(terminal.lines).to.deep.equal([
      '     4  0x0000 stored',
      '     1  files skipped: not DICOM',
      '4 of 4 instances stored',
    ]);
    expect(await readdir(scp.dir)).to.have.length(3);
  });

  it('fails when one was refused, and says how many and why', async () => {
    scp = await startStorescp({ dir: join(folder.path, 'refused'), args: ['+xi'] });
    const mixed = join(folder.path, 'mixed');
    await mkdir(mixed);
    await writeFile(join(mixed, 'a.dcm'), mrImage(1));
    const bytes = Buffer.from(mrImage(2));
    bytes.write('1.2.840.10008.1.2.5', bytes.indexOf('1.2.840.10008.1.2.1\0', 0, 'latin1'), 'latin1');
    await writeFile(join(mixed, 'b.dcm'), bytes);
    const to = `STORESCP@127.0.0.1:${scp.port}`;
    const [terminal, machine] = [captureTerminal(), captureTerminal()];

    const codes = [await send([mixed, '--to', to], terminal), await send([mixed, '--to', to, '--json'], machine)];

    expect(codes).to.deep.equal([1, 1]);
    expect(terminal.lines).to.deep.equal([
      '     1  0x0000 stored',
      '     1  0x0122 SOP class 1.2.840.10008.5.1.4.1.1.4 not accepted in RLE Lossless',
      '1 of 2 instances stored',
    ]);
    expect(JSON.parse(machine.lines.join('\n'))).to.deep.equal({
      instances: 2,
      stored: 1,
      notSent: 0,
      damagedFiles: 0,
      skippedFiles: 0,
      answers: { '0x0000 stored': 1, '0x0122 SOP class 1.2.840.10008.5.1.4.1.1.4 not accepted in RLE Lossless': 1 },
    });
  });

  it('says what was not sent when nobody is there', async () => {
    const terminal = captureTerminal();

    const code = await send([study, '--to', `PACS@127.0.0.1:${await freePort()}`], terminal);

    expect(code).to.equal(1);
    expect(terminal.lines).to.include('     3  not sent').and.to.include('0 of 3 instances stored');
    expect(terminal.lines.join('\n')).to.contain('ECONNREFUSED');
  });

  it('fails when a file that is DICOM cannot be taken, and says which', async () => {
    scp = await startStorescp({ dir: join(folder.path, 'whole') });
    const damaged = join(folder.path, 'damaged');
    await mkdir(damaged);
    await writeFile(join(damaged, 'a.dcm'), mrImage(1));
    await writeFile(join(damaged, 'cut.dcm'), mrImage(2).subarray(0, 420));
    const terminal = captureTerminal();

    const code = await send([damaged, '--to', `STORESCP@127.0.0.1:${scp.port}`], terminal);

    expect(code).to.equal(1);
    expect(terminal.errors.join('\n')).to.match(/^cannot be taken: cut\.dcm: /);
    expect(terminal.lines.slice(-2)).to.deep.equal(['     1  files could not be taken', '1 of 1 instances stored']);
  });

  it('fails when there is nothing to send', async () => {
    const terminal = captureTerminal();

    const code = await send([join(study, 'notes.txt'), '--to', 'PACS@127.0.0.1:104'], terminal);

    expect([code, terminal.lines.at(-1)]).to.deep.equal([1, 'no DICOM file to send']);
  });

  it('wants to be told what and whereto', async () => {
    const wrong = [
      [],
      [study],
      [study, '--to', 'PACS'],
      [study, '--to', 'PACS@host'],
      [study, '--to', 'PACS@host:0'],
      [study, '--to', 'PACS@host:99999'],
      [study, '--too', 'x'],
      [study, '--to', 'A\\B@host:104'],
      [study, '--to', 'PACS@host:104', '--from', 'LONGER-THAN-SIXTEEN'],
    ];

    const codes = await Promise.all(wrong.map(async (argv) => (await thrownBy(send(argv))).code));

    expect(codes).to.deep.equal(wrong.map(() => 'command.usage'));
  });
});
