import { resolve } from 'node:path';
import { expect } from 'chai';
import { crossCheck } from '../../config/cross-checks.ts';
import { pointerOf } from '../../config/mistakes.ts';
import { testShapes } from './shapes.ts';

const PARTNERS = [{ name: 'kct' }, { name: 'uef' }];
const POLICIES = [{ name: 'kct' }, { name: 'open' }, { name: 'for-uef', partner: 'uef' }];
const DESTINATIONS = [
  { name: 'kct-pacs', type: 'stow-rs', url: 'http://a', partner: 'kct' },
  { name: 'ours', type: 'folder', path: './out' },
];

function find(config: unknown): readonly string[] {
  return crossCheck(config, testShapes).map(({ path, message }) => `${pointerOf(path)}: ${message}`);
}

function withRoute(route: unknown): unknown {
  return { partners: PARTNERS, policies: POLICIES, destinations: DESTINATIONS, routes: [route] };
}

describe('crossCheck', () => {
  for (const [title, config, ...expected] of [
    ['nothing', {}],
    [
      'a route that releases for the partner it delivers to',
      withRoute({ process: [{ deidentify: 'kct' }], deliver: ['kct-pacs', 'ours'] }),
    ],
    ['a route without partner', withRoute({ process: ['qc'], deliver: ['ours'] })],
    [
      "a partner's files below another's, unless the layout keeps them apart",
      {
        partners: PARTNERS,
        destinations: [
          { name: 'a', type: 's3', bucket: 'b', prefix: 'x/', partner: 'kct' },
          { name: 'b', type: 's3', bucket: 'b', prefix: 'x/y', partner: 'uef' },
          { name: 'c', type: 's3', bucket: 'b', prefix: 'xy', partner: 'uef' },
          { name: 'd', type: 's3', bucket: 'b', prefix: 'x', partner: 'uef', layout: '{partner}/{study}/{instance}' },
          { name: 'e', type: 's3', bucket: 'b', prefix: 'x', partner: 'kct' },
          { name: 'f', type: 'sftp', host: 'h', path: '/in', partner: 'kct' },
          { name: 'g', type: 'sftp', host: 'h', path: '/in/', partner: 'uef' },
          { name: 'h', type: 'sftp', host: 'h', port: 2222, path: '/in', partner: 'uef' },
        ],
      },
      '/destinations/1/prefix: the same place as a, which belongs to another',
      '/destinations/4/prefix: the same place as b, which belongs to another',
      '/destinations/6/path: the same place as f, which belongs to another',
    ],
    [
      'names taken twice',
      {
        partners: [{ name: 'a' }, { name: 'a' }],
        policies: [{ name: 'b' }, { name: 'b' }],
        destinations: [{ name: 'c' }, { name: 'c' }],
        routes: [{ name: 'd' }, { name: 'd' }],
        models: [{ name: 'e' }, { name: 'e' }],
        gateway: { dimse: { sources: [{ name: 'f' }, { name: 'f' }, { name: 7 }, null] } },
      },
      '/policies/1/name: the name b is taken by an entry above',
      '/partners/1/name: the name a is taken by an entry above',
      '/destinations/1/name: the name c is taken by an entry above',
      '/routes/1/name: the name d is taken by an entry above',
      '/models/1/name: the name e is taken by an entry above',
      '/gateway/dimse/sources/1/name: the name f is taken by an entry above',
    ],
    [
      'two sources of one AE title and address that show different certificates',
      {
        gateway: {
          dimse: {
            tls: {},
            sources: [
              { name: 'a', aeTitle: 'X', hosts: ['10.0.0.1'], certificate: { subject: 'CN=a' } },
              { name: 'b', aeTitle: 'X', hosts: ['10.0.0.1'], certificate: { subject: 'CN=b' } },
            ],
          },
        },
      },
    ],
    [
      'called titles twice, and for a source that is none',
      {
        gateway: {
          dimse: {
            sources: [{ name: 'pv-7t' }],
            titles: [{ aeTitle: 'A', sources: ['pv-7t', 'pv7t'] }, { aeTitle: 'A ' }],
          },
        },
      },
      '/gateway/dimse/titles/0/sources/1: no such source: pv7t; did you mean pv-7t?',
      '/gateway/dimse/titles/1/aeTitle: A is described above',
    ],
    [
      'proofs that nobody could bring, and a result over TLS without TLS',
      {
        gateway: {
          dimse: {
            sources: [
              { name: 'a', certificate: { subject: 'CN=a' } },
              { name: 'b', storageCommitment: { tls: true } },
            ],
          },
        },
      },
      '/gateway/dimse/sources/0/certificate: nobody can show a certificate: gateway.dimse.tls is not there',
      '/gateway/dimse/sources/1/storageCommitment/tls: there is no certificate for it: gateway.dimse.tls is not there',
    ],
    [
      'a certificate that is not asked for, and a TLS port that is taken',
      {
        gateway: {
          dimse: {
            tls: { port: 11_112, clientCertificates: 'none' },
            sources: [{ name: 'a', certificate: { subject: 'CN=a' } }],
          },
        },
      },
      '/gateway/dimse/sources/0/certificate: nobody can show a certificate: gateway.dimse.tls asks for no client certificates',
      '/gateway/dimse/tls/port: TLS needs a port of its own; without this key gateway.dimse.port speaks TLS',
    ],
    [
      'two sources that are one',
      {
        gateway: {
          dimse: {
            sources: [
              { name: 'a', aeTitle: 'X', hosts: ['10.0.0.1', '10.0.0.2'] },
              { name: 'b', aeTitle: ' X', hosts: ['10.0.0.2'] },
              { name: 'c', aeTitle: 'Y', hosts: ['10.0.0.2'] },
            ],
          },
        },
      },
      '/gateway/dimse/sources/1: X from 10.0.0.2 is already the source a',
    ],
    [
      'one port for two doors',
      { gateway: { dimse: { port: 9 }, http: { port: 9 } } },
      '/gateway/http/port: DIMSE and HTTP cannot share a port',
    ],
    [
      'the port that is the default of the other door',
      { gateway: { dimse: { port: 8080 } } },
      '/gateway/dimse/port: DIMSE and HTTP cannot share a port',
    ],
    [
      'metrics on the port of everything else',
      { gateway: { http: { port: 9, metrics: { port: 9 } } } },
      '/gateway/http/metrics/port: metrics need a port of their own; without this key they are at gateway.http.port',
    ],
    ['any free port, twice', { gateway: { dimse: { port: 0 }, http: { port: 0 } } }],
    [
      'folders inside and around the data folder',
      {
        hub: { data: './data' },
        destinations: [
          { name: 'a', type: 'folder', path: 'data/out' },
          { name: 'b', type: 'folder', path: resolve('data') },
          { name: 'c', type: 'folder', path: '.' },
          { name: 'd', type: 'folder', path: './data-out' },
          { name: 'e', type: 'folder', path: 7 },
        ],
      },
      "/destinations/0/path: inside the hub's own data folder (hub.data)",
      "/destinations/1/path: inside the hub's own data folder (hub.data)",
      "/destinations/2/path: holds the hub's own data folder (hub.data)",
    ],
    [
      'one folder for two partners',
      {
        partners: PARTNERS,
        destinations: [
          { name: 'a', type: 'folder', path: './out', partner: 'kct' },
          { name: 'b', type: 'folder', path: 'out/', partner: 'kct' },
          { name: 'c', type: 'folder', path: 'out', partner: 'uef' },
          { type: 'folder', path: 'in' },
          { name: 'd', type: 'folder', path: 'in', partner: 'uef' },
        ],
      },
      '/destinations/2/path: the same folder as b, which belongs to another',
      '/destinations/4/path: the same folder as a destination above, which belongs to another',
    ],
    [
      'partners nobody named',
      {
        partners: PARTNERS,
        policies: [{ name: 'x', partner: 'kt' }],
        destinations: [
          { name: 'y', partner: 'ufe' },
          { name: 'z', partner: 'kctt' },
        ],
      },
      '/policies/0/partner: no such partner: kt',
      '/destinations/0/partner: no such partner: ufe; did you mean uef?',
      '/destinations/1/partner: no such partner: kctt; did you mean kct?',
    ],
    [
      'a time limit for no processor',
      { processors: { timeLimits: { qc: '1m', qcc: '1m' } } },
      '/processors/timeLimits/qcc: no such processor: qcc; one of deidentify, qc, segment',
    ],
    [
      'destinations nobody named, and one named twice',
      withRoute({ process: [], deliver: ['our', 'ours', 'ours', 7] }),
      '/routes/0/deliver/0: no such destination: our; did you mean ours?',
      '/routes/0/deliver/2: ours is named twice',
    ],
    [
      'a partner without release',
      withRoute({ process: ['qc'], deliver: ['kct-pacs'] }),
      '/routes/0/deliver/0: kct-pacs belongs to the partner kct, and this route has no deidentify step that releases for kct',
    ],
    [
      'a release for another partner',
      withRoute({ process: [{ deidentify: 'for-uef' }], deliver: ['kct-pacs'] }),
      '/routes/0/deliver/0: kct-pacs belongs to the partner kct, and this route releases for uef',
    ],
    [
      'a release for no partner',
      withRoute({ process: [{ deidentify: 'open' }], deliver: ['kct-pacs'] }),
      "/routes/0/deliver/0: kct-pacs belongs to the partner kct, and the policy of this route's deidentify step releases for no partner; give the policy partner: kct",
    ],
    [
      'two releases',
      withRoute({ process: [{ deidentify: 'kct' }, { deidentify: 'for-uef' }], deliver: [] }),
      '/routes/0/process/1: a second step that releases; a route releases once',
    ],
    [
      'a policy nobody named, without guessing about its release',
      withRoute({ process: [{ deidentify: 'kctt' }], deliver: ['kct-pacs'] }),
      '/routes/0/process/0/deidentify: no such policy: kctt',
    ],
    [
      'a step that needs a policy and has none',
      withRoute({ process: ['deidentify'], deliver: ['kct-pacs'] }),
      '/routes/0/process/0: no such policy: undefined',
    ],
    // Its own mistake is reported where the policy stands.
    [
      'a policy that is broken',
      {
        partners: PARTNERS,
        policies: [{ name: 'kct', profile: 'none' }],
        destinations: DESTINATIONS,
        routes: [{ process: [{ deidentify: 'kct' }], deliver: ['kct-pacs'] }],
      },
    ],
    // As a step nobody knows is reported by the step.
    ['a step that is not known', withRoute({ process: ['deidentfy', 7], deliver: ['kct-pacs'] })],
    [
      'lists that are none',
      { destinations: {}, routes: 'x', partners: null, gateway: [], processors: { timeLimits: [] }, hub: 1 },
    ],
  ] as const) {
    it(`finds ${expected.length === 0 ? 'nothing wrong with' : 'wrong'}: ${title}`, () => {
      expect(find(config)).to.deep.equal(expected);
    });
  }

  it('lets a defect of a plug-in through, which is no mistake of the file', () => {
    const broken = {
      name: 'qc',
      resolve: () => {
        throw new TypeError('a defect');
      },
    };

    expect(() => crossCheck(withRoute({ process: ['qc'] }), { ...testShapes, processors: [broken] })).to.throw(
      TypeError,
      'a defect',
    );
  });
});
