import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { z } from 'zod';
import { prometheusRule } from '../../scripts/prometheus-rule.ts';
import { run, type Finished } from '../support/child-process.ts';
import { PeerUnavailable } from '../support/peer-unavailable.ts';
import { prometheus } from '../support/peers.ts';
import { skip } from '../support/skip.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ALERT_CASES, type Situation } from './alert-cases.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const RULES = join(ROOT, 'monitoring/rules.yaml');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

const alertRule = z.strictObject({
  alert: z.string().regex(/^Hub[A-Za-z]+$/),
  expr: z.string(),
  for: z.string().regex(/^\d+[mh]$/),
  labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
  annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook_url: z.string() }),
});
const rulesFile = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), rules: z.array(alertRule).min(1) })).min(1),
});

describe('the rules for Prometheus', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const alerts = rulesFile.parse(parse(readFileSync(RULES, 'utf8'))).groups.flatMap(({ rules }) => rules);
  let promtool: (...args: readonly string[]) => Promise<Finished>;

  before(async function () {
    try {
      const command = (await prometheus()).command('promtool');
      promtool = async (...args) => await run(command, args);
    } catch (error) {
      if (PeerUnavailable.isAccepted(error)) skip(this, error.message);
      throw error;
    }
  });

  it('are taken by Prometheus', async () => {
    const { code, stdout, stderr } = await promtool('check', 'rules', RULES);

    expect(code, stderr).to.equal(0);
    expect(stdout).to.contain(`SUCCESS: ${String(alerts.length)} rules found`);
  });

  it('have a case for each alert, and a section of what to do', () => {
    const names = alerts.map(({ alert }) => alert);
    const sections = [...read('docs/operations.md').matchAll(/^#+ (Hub[A-Za-z]+)$/gm)].map(([, name]) => name);

    expect(new Set(ALERT_CASES.map(({ alert }) => alert))).to.deep.equal(new Set(names));
    expect(sections.toSorted()).to.deep.equal(names.toSorted());
    for (const { alert, annotations } of alerts) {
      expect(annotations.runbook_url).to.equal(`docs/operations.md#${alert.toLowerCase()}`);
    }
  });

  for (const { alert, fires, quiet, because } of ALERT_CASES) {
    it(`${alert} fires when it must, and not when ${because}`, async () => {
      expect(await firing(alert, fires), 'must fire').to.match(/SUCCESS/);
      expect(await firing(alert, quiet, 0), because).to.match(/SUCCESS/);
    });
  }

  it('say something whole, with a value and a name in each place', async () => {
    for (const { alert, fires } of ALERT_CASES) {
      // Nothing is expected, so promtool prints what it got, with the templates filled in.
      const shown = await judge(fires, {
        alert_rule_test: [{ eval_time: fires.at, alertname: alert, exp_alerts: [] }],
      });

      expect(shown, alert).to.contain('got:').and.to.contain('summary=');
      expect(shown, alert).not.to.match(/<error|<no value>|\{\{/);
    }
  });

  it('name only metrics that the hub has', () => {
    const known = metricsOfTheHub();
    const trigger = read('k8s/components/keda/processors.yaml');
    const dashboard = read('monitoring/dashboard.json');

    for (const text of [...alerts.map(({ expr }) => expr), trigger, dashboard]) {
      const named = [...text.matchAll(/\bhub_[a-z0-9_]+/g)].map(([name]) => name);
      for (const name of named) expect(known, name).to.include(name);
    }
  });

  it('are what the Prometheus operator gets; node scripts/prometheus-rule.ts writes it', () => {
    expect(read('k8s/components/monitoring/prometheus-rule.yaml')).to.equal(prometheusRule());
  });

  /** What promtool says of a number of alerts of that name that fire then. */
  async function firing(alert: string, situation: Situation, expected = 1): Promise<string> {
    const query = `count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`;
    return await judge(situation, {
      promql_expr_test: [{ expr: query, eval_time: situation.at, exp_samples: [{ labels: '{}', value: expected }] }],
    });
  }

  async function judge({ series }: Situation, expectation: object): Promise<string> {
    const file = join(folder.path, 'test.yaml');
    const inputs = Object.entries(series).map(([name, values]) => ({ series: name, values }));
    const tests = [{ interval: '1m', input_series: inputs, ...expectation }];
    await writeFile(file, JSON.stringify({ rule_files: [RULES], evaluation_interval: '1m', tests }));
    const { stdout, stderr } = await promtool('test', 'rules', file);
    return stdout + stderr;
  }
});

/** Of docs/metrics.md, with what a histogram is scraped as. */
function metricsOfTheHub(): ReadonlySet<string> {
  const rows = [...read('docs/metrics.md').matchAll(/^\| `(hub_\w+)` \| (\w+) \|/gm)];
  return new Set(
    rows.flatMap(([, name = '', kind]) =>
      kind === 'histogram' ? ['bucket', 'count', 'sum'].map((part) => `${name}_${part}`) : [name],
    ),
  );
}
