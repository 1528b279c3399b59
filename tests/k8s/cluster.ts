/** What the manifests come to, as an API server of Kubernetes sees them. */
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { run } from '../support/child-process.ts';
import { goModule, goProgram } from '../support/go-programs.ts';

export const K8S = resolve(import.meta.dirname, '../../k8s');
const VALIDATOR = resolve(import.meta.dirname, 'validator');

/** Definitions of custom resources, from the modules of the operators that own them. */
const DEFINITIONS = [
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    folder: 'example/prometheus-operator-crd',
    files: ['monitoring.coreos.com_servicemonitors.yaml', 'monitoring.coreos.com_prometheusrules.yaml'],
  },
  {
    module: 'github.com/kedacore/keda/v2@v2.16.1',
    folder: 'config/crd/bases',
    files: ['keda.sh_scaledobjects.yaml'],
  },
  {
    module: 'github.com/cloudnative-pg/cloudnative-pg@v1.26.1',
    folder: 'config/crd/bases',
    files: ['postgresql.cnpg.io_clusters.yaml', 'postgresql.cnpg.io_scheduledbackups.yaml'],
  },
  {
    module: 'github.com/cloudnative-pg/plugin-barman-cloud@v0.15.0',
    folder: 'config/crd/bases',
    files: ['barmancloud.cnpg.io_objectstores.yaml'],
  },
  {
    module: 'github.com/external-secrets/external-secrets@v0.19.2',
    folder: 'config/crds/bases',
    files: ['external-secrets.io_externalsecrets.yaml'],
  },
];
/** Strimzi's definitions are not in its artifacts: they are read with its own classes instead. */
const FOREIGN = ['kafka.strimzi.io'];

const labels = z.record(z.string(), z.string());
const selector = z.looseObject({ matchLabels: labels.optional() });
const reference = z.looseObject({ name: z.string() });
const variable = z.looseObject({ name: z.string(), value: z.string().optional() });
const container = z.looseObject({
  name: z.string(),
  image: z.string(),
  args: z.array(z.string()),
  env: z.array(variable).default([]),
  envFrom: z.array(z.looseObject({ secretRef: reference.optional() })).default([]),
  ports: z.array(z.looseObject({ name: z.string(), containerPort: z.number() })),
  resources: z.looseObject({ requests: labels, limits: labels }),
  securityContext: z.looseObject({ readOnlyRootFilesystem: z.boolean() }),
  startupProbe: z.looseObject({ httpGet: z.looseObject({ path: z.string(), port: z.string() }) }),
  livenessProbe: z.looseObject({ httpGet: z.looseObject({ path: z.string(), port: z.string() }) }),
  readinessProbe: z.looseObject({ httpGet: z.looseObject({ path: z.string(), port: z.string() }) }),
  lifecycle: z.looseObject({ preStop: z.looseObject({ sleep: z.looseObject({ seconds: z.number() }) }) }),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })),
});
const podTemplate = z.looseObject({
  metadata: z.looseObject({ labels }),
  spec: z.looseObject({
    serviceAccountName: z.string(),
    automountServiceAccountToken: z.boolean(),
    enableServiceLinks: z.boolean(),
    terminationGracePeriodSeconds: z.number(),
    containers: z.tuple([container]),
    volumes: z.array(z.looseObject({ name: z.string(), configMap: reference.optional() })),
  }),
});
const object = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), labels: labels.optional() }),
});
const answer = z.object({
  objects: z.array(object),
  foreign: z.array(z.string()),
  problems: z.array(z.object({ source: z.string(), object: z.string(), problem: z.string() })),
});

export type Manifest = z.infer<typeof object>;
export type PodTemplate = z.infer<typeof podTemplate>;
export type Judgement = z.infer<typeof answer>;

/** @param sources - folders with a kustomization, or files */
export async function judge(...sources: readonly string[]): Promise<Judgement> {
  const program = await goProgram(VALIDATOR);
  const args = FOREIGN.flatMap((group) => ['-foreign', group]);
  for (const { module, folder, files } of DEFINITIONS) {
    const at = join(await goModule(module), folder);
    for (const file of files) args.push('-crd', join(at, file));
  }
  const { code, stdout, stderr } = await run(program, [...args, ...sources], { timeoutMs: 60_000 });
  if (code > 1) throw new Error(`the validator ended with ${String(code)}: ${stderr}`);
  return answer.parse(JSON.parse(stdout));
}

export function ofKind(manifests: readonly Manifest[], ...kinds: readonly string[]): readonly Manifest[] {
  return manifests.filter(({ kind }) => kinds.includes(kind));
}

/** Workloads of the hub: their names and what each pod of them is. */
export function workloads(
  manifests: readonly Manifest[],
): readonly { readonly name: string; readonly template: PodTemplate }[] {
  return ofKind(manifests, 'StatefulSet', 'Deployment').map(({ metadata, ...rest }) => ({
    name: metadata.name,
    template: z.looseObject({ template: podTemplate }).parse(rest['spec']).template,
  }));
}

/** Whether the selector of a service, a budget or a policy means a pod with these labels. */
export function selects(found: unknown, of: PodTemplate): boolean {
  const { matchLabels = {} } = selector.parse(found);
  return Object.entries(matchLabels).every(([name, value]) => of.metadata.labels[name] === value);
}
