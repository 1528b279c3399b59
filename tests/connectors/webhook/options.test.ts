import { expect } from 'chai';
import { options } from '../../../connectors/webhook/options.ts';

describe('the options of a webhook', () => {
  for (const [url, allowHosts, message] of [
    ['https://hooks.example.org/x', []],
    ['https://hooks.example.org:8443/x', []],
    // Where a name leads to is seen when it is called.
    ['https://hooks.hospital.local/x', []],
    ['http://10.1.2.3:9000/x', ['10.1.0.0/16']],
    ['http://bell.hospital.local:9000/x', ['*.hospital.local']],
    ['https://10.1.2.3/x', [], 'the address is not public: see allowHosts'],
    ['https://[::ffff:127.0.0.1]/x', ['10.0.0.0/8'], 'the address is not public: see allowHosts'],
    ['http://hooks.example.org/x', [], 'https is needed: see allowHosts'],
    ['https://hooks.example.org:9000/x', [], 'port 443 or 8443 is needed: see allowHosts'],
    ['hooks.example.org', [], 'Invalid URL'],
  ] as const) {
    const title = message === undefined ? 'take' : 'do not take';
    it(`${title} ${url} where allowHosts is [${allowHosts.join(', ')}]`, () => {
      const entry = { name: 'bell', type: 'webhook', partner: 'kct', url, allowHosts, secret: { env: 'BELL' } };

      const { error } = options.safeParse(entry);

      const found = error?.issues.map((issue) => [issue.path.join('/'), issue.message]) ?? [];
      expect(found).to.deep.equal(message === undefined ? [] : [['url', message]]);
    });
  }
});
