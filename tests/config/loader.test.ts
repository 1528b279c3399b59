import { expect } from 'chai';
import type { Environment } from '../../config/environment.ts';
import { loadConfig } from '../../config/loader.ts';
import { mistakeLine } from '../../config/mistakes.ts';
import { SMALLEST } from '../support/smallest-configuration.ts';
import { testShapes } from './shapes.ts';

function load(text: string, env: Environment = {}) {
  return loadConfig({ file: 'hub.yaml', text, env, shapes: testShapes });
}

function linesOf(text: string, env: Environment = {}): readonly string[] {
  return (load(text, env).mistakes ?? []).map(mistakeLine);
}

/** The smallest file with one piece of it replaced. */
function changed(...replacements: readonly (readonly [string, string])[]): string {
  return replacements.reduce((text, [from, to]) => {
    expect(text).to.contain(from);
    return text.replace(from, to);
  }, SMALLEST);
}

describe('loadConfig', () => {
  it('reads the smallest useful file, every key present and with its unit', () => {
    const { config, warnings } = loadConfig({ file: 'hub.yaml', text: SMALLEST, env: {}, shapes: testShapes }) as {
      config: Record<string, unknown>;
      warnings: readonly unknown[];
    };

    expect(warnings).to.deep.equal([]);
    expect(config['gateway']).to.deep.include({
      completion: { quietMs: 60_000, forceMs: 5_400_000 },
      http: { host: '127.0.0.1', port: 8080, anonymousLoopback: false, cors: [], metrics: { host: '127.0.0.1' } },
      dimse: {
        host: '0.0.0.0',
        port: 11_112,
        aeTitles: ['HUB'],
        titles: [{ aeTitle: 'HUB', storageCommitment: true }],
        sources: [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }],
        maxAssociations: 25,
        maxPduLengthBytes: 131_072,
        timeouts: { associationMs: 30_000, idleMs: 600_000, progressMs: 30_000, closeMs: 5000 },
        storageCommitment: {
          waitMs: 30_000,
          responseMs: 30_000,
          maxItems: 50_000,
          retry: { attempts: 20, firstDelayMs: 10_000, maxDelayMs: 1_800_000 },
        },
      },
    });
    expect(config['policies']).to.deep.equal([{ name: 'kct', profile: 'basic', partner: 'kct' }]);
    expect(config['routes']).to.deep.equal([
      {
        name: 'rat-brain',
        enabled: true,
        perSeries: false,
        fallback: false,
        when: {
          all: [
            { key: 'source', kind: 'text', is: { equals: ['pv-7t'] } },
            { key: 'Modality', kind: 'text', is: { equals: ['MR'] } },
            { key: 'StudyDescription', kind: 'text', is: { matches: 'brain' } },
          ],
        },
        process: [
          { processor: 'deidentify', argument: 'kct' },
          { processor: 'qc', argument: undefined },
          { processor: 'segment', argument: 'rodent-brain' },
        ],
        deliver: ['kct-archive', 'kct-pacs'],
      },
    ]);
  });

  it('is the defaults without a file: loopback HTTP, no source, no route', () => {
    const { config } = loadConfig({ env: {}, shapes: testShapes });

    expect(config?.hub).to.include({ name: 'hub', data: './data' });
    expect(config?.hub.node).to.match(/^[A-Za-z0-9][A-Za-z0-9.-]*$/);
    expect(config?.gateway.http.host).to.equal('127.0.0.1');
    expect(config?.gateway.dimse.sources).to.deep.equal([]);
    expect(config?.routes).to.deep.equal([]);
    expect(config?.bus).to.deep.equal({ kind: 'embedded' });
  });

  it('says that a file it was given is not there', () => {
    const { mistakes = [] } = loadConfig({ file: '/nowhere/hub.yaml', env: {}, shapes: testShapes });

    expect(mistakes.map(mistakeLine)).to.deep.equal(['/nowhere/hub.yaml: there is no such file']);
  });

  it('reports all mistakes at once, each with line and pointer, in the order of the file', () => {
    const text = changed(
      ['port: 11112', 'port: 111112'],
      ['60s', '60'],
      ["'http://127.0.0.1:8042/dicom-web'", 'nonsense'],
      ['Modality: MR', 'Modalty: MR'],
      ['kct-archive, kct-pacs]', 'kct-archiv, kct-pacs]'],
    );

    expect(linesOf(text)).to.deep.equal([
      'hub.yaml:4 /gateway/dimse/port: at most 65535',
      'hub.yaml:8 /gateway/completion/quiet: a number without its unit: write a duration like 500ms, 60s, 90m, 2h or 7d',
      'hub.yaml:13 /destinations/1/url: not a URL',
      'hub.yaml:16 /routes/0/when/Modalty: no such attribute: Modalty; did you mean Modality?',
      'hub.yaml:18 /routes/0/deliver/0: no such destination: kct-archiv; did you mean kct-archive?',
    ]);
  });

  it('counts columns from 1', () => {
    const [mistake] = load('hub:\n  nme: x\n').mistakes ?? [];

    expect(mistake).to.deep.include({ line: 2, column: 3, pointer: '/hub/nme' });
  });

  const cases: readonly (readonly [title: string, text: string, ...lines: string[]])[] = [
    ['an unknown key', 'hub: { nam: x }\n', 'hub.yaml:1 /hub/nam: unknown key; did you mean name?'],
    ['an unknown section', 'gatway: {}\n', 'hub.yaml:1 /gatway: unknown key; did you mean gateway?'],
    [
      'an unknown key of a destination',
      changed(['path: ./out', 'path: ./out, pth: x']),
      'hub.yaml:12 /destinations/0/pth: unknown key; did you mean path?',
    ],
    ['a section that is a list', 'hub: []\n', 'hub.yaml:1 /hub: not a mapping of keys to values'],
    ['an empty section', 'routes:\nhub: {}\n', 'hub.yaml:1 /routes: nothing stands here: a list is needed'],
    ['a file that is a list', '- a\n', 'hub.yaml:1: not a mapping of keys to values'],
    [
      'a missing name, where its entry begins',
      'partners:\n  - name: a\n  - contact: b\n',
      'hub.yaml:3 /partners/1/name: missing: a text',
    ],
    [
      'a missing when',
      'routes:\n  - name: all\n',
      'hub.yaml:2 /routes/0/when: a rule is a mapping of attributes to tests, like { Modality: MR }; {} matches every study',
    ],
    [
      'a name with a blank',
      'hub: { name: "my hub" }\n',
      'hub.yaml:1 /hub/name: a name has lower-case letters, digits and hyphens, at most 64, and begins with no hyphen',
    ],
    [
      'an AE title that is too long',
      'gateway: { dimse: { aeTitle: SEVENTEEN-LETTERS } }\n',
      'hub.yaml:1 /gateway/dimse/aeTitle: not an AE title: 1 to 16 printable characters, no backslash; or not a list',
    ],
    [
      'one of several AE titles',
      'gateway: { dimse: { aeTitle: [HUB, "A\\\\B"] } }\n',
      'hub.yaml:1 /gateway/dimse/aeTitle/1: not an AE title: 1 to 16 printable characters, no backslash',
    ],
    [
      'a mistyped address',
      changed(['[127.0.0.1]', '[127.0.0.300, 10.0.0.0/33, "::1", 10.1.0.0/16, pv7t.local]']),
      'hub.yaml:6 /gateway/dimse/sources/0/hosts/0: not an IP address, range (10.0.0.0/8) or host name',
      'hub.yaml:6 /gateway/dimse/sources/0/hosts/1: not an IP address, range (10.0.0.0/8) or host name',
    ],
    [
      'a range as the address to call',
      changed(['[127.0.0.1]', '[127.0.0.1], storageCommitment: { host: 10.0.0.0/8, port: 104 }']),
      'hub.yaml:6 /gateway/dimse/sources/0/storageCommitment/host: not an IP address or host name',
    ],
    [
      'a list with too little in it',
      changed(['[127.0.0.1]', '[]']),
      'hub.yaml:6 /gateway/dimse/sources/0/hosts: number of entries: at least 1',
    ],
    ['a number in words', changed(['port: 8080', 'port: many']), 'hub.yaml:7 /gateway/http/port: not a number'],
    ['a broken number', changed(['port: 8080', 'port: 80.5']), 'hub.yaml:7 /gateway/http/port: not a whole number'],
    [
      'a word that is no choice',
      'log: { level: inof }\n',
      'hub.yaml:1 /log/level: not one of error, warn, info, debug; did you mean info?',
    ],
    [
      'a tiny size',
      'gateway: { dimse: { maxPduLength: 4KiB } }\n',
      'hub.yaml:1 /gateway/dimse/maxPduLength: at least 16KiB',
    ],
    [
      'another bus',
      'bus: { kind: kafka, brokers: [a] }\n',
      'hub.yaml:1 /bus/brokers/0: not a broker like kafka-1.example.org:9092',
    ],
    ['a bus without brokers', 'bus: { kind: kafka }\n', 'hub.yaml:1 /bus/brokers: missing: the brokers'],
    [
      'brokers of a bus without any',
      'bus: { kind: embedded, brokers: [kafka:9092] }\n',
      'hub.yaml:1 /bus/brokers: belongs to kind: kafka',
    ],
    [
      'a password in the clear',
      'bus: { kind: kafka, brokers: [kafka:9092], sasl: { mechanism: plain, username: hub, password: { env: P } } }\n',
      'hub.yaml:1 /bus/sasl/mechanism: plain sends the password in the clear: only with tls',
    ],
    [
      'half a certificate',
      'bus: { kind: kafka, brokers: [kafka:9093], tls: { key: { file: k } } }\n',
      'hub.yaml:1 /bus/tls: certificate and key belong together',
    ],
    [
      'a topic for a partner of a hub without Kafka',
      'partners: [{ name: kct, kafka: {} }]\n',
      'hub.yaml:1 /partners/0/kafka: belongs to bus: { kind: kafka }',
    ],
    [
      'two partners who are one in Kafka',
      'bus: { kind: kafka, brokers: [kafka:9092] }\npartners:\n  - { name: a, kafka: { user: x } }\n  - { name: b, kafka: { user: x } }\n',
      "hub.yaml:4 /partners/1/kafka: the user x is a's, who could then read these events",
    ],
    [
      "consumer groups of a partner that are the hub's",
      'bus: { kind: kafka, brokers: [kafka:9092] }\npartners: [{ name: hub, kafka: {} }]\n',
      "hub.yaml:2 /partners/0/kafka: consumer groups hub.… are also the hub itself's: give it another groupPrefix",
    ],
    ['another ledger', 'ledger: { kind: postgres }\n', 'hub.yaml:1 /ledger/host: missing: the host of the server'],
    ['another store', 'store: { kind: s3 }\n', 'hub.yaml:1 /store/bucket: missing: the bucket'],
    ['a bus nobody heard of', 'bus: { kind: rabbit }\n', 'hub.yaml:1 /bus/kind: not one of embedded, kafka'],
    [
      'client certificates that nobody could check',
      'gateway: { dimse: { tls: { certificate: { file: c }, key: { file: k } } } }\n',
      'hub.yaml:1 /gateway/dimse/tls/ca: client certificates are checked against ca: name it, or set clientCertificates: none',
    ],
    [
      'a required series that could never come',
      'routes: [{ name: r, when: {}, completion: { requiredSeries: [{ Modalty: MR }] } }]\n',
      'hub.yaml:1 /routes/0/completion/requiredSeries/0/Modalty: no such attribute: Modalty; did you mean Modality?',
    ],
    [
      'a place to ask that is none',
      'gateway: { dimse: { sources: [{ name: p, aeTitle: P, hosts: [10.0.0.1], query: { dicomweb: { url: pacs } } }] } }\n',
      'hub.yaml:1 /gateway/dimse/sources/0/query/dicomweb/url: not a URL',
    ],
    [
      'a destination nobody heard of',
      changed(['type: folder', 'type: foldr']),
      'hub.yaml:12 /destinations/0/type: no such type, one of folder, stow-rs; did you mean folder?',
    ],
    [
      'a destination without type',
      changed(['type: folder, ', '']),
      'hub.yaml:12 /destinations/0: missing: type, one of folder, stow-rs',
    ],
    [
      'a secret in plain sight',
      changed(["dicom-web',", "dicom-web', token: abc,"]),
      'hub.yaml:13 /destinations/1/token: not a mapping of keys to values',
    ],
    [
      'a step nobody knows',
      changed(['qc,', 'q,']),
      'hub.yaml:17 /routes/0/process/1: no such processor: q; one of deidentify, qc, segment',
    ],
    [
      'a step that is two',
      changed(['{ deidentify: kct }, qc', '{ deidentify: kct, qc: 1 }']),
      'hub.yaml:17 /routes/0/process/0: a step is the name of a processor, or one key with what it works by: { deidentify: POLICY }',
    ],
    [
      'two mistakes of zod and one across entries',
      changed(
        ['port: 8080', 'port: 0.5'],
        ['force: 90m', 'force: never'],
        ['partners: [{ name: kct }]', 'partners: []'],
      ),
      'hub.yaml:7 /gateway/http/port: not a whole number',
      'hub.yaml:8 /gateway/completion/force: not a duration like 500ms, 60s, 90m, 2h or 7d',
      'hub.yaml:12 /destinations/0/partner: no such partner: kct',
      'hub.yaml:13 /destinations/1/partner: no such partner: kct',
      "hub.yaml:18 /routes/0/deliver/0: kct-archive belongs to the partner kct, and the policy of this route's deidentify step releases for no partner; give the policy partner: kct",
      "hub.yaml:18 /routes/0/deliver/1: kct-pacs belongs to the partner kct, and the policy of this route's deidentify step releases for no partner; give the policy partner: kct",
    ],
  ];
  for (const [title, text, ...lines] of cases) {
    it(`refuses ${title}`, () => {
      expect(linesOf(text)).to.deep.equal(lines);
    });
  }

  it('has a version that only the values decide', () => {
    const version = (text: string) => load(text).config?.version;

    expect(version(SMALLEST)).to.match(/^[0-9a-f]{12}$/);
    expect(
      version(`# a comment\n${SMALLEST.replace('http: { port: 8080 }', 'http: { "port": 8080, host: 127.0.0.1 }')}`),
    ).to.equal(version(SMALLEST));
    expect(version(changed(['quiet: 60s', 'quiet: 61s']))).to.not.equal(version(SMALLEST));
    expect(version(changed(["'brain'", "'Brain'"]))).to.not.equal(version(SMALLEST));
  });

  describe('warns', () => {
    const warned: readonly (readonly [title: string, text: string, ...lines: string[]])[] = [
      [
        'of a destination no route delivers to',
        changed(['[kct-archive, kct-pacs]', '[kct-pacs]']),
        'hub.yaml:12 /destinations/0: no route delivers to kct-archive',
      ],
      [
        'of a source that is not there',
        changed(['source: pv-7t', 'source: [pv-7t, pv-9t]']),
        'hub.yaml:16 /routes/0/when: asks for the source pv-9t, which is not under gateway.dimse.sources, gateway.folders or pulls',
      ],
      [
        'of a route that is not enabled',
        changed(['    process', '    enabled: false\n    process']),
        'hub.yaml:15 /routes/0: the route rat-brain is not enabled',
      ],
      [
        'of a step before the release',
        changed(['{ deidentify: kct }, qc,', 'qc, { deidentify: kct },']),
        'hub.yaml:17 /routes/0/process: what qc makes before deidentify never reaches a partner; release first',
      ],
      [
        'of a route that does nothing',
        'routes: [{ name: end, when: {} }]\n',
        'hub.yaml:1 /routes/0: the route end has no step and no destination: studies end there',
      ],
      [
        'of a secret that is not there',
        changed(["dicom-web',", "dicom-web', token: { env: NO_SUCH_TOKEN },"]),
        'hub.yaml:13 /destinations/1/token: the environment variable NO_SUCH_TOKEN is not set here',
      ],
      [
        'of a secret of a source that is asked',
        changed([
          '[127.0.0.1] }',
          '[127.0.0.1], query: { dicomweb: { url: "https://pacs/", auth: { bearer: { env: NO_SUCH } } } } }',
        ]),
        'hub.yaml:6 /gateway/dimse/sources/0/query/dicomweb/auth/bearer: the environment variable NO_SUCH is not set here',
      ],
      [
        'of a source that only a required series asks for',
        changed(['    process', '    completion: { requiredSeries: [{ source: pv-9t }] }\n    process']),
        'hub.yaml:17 /routes/0/completion/requiredSeries/0: asks for the source pv-9t, which is not under gateway.dimse.sources, gateway.folders or pulls',
      ],
      [
        'of metrics that name partners to whoever reaches the port',
        changed(['http: { port: 8080 }', 'http: { port: 8080, host: 0.0.0.0 }']),
        'hub.yaml:7 /gateway/http/metrics: /metrics names partners and destinations, and asks nobody for a token: give it one, or a port of its own on this machine',
      ],
      [
        'of a secret file that is not there',
        changed(["dicom-web',", "dicom-web', token: { file: /nowhere/token },"]),
        'hub.yaml:13 /destinations/1/token: the file /nowhere/token cannot be read here, or is empty',
      ],
    ];
    for (const [title, text, ...lines] of warned) {
      it(title, () => {
        const { warnings = [], mistakes } = load(text) as { warnings?: never[]; mistakes?: unknown };

        expect(mistakes).to.equal(undefined);
        expect(warnings.map(mistakeLine)).to.deep.equal(lines);
      });
    }
  });
});
