import { expect } from 'chai';
import { loadConfig } from '../../config/loader.ts';
import { mistakeLine } from '../../config/mistakes.ts';
import { configShapes } from '../../wiring/shapes.ts';
import { match } from '../../routers/match.ts';

const SOURCES = `
gateway:
  dimse:
    sources:
      - { name: pv-7t, aeTitle: PV7T, hosts: [127.0.0.1] }
      - { name: kct-scu, aeTitle: KCT, hosts: [127.0.0.1], partner: kct }
policies: [{ name: kct, profile: basic }, { name: uta, profile: basic }]
`;
const PARTNERS = 'partners: [{ name: kct, returns: kct-web }, { name: uta }]\n';

describe('what partners return, in the configuration', () => {
  it('is taken by routes that lead it back, each that of its partner, and by no other', () => {
    const { config } = load(`${SOURCES}${PARTNERS}
routes:
  - { name: all, when: {} }
  - { name: back, when: {}, process: [{ reidentify: kct }] }
`);

    const takers = (source: string) =>
      (config?.routes ?? [])
        .filter(({ when }) => match(when, { source, attributes: {} }).matched)
        .map(({ name }) => name);
    expect({ scanner: takers('pv-7t'), scu: takers('kct-scu'), web: takers('kct-web') }).to.deep.equal({
      scanner: ['all'],
      scu: ['back'],
      web: ['back'],
    });
  });

  it('changes no rule where no partner returns anything', () => {
    const { config } = load('routes: [{ name: all, when: {} }]\n');

    expect(config?.routes[0]?.when).to.deep.equal({ all: [] });
  });

  const mistakes: Readonly<Record<string, readonly [text: string, message: string]>> = {
    'from a partner that is not there': [
      `${SOURCES}partners: [{ name: uta }]\n`,
      '/gateway/dimse/sources/1/partner: no such partner: kct',
    ],
    'under the name of a source': [
      `${SOURCES}partners: [{ name: kct, returns: pv-7t }, { name: uta }]\n`,
      '/partners/0/returns: the name pv-7t is that of a source',
    ],
    'by a step that comes later': [
      `${SOURCES}${PARTNERS}routes: [{ name: a, when: {}, process: [qc, { reidentify: kct }] }]\n`,
      '/routes/0/process/1/reidentify: is the first step of a route, or none',
    ],
    'by a route whose partner has no door': [
      `${SOURCES}${PARTNERS}routes: [{ name: a, when: {}, process: [{ reidentify: uta }] }]\n`,
      '/routes/0/process/0/reidentify: nothing comes from uta',
    ],
    'by a route for somebody no policy releases for': [
      `${SOURCES}partners: [{ name: kct }, { name: uta }, { name: new, returns: new-web }]\nroutes: [{ name: a, when: {}, process: [{ reidentify: new }] }]\n`,
      'no policy releases for the partner new',
    ],
  };
  for (const [name, [text, message]] of Object.entries(mistakes))
    it(`is a mistake ${name}`, () => {
      expect((load(text).mistakes ?? []).map(mistakeLine).join('\n')).to.include(message);
    });
});

function load(text: string) {
  return loadConfig({ file: 'hub.yaml', text, env: {}, shapes: configShapes() });
}
