/**
 * The rules of Prometheus as the Prometheus operator wants them: one source, monitoring/rules.yaml. Run it to write the
 * file; `tests/monitoring/rules.test.ts` compares them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse, stringify } from 'yaml';

const ROOT = resolve(import.meta.dirname, '..');
const WRITTEN = 'k8s/components/monitoring/prometheus-rule.yaml';

/** What belongs into `WRITTEN`. */
export function prometheusRule(): string {
  const { groups } = parse(readFileSync(resolve(ROOT, 'monitoring/rules.yaml'), 'utf8')) as {
    readonly groups: unknown;
  };
  const rule = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: 'hub', labels: { 'app.kubernetes.io/name': 'hub' } },
    spec: { groups },
  };
  return `# Written by scripts/prometheus-rule.ts from monitoring/rules.yaml.\n${stringify(rule, { lineWidth: 0, singleQuote: true })}`;
}

if (import.meta.main) writeFileSync(resolve(ROOT, WRITTEN), prometheusRule());
