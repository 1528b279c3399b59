import { expect } from 'chai';
import { loadConfig } from '../../config/loader.ts';
import { mistakeLine } from '../../config/mistakes.ts';
import { variableName, withOverrides } from '../../config/overrides.ts';
import type { Environment } from '../../config/environment.ts';
import { testShapes } from './shapes.ts';

function load(env: Environment, text = 'gateway:\n  dimse: { port: 104, aeTitle: OLD }\n') {
  return loadConfig({ file: 'hub.yaml', text, env, shapes: testShapes });
}

function lines(env: Environment, text?: string): readonly string[] {
  return (load(env, text).mistakes ?? []).map(mistakeLine);
}

describe('HUB_ variables', () => {
  it('override single keys of the file', () => {
    const { config } = load({
      HUB_GATEWAY_DIMSE_PORT: '11113',
      HUB_GATEWAY_DIMSE_AE_TITLE: 'NEW',
      HUB_GATEWAY_HTTP_ANONYMOUS_LOOPBACK: 'true',
      HUB_GATEWAY_COMPLETION_QUIET: '5s',
      HUB_GATEWAY_DIMSE_TIMEOUTS_IDLE: '1m',
      HUB_HUB_DATA: '/var/lib/hub',
      HUB_LOG_LEVEL: 'debug',
      HUB_BUS_KIND: 'embedded',
    });

    expect(config?.gateway.dimse).to.deep.include({ port: 11_113, aeTitles: ['NEW'] });
    expect(config?.gateway.dimse.timeouts.idleMs).to.equal(60_000);
    expect(config?.gateway.http.anonymousLoopback).to.equal(true);
    expect(config?.gateway.completion).to.deep.equal({ quietMs: 5000, forceMs: 5_400_000 });
    expect(config?.hub.data).to.equal('/var/lib/hub');
    expect(config?.log.level).to.equal('debug');
  });

  it('make a list of a text with commas', () => {
    expect(load({ HUB_GATEWAY_DIMSE_AE_TITLE: 'HUB, HUB2' }).config?.gateway.dimse.aeTitles).to.deep.equal([
      'HUB',
      'HUB2',
    ]);
  });

  it('mend what is wrong in the file', () => {
    expect(lines({ HUB_GATEWAY_DIMSE_PORT: '104' }, 'gateway: { dimse: { port: many } }\n')).to.deep.equal([]);
  });

  it('are named in mistakes, beside those of the file', () => {
    const env = { HUB_GATEWAY_DIMSE_PORT: 'many', HUB_GATEWAY_COMPLETION_QUIET: '60' };

    expect(lines(env, 'gateway: { http: { port: x } }\n')).to.deep.equal([
      'hub.yaml:1 /gateway/http/port: not a number',
      'HUB_GATEWAY_DIMSE_PORT /gateway/dimse/port: not a number',
      'HUB_GATEWAY_COMPLETION_QUIET /gateway/completion/quiet: not a duration like 500ms, 60s, 90m, 2h or 7d',
    ]);
  });

  it('that name no key are mistakes, with a suggestion', () => {
    expect(lines({ HUB_GATEWAY_DIMSE_PROT: '104', HUB_ROUTES_0_NAME: 'x' })).to.deep.equal([
      'HUB_GATEWAY_DIMSE_PROT: names no key of the configuration; did you mean HUB_GATEWAY_DIMSE_PORT?',
      'HUB_ROUTES_0_NAME: names no key of the configuration',
    ]);
  });

  it('are told from what else begins with HUB_, as what Kubernetes sets for a service', () => {
    const env = {
      HUB_DEIDENTIFY_KEY: 'x',
      HUB_TEST_PEERS: 'available',
      HUB_PORT: 'tcp://10.0.0.7:80',
      HUB_GATEWAY_PORT: 'tcp://10.0.0.7:11112',
      HUB_GATEWAY_SERVICE_HOST: '10.0.0.7',
      HUB_GATEWAY_SERVICE_PORT_DICOM: '11112',
      HUB_GATEWAY_PORT_11112_TCP_ADDR: '10.0.0.7',
      GATEWAY_DIMSE_PORT: '1',
      HUB_GATEWAY_DIMSE_HOST: undefined,
    };

    expect(lines(env)).to.deep.equal([]);
  });

  it('are themselves overridden by options of the command', () => {
    const { config } = loadConfig({
      env: { HUB_HUB_DATA: '/from/env' },
      shapes: testShapes,
      overrides: [{ path: ['hub', 'data'], value: '/from/option', from: '--data' }],
    });

    expect(config?.hub.data).to.equal('/from/option');
  });

  it('leave a mistake of the file where it is', () => {
    expect(lines({ HUB_GATEWAY_DIMSE_PORT: '104' }, 'gateway: []\n')).to.deep.equal([
      'hub.yaml:1 /gateway: not a mapping of keys to values',
    ]);
  });

  it('are reported even when the file is no YAML', () => {
    expect(lines({ HUB_LOG_LEVL: 'info' }, 'a: [')).to.have.lengthOf(2);
  });

  it('write camelCase with underscores', () => {
    expect(variableName(['gateway', 'dimse', 'aeTitle'])).to.equal('HUB_GATEWAY_DIMSE_AE_TITLE');
  });

  it('do not change the value they are laid over', () => {
    const shared = { port: 1 };
    const value = { a: shared, b: shared };

    expect(withOverrides(value, [{ path: ['a', 'port'], value: 2, from: 'X' }])).to.deep.equal({
      a: { port: 2 },
      b: { port: 1 },
    });
    expect(value.a.port).to.equal(1);
  });
});
