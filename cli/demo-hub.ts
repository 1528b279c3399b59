/** The hub that `hub demo` shows: on free ports of this machine, with everything it has and makes in one folder. */
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Hub, startHub } from '../app.ts';
import { processEnvironment } from '../config/environment.ts';
import { loadConfig } from '../config/loader.ts';
import { mistakeLine } from '../config/mistakes.ts';
import { createToken } from '../platform/auth/token.ts';
import { createLogger } from '../platform/logger.ts';
import { configShapes, STAGES } from '../wiring/shapes.ts';
import { invalidConfig } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { terminal } from './terminal.ts';

export const SCANNER = 'SCANNER';
const PARTNER = 'partner';

/** Where things are below the demo's folder. */
export const PLACES = { config: 'hub.yaml', log: 'hub.log', data: 'data', partner: 'partner' } as const;

export async function startDemoHub(folder: string): Promise<Hub> {
  const text = demoConfig(folder);
  const file = join(folder, PLACES.config);
  await writeFile(file, text);
  const loaded = loadConfig({ file, text, env: {}, shapes: configShapes() });
  if (loaded.mistakes !== undefined) throw invalidConfig(loaded.mistakes.map(mistakeLine));
  const stream = createWriteStream(join(folder, PLACES.log), { flags: 'a' });
  return startHub({
    config: loaded.config,
    env: processEnvironment(),
    log: createLogger({ level: 'info', format: 'json', stream }),
    stages: new Set(STAGES),
    onFailure: (error) => {
      terminal.err(`the hub failed: ${error.message}`);
      process.exit(EXIT.failed);
    },
  });
}

/** A token of the partner, for its feed. */
export async function partnerToken(hub: Hub): Promise<string> {
  const { tokenId, token, secretSha256 } = createToken();
  const createdAt = new Date().toISOString();
  await hub.ledger.tokens.create({ tokenId, secretSha256, role: 'partner', partner: PARTNER, createdAt });
  return token;
}

/** Strings are quoted as JSON, which YAML reads: a folder may have any name. */
function demoConfig(folder: string): string {
  return `# What the demo runs on. Every key: config/default.yaml
hub: { name: demo, data: ${JSON.stringify(join(folder, PLACES.data))} }
gateway:
  dimse:
    host: 127.0.0.1
    port: 0
    aeTitle: HUB
    sources: [{ name: scanner, aeTitle: ${SCANNER}, hosts: [127.0.0.1] }]
  http: { port: 0 }
  completion: { quiet: 2s }
  # The demo needs little room, however full this machine is.
  disk: { minFree: 200MB, maxUsedPercent: 100 }
policies: [{ name: ${PARTNER}, profile: basic }]
partners: [{ name: ${PARTNER} }]
destinations:
  - { name: partner-folder, type: folder, path: ${JSON.stringify(join(folder, PLACES.partner))}, partner: ${PARTNER} }
routes:
  - name: everything
    when: {}
    process: [{ deidentify: ${PARTNER} }, qc, { segment: rodent-brain }]
    deliver: [partner-folder]
`;
}
