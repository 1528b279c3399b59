import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, run, startServer, type RunningServer } from './child-process.ts';
import { dcmtk, orthanc } from './peers.ts';

const HOST = '127.0.0.1';
const ATTEMPTS = 3;

/** A DIMSE peer that listens. */
export interface DimsePeer extends RunningServer {
  readonly host: string;
  readonly port: number;
  readonly aeTitle: string;
}

/** DCMTK's storescp, which writes what it receives into a folder. */
export interface StorescpPeer extends DimsePeer {
  readonly dir: string;
}

/** An Orthanc: `port` and `aeTitle` are its DICOM side. */
export interface OrthancPeer extends DimsePeer {
  /** Its HTTP root without a slash at the end, e.g. `http://127.0.0.1:40123`. */
  readonly url: string;
  /** Its DICOMweb root without a slash at the end; it answers only with `dicomWeb: true`. */
  readonly dicomWebUrl: string;
}

/**
 * Starts a storescp on a free loopback port.
 *
 * @param options.dir - created if missing, not removed by `stop`
 * @param options.args - more of storescp's own arguments; without any it accepts every transfer syntax it knows
 */
export async function startStorescp(options: {
  readonly dir: string;
  readonly aeTitle?: string;
  readonly args?: readonly string[];
  /** Of the echoscu that asks whether it is there; over TLS it needs some. */
  readonly echoArgs?: readonly string[];
}): Promise<StorescpPeer> {
  const tools = await dcmtk();
  const aeTitle = options.aeTitle ?? 'STORESCP';
  await mkdir(options.dir, { recursive: true });
  return onFreePort(async (port) => {
    const args = ['--aetitle', aeTitle, '--output-directory', options.dir, ...(options.args ?? ['+xa']), String(port)];
    const answers = async () => {
      const echo = await run(tools.command('echoscu'), [
        ...['-to', '2', ...(options.echoArgs ?? [])],
        ...['-aec', aeTitle, HOST, String(port)],
      ]);
      return echo.code === 0;
    };
    const server = await startServer(tools.command('storescp'), args, answers);
    return { ...server, host: HOST, port, aeTitle, dir: options.dir };
  });
}

/**
 * Starts an Orthanc with a storage of its own, in a temporary folder that `stop` removes.
 *
 * @param options.modalities - the AE titles it may send to, by Orthanc's own name for them
 * @param options.config - any other of Orthanc's configuration keys; these win
 */
export async function startOrthanc(
  options: {
    readonly dicomWeb?: boolean;
    readonly aeTitle?: string;
    readonly modalities?: Readonly<Record<string, { readonly aeTitle: string; readonly port: number }>>;
    readonly config?: Readonly<Record<string, unknown>>;
  } = {},
): Promise<OrthancPeer> {
  const program = await orthanc();
  const aeTitle = options.aeTitle ?? 'ORTHANC';
  const folder = await mkdtemp(join(tmpdir(), 'hub-orthanc-'));
  const modalities = Object.entries(options.modalities ?? {}).map(([name, to]) => [name, [to.aeTitle, HOST, to.port]]);
  const peer = await onFreePort(async (port) => {
    const httpPort = await freePort();
    const url = `http://${HOST}:${httpPort}`;
    const config = {
      Name: aeTitle,
      StorageDirectory: join(folder, 'storage'),
      IndexDirectory: join(folder, 'storage'),
      HttpPort: httpPort,
      DicomPort: port,
      DicomAet: aeTitle,
      DicomAlwaysAllowStore: true,
      UnknownSopClassAccepted: true,
      RemoteAccessAllowed: false,
      AuthenticationEnabled: false,
      // Else it answers success to a repeated instance and keeps the older bytes.
      OverwriteInstances: true,
      // Seconds after which a study counts as complete; nobody wants to wait for the minute that is usual.
      StableAge: 1,
      DicomModalities: Object.fromEntries(modalities) as Record<string, unknown>,
      Plugins: options.dicomWeb === true ? [join(program.root, 'usr/share/orthanc/plugins/libOrthancDicomWeb.so')] : [],
      ...(options.dicomWeb === true ? { DicomWeb: { Enable: true, Root: '/dicom-web/' } } : {}),
      ...options.config,
    };
    const path = join(folder, 'orthanc.json');
    await writeFile(path, JSON.stringify(config));
    const ready = options.dicomWeb === true ? `${url}/dicom-web/studies` : `${url}/system`;
    const server = await startServer(program.command('Orthanc'), [path], () => answersHttp(ready), {
      deadlineMs: 30_000,
      // It takes seconds to leave, and its storage is thrown away.
      stopSignal: 'SIGKILL',
    });
    return { ...server, host: HOST, port, aeTitle, url, dicomWebUrl: `${url}/dicom-web` };
  });
  const stop = async () => {
    await peer.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { ...peer, stop };
}

/** Starts DCMTK's archive with a storage of its own, in a temporary folder that `stop` removes. It finds, and counts nothing. */
export async function startDcmqrscp(aeTitle = 'QR'): Promise<RunningServer & { port: number; aeTitle: string }> {
  const program = await dcmtk();
  const folder = await mkdtemp(join(tmpdir(), 'hub-dcmqrscp-'));
  await mkdir(join(folder, 'storage'));
  const path = join(folder, 'dcmqrscp.cfg');
  const peer = await onFreePort(async (port) => {
    await writeFile(
      path,
      [
        `NetworkTCPPort = ${String(port)}`,
        ...['MaxPDUSize = 16384', 'MaxAssociations = 16', 'HostTable BEGIN', 'HostTable END'],
        ...['VendorTable BEGIN', 'VendorTable END', 'AETable BEGIN'],
        `${aeTitle} ${join(folder, 'storage')} RW (200, 1024mb) ANY`,
        ...['AETable END', ''],
      ].join('\n'),
    );
    const echo = async () =>
      (await run(program.command('echoscu'), ['-aec', aeTitle, HOST, String(port)], { timeoutMs: 2000 })).code === 0;
    const server = await startServer(program.command('dcmqrscp'), ['-c', path], echo);
    return { ...server, port, aeTitle };
  });
  const stop = async () => {
    await peer.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { ...peer, stop };
}

async function answersHttp(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    // Refused: not listening yet.
    return false;
  }
}

/** Another process may take a free port before the peer does; then it is tried with the next. */
async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}
