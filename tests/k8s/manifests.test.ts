import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { z } from 'zod';
import { STREAMS } from '../../core/streams.ts';
import { STAGES } from '../../wiring/shapes.ts';
import { run } from '../support/child-process.ts';
import { mavenLibraries } from '../support/maven-libraries.ts';
import { PeerUnavailable } from '../support/peer-unavailable.ts';
import { skip } from '../support/skip.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { judge, type Judgement, K8S, type Manifest, ofKind, selects, workloads } from './cluster.ts';

const ROOT = resolve(K8S, '..');
const STRIMZI = join(K8S, 'examples/strimzi');
const OVERLAYS = ['single-node', 'region'] as const;
const DATA = '/var/lib/hub';

describe('the manifests for Kubernetes', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const judged = new Map<string, Judgement>();

  before(async function () {
    try {
      for (const overlay of OVERLAYS) judged.set(overlay, await judge(join(K8S, 'overlays', overlay)));
    } catch (error) {
      if (PeerUnavailable.isAccepted(error)) skip(this, error.message);
      throw error;
    }
  });

  const manifestsOf = (overlay: string): readonly Manifest[] => judged.get(overlay)?.objects ?? [];

  it('find no fault with an API server, nor with the standard for pods that may not leave their container', () => {
    for (const [overlay, { problems, foreign, objects }] of judged) {
      expect(problems, overlay).to.deep.equal([]);
      expect(foreign, overlay).to.deep.equal([]);
      expect(objects.length, overlay).to.be.greaterThan(10);
    }
  });

  it('of examples are right by the definitions of those who own their kinds', async () => {
    const examples = ['strimzi', 'cloudnative-pg', 'secrets/external-secret.yaml'].map((name) =>
      join(K8S, 'examples', name),
    );

    const { problems, foreign, objects } = await judge(...examples);

    expect(problems).to.deep.equal([]);
    // Read by Strimzi's own classes, below.
    expect(new Set(foreign.map((each) => each.split(' ')[1]))).to.deep.equal(
      new Set(['Kafka', 'KafkaNodePool', 'KafkaTopic', 'KafkaUser']),
    );
    expect(objects.map(({ kind }) => kind)).to.include.members([
      'Cluster',
      'ObjectStore',
      'ScheduledBackup',
      'ExternalSecret',
    ]);
  });

  for (const { what, file, from, to, says } of [
    {
      ...{ what: 'a cluster with a key that is none', file: 'cloudnative-pg/cluster.yaml' },
      ...{ from: /dataDurability/, to: 'durability', says: /unknown field spec\.postgresql\.synchronous\.durability/ },
    },
    {
      ...{ what: 'a cluster without an instance', file: 'cloudnative-pg/cluster.yaml' },
      ...{ from: /instances: 3/, to: 'instances: 0', says: /spec\.instances: .*greater than or equal to 1/ },
    },
    {
      ...{ what: 'a backup by a method that is none', file: 'cloudnative-pg/backup.yaml' },
      ...{ from: /method: plugin/, to: 'method: plug', says: /spec\.method: Unsupported value/ },
    },
    {
      ...{ what: 'a place for backups with a compression that is none', file: 'cloudnative-pg/backup.yaml' },
      ...{
        from: /wal: \{ compression: gzip/,
        to: 'wal: { compression: zip',
        says: /wal\.compression: Unsupported value/,
      },
    },
    {
      ...{ what: 'a secret whose store is none', file: 'secrets/external-secret.yaml' },
      ...{ from: /ClusterSecretStore/, to: 'Vault', says: /secretStoreRef\.kind: Unsupported value/ },
    },
  ]) {
    it(`of examples would not pass with ${what}`, async () => {
      const right = readFileSync(join(K8S, 'examples', file), 'utf8');
      const wrong = join(folder.path, 'wrong-example.yaml');
      await writeFile(wrong, right.replace(from, to));

      const { problems } = await judge(wrong);

      expect(problems.map(({ problem }) => problem).join('\n')).to.match(says);
    });
  }

  const MISTAKES: readonly {
    readonly what: string;
    readonly from: RegExp;
    readonly to: string;
    readonly says: RegExp;
  }[] = [
    { what: 'a misspelt key', from: /readOnlyRootFilesystem/, to: 'readonlyRootFilesystem', says: /unknown field/ },
    { what: 'a key that stands twice', from: /replicas: 2\n/, to: 'replicas: 2\n  replicas: 3\n', says: /already set/ },
    {
      what: 'a volume that is not there',
      from: /name: tmp\n/,
      to: 'name: temp\n',
      says: /Not found: "temp"/,
    },
    {
      what: 'a selector that misses its pods',
      from: /matchLabels:\n {6}app/,
      to: 'matchLabels:\n      other: x\n      app',
      says: /selector/,
    },
    {
      what: 'a container that may become root',
      from: /runAsNonRoot: true/g,
      to: 'runAsNonRoot: false',
      says: /restricted: .*runAsNonRoot/,
    },
    { what: 'a port that is none', from: /port: 11112/, to: 'port: 111120', says: /between 1 and 65535/ },
    {
      what: 'a trigger without its metadata',
      from: /- metadata:\n(?: {8}.*\n)+? {6}metricType/,
      to: '- metricType',
      says: /metadata: Required/,
    },
    { what: 'a monitor with a key that is none', from: /scrapeTimeout/, to: 'scrapeTimeOut', says: /unknown field/ },
    { what: 'a rule whose time is none', from: /for: 2m/, to: 'for: soon', says: /should match/ },
  ];
  for (const { what, from, to, says } of MISTAKES) {
    it(`would not pass with ${what}`, async () => {
      const right = manifestsOf('region')
        .map((each) => stringifyForKubectl(each))
        .join('---\n');
      const wrong = right.replace(from, to);
      expect(wrong, 'the mistake is not made').not.to.equal(right);
      const file = join(folder.path, 'wrong.yaml');
      await writeFile(file, wrong);

      const { problems } = await judge(file);

      expect(problems.map(({ problem }) => problem).join('\n')).to.match(says);
    });
  }

  it('of Strimzi are read by its own classes without a field or a word they do not know', async function () {
    const java = await strimziCheck(this);
    const files = ['kafka', 'topics', 'user'].map((name) => join(STRIMZI, `${name}.yaml`));
    const wrong = join(folder.path, 'kafka.yaml');
    await writeFile(wrong, readFileSync(join(STRIMZI, 'kafka.yaml'), 'utf8').replace('kraftMetadata', 'kraftMetaData'));

    const said = await java(files);
    const saidOfWrong = await java([wrong]);

    expect(said.stdout)
      .to.match(/^right: Kafka hub-bus$/m)
      .and.not.to.match(/^wrong/m);
    expect(said.code).to.equal(0);
    expect(saidOfWrong.stdout).to.match(/^wrong: KafkaNodePool brokers: Unrecognized field "kraftMetaData"/m);
  });

  it('keep three copies of what the region stands on, and wait for two of them', () => {
    const topics = documents(join(STRIMZI, 'topics.yaml'));
    const names = topics.map(({ metadata }) => metadata.name);
    const cluster = parse(readFileSync(join(K8S, 'examples/cloudnative-pg/cluster.yaml'), 'utf8')) as unknown;

    expect(names.filter((name) => name.startsWith('hub.')).toSorted()).to.deep.equal(STREAMS.toSorted());
    for (const { spec } of topics) expect(spec).to.deep.include({ replicas: 3, partitions: 12 });
    expect(topics.every(({ spec }) => /"min.insync.replicas":2/.test(JSON.stringify(spec)))).to.equal(true);
    expect(cluster).to.deep.nested.include({
      'spec.instances': 3,
      'spec.postgresql.synchronous': { method: 'any', number: 1, dataDurability: 'required' },
    });
  });

  for (const overlay of OVERLAYS) {
    describe(overlay, () => {
      it('has a configuration that hub check takes, as the pods find it', async () => {
        for (const { template } of workloads(manifestsOf(overlay))) {
          const [{ env }] = template.spec.containers;
          const given = Object.fromEntries(env.map(({ name, value = 'hub-gateway-0' }) => [name, value]));
          const file = join(K8S, 'overlays', overlay, 'hub.yaml');

          const { code, stdout, stderr } = await run(
            { path: process.execPath, env: { ...given, ...secretsOfTheExample() } },
            [join(ROOT, 'main.ts'), 'check', '--config', file],
          );

          expect(code, stdout + stderr).to.equal(0);
          expect(unexpected(stderr)).to.deep.equal([]);
        }
      });

      it('runs each stage once, with pods that hold nothing but what they are given', () => {
        const all = workloads(manifestsOf(overlay));
        const stages = all.flatMap(({ template }) => stagesOf(template.spec.containers[0].args));
        const graceSeconds = stopSeconds();

        expect(stages.toSorted()).to.deep.equal([...STAGES].toSorted());
        for (const { name, template } of all) {
          const { spec } = template;
          const [hub] = spec.containers;
          expect(spec.automountServiceAccountToken, name).to.equal(false);
          expect(spec.enableServiceLinks, name).to.equal(false);
          expect(hub.securityContext.readOnlyRootFilesystem, name).to.equal(true);
          expect(spec.terminationGracePeriodSeconds, name).to.be.at.least(
            graceSeconds + hub.lifecycle.preStop.sleep.seconds,
          );
          expect(hub.resources.limits, name).to.have.property('memory');
          expect(
            hub.volumeMounts.map(({ mountPath }) => mountPath),
            name,
          ).to.include.members([DATA, '/tmp', '/etc/hub']);
        }
      });

      it('has nothing that points at nothing', () => {
        const manifests = manifestsOf(overlay);
        const all = workloads(manifests);
        const has = (kind: string, name: string) =>
          ofKind(manifests, kind).some(({ metadata }) => metadata.name === name);
        for (const { name, template } of all) {
          const [hub] = template.spec.containers;
          expect(has('ServiceAccount', template.spec.serviceAccountName), name).to.equal(true);
          for (const { configMap } of template.spec.volumes) {
            if (configMap !== undefined) expect(has('ConfigMap', configMap.name), configMap.name).to.equal(true);
          }
          for (const { startupProbe, livenessProbe, readinessProbe } of [hub]) {
            for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
              expect(
                hub.ports.map((port) => port.name),
                name,
              ).to.include(httpGet.port);
            }
          }
          expect(hub.envFrom.map(({ secretRef }) => secretRef?.name)).to.deep.equal(['hub-secrets']);
        }
        for (const { metadata, ...rest } of ofKind(manifests, 'Service')) {
          const { selector, ports } = serviceSpec.parse(rest['spec']);
          const behind = all.filter(({ template }) => selects({ matchLabels: selector }, template));
          expect(behind, metadata.name).not.to.have.length(0);
          for (const { template } of behind) {
            const names = template.spec.containers[0].ports.map(({ name }) => name);
            expect(names, metadata.name).to.include.members(ports.map(({ targetPort }) => targetPort));
          }
        }
        for (const { kind, metadata, ...rest } of ofKind(manifests, 'PodDisruptionBudget', 'NetworkPolicy')) {
          const spec = z.looseObject({ selector: z.unknown(), podSelector: z.unknown() }).partial().parse(rest['spec']);
          const found = kind === 'NetworkPolicy' ? spec.podSelector : spec.selector;
          expect(
            all.some(({ template }) => selects(found, template)),
            metadata.name,
          ).to.equal(true);
        }
      });

      it('holds no secret', () => {
        expect(ofKind(manifestsOf(overlay), 'Secret')).to.deep.equal([]);
      });

      it('denies all ways in and out that no policy names', () => {
        for (const { name, template } of workloads(manifestsOf(overlay))) {
          const denied = policiesOf(manifestsOf(overlay), template).some(
            ({ policyTypes, ingress, egress }) =>
              policyTypes.length === 2 && ingress === undefined && egress === undefined,
          );
          expect(denied, name).to.equal(true);
        }
      });
    });
  }

  it('let of a region only connectors out, and processors no further than PostgreSQL, Kafka, S3 and the name service', () => {
    const waysOut = (name: string) => {
      const [found] = workloads(manifestsOf('region')).filter((each) => each.name === name);
      if (found === undefined) throw new Error(`no ${name}`);
      return policiesOf(manifestsOf('region'), found.template).flatMap(({ egress = [] }) => egress);
    };
    const anywhere = (name: string) => JSON.stringify(waysOut(name)).includes('0.0.0.0/0');

    expect(['hub-gateway', 'hub-routers', 'hub-processors', 'hub-connectors'].filter(anywhere)).to.deep.equal([
      'hub-connectors',
    ]);
    const ports = waysOut('hub-processors').flatMap(({ ports: each = [] }) => each.map(({ port }) => port));
    expect(new Set(ports)).to.deep.equal(new Set([53, 5432, 9093, 443]));
  });

  it('let Prometheus in with the token that the hub asks for', () => {
    for (const overlay of OVERLAYS) {
      const [monitor] = ofKind(manifestsOf(overlay), 'ServiceMonitor');
      const config = parse(readFileSync(join(K8S, 'overlays', overlay, 'hub.yaml'), 'utf8')) as unknown;
      const { key } = z
        .looseObject({ endpoints: z.tuple([z.looseObject({ authorization: authorization })]) })
        .parse(monitor?.['spec']).endpoints[0].authorization.credentials;

      expect(config, overlay).to.deep.nested.include({ 'gateway.http.metrics.token': { env: key } });
      expect(secretsOfTheExample(), overlay).to.have.property(key);
    }
  });

  it('make a processor for as many steps as one of them works on at once', () => {
    const [scaled] = ofKind(manifestsOf('region'), 'ScaledObject');
    const { spec } = scaledObject.parse(scaled);
    const config = z
      .looseObject({ processors: z.looseObject({ workers: z.number() }) })
      .parse(parse(readFileSync(join(K8S, 'overlays/region/hub.yaml'), 'utf8')));

    expect(workloads(manifestsOf('region')).map(({ name }) => name)).to.include(spec.scaleTargetRef.name);
    expect(spec.minReplicaCount).to.equal(1);
    expect(Number(spec.triggers[0].metadata.threshold)).to.equal(config.processors.workers);
  });
});

const serviceSpec = z.looseObject({
  selector: z.record(z.string(), z.string()),
  ports: z.array(z.looseObject({ targetPort: z.string() })),
});
const scaledObject = z.looseObject({
  spec: z.looseObject({
    scaleTargetRef: z.looseObject({ name: z.string() }),
    minReplicaCount: z.number(),
    triggers: z.tuple([z.looseObject({ metadata: z.looseObject({ threshold: z.string() }) })]),
  }),
});
const rule = z.looseObject({ ports: z.array(z.looseObject({ port: z.number() })).optional() });
const policy = z.looseObject({
  podSelector: z.unknown(),
  policyTypes: z.array(z.string()),
  ingress: z.array(rule).optional(),
  egress: z.array(rule).optional(),
});
const document = z.looseObject({ metadata: z.looseObject({ name: z.string() }), spec: z.looseObject({}) });

function policiesOf(manifests: readonly Manifest[], template: Parameters<typeof selects>[1]) {
  return ofKind(manifests, 'NetworkPolicy')
    .map((each) => policy.parse(each['spec']))
    .filter(({ podSelector }) => selects(podSelector, template));
}

function stagesOf(args: readonly string[]): readonly string[] {
  const at = args.indexOf('--stages');
  return at === -1 ? STAGES : (args[at + 1] ?? '').split(',');
}

/** The longest a stop of the hub may take: HTTP, doors and work one after another, and the thread's own slack. */
function stopSeconds(): number {
  const ms = (file: string, name: string) => {
    const [, digits = ''] = new RegExp(`${name} = ([\\d_]+)`).exec(readFileSync(join(ROOT, file), 'utf8')) ?? [];
    return Number(digits.replaceAll('_', ''));
  };
  return (3 * ms('app.ts', 'STOP_GRACE_MS') + ms('platform/threads/stage-thread.ts', 'STOP_SLACK_MS')) / 1000;
}

/** With a value in each variable the example for secrets names. */
function secretsOfTheExample(): Readonly<Record<string, string>> {
  const text = readFileSync(join(K8S, 'examples/secrets/hub-secrets.env.example'), 'utf8');
  return Object.fromEntries([...text.matchAll(/^(\w+)=$/gm)].map(([, name = '']) => [name, 'ab'.repeat(32)]));
}

const authorization = z.looseObject({
  credentials: z.looseObject({ name: z.literal('hub-secrets'), key: z.string() }),
});

/** But for files of secrets that only a pod has. */
function unexpected(warnings: string): readonly string[] {
  return warnings
    .split('\n')
    .filter((line) => line !== '' && !/the file \/etc\/hub-(bus|ledger)\/ca\.crt cannot be read here/.test(line));
}

function documents(file: string) {
  return parseAllDocuments(readFileSync(file, 'utf8')).map((each) => document.parse(each.toJS()));
}

/** Block style, as `kubectl kustomize` prints it: what the mistakes are made in. */
function stringifyForKubectl(manifest: Manifest): string {
  return stringify(manifest, { sortMapEntries: true, lineWidth: 0 });
}

async function strimziCheck(context: Mocha.Context) {
  try {
    const libraries = await mavenLibraries('strimzi', join(import.meta.dirname, 'strimzi/pom.xml'));
    const program = join(import.meta.dirname, 'strimzi/StrimziCheck.java');
    return async (files: readonly string[]) =>
      await run({ path: 'java', env: {} }, ['-cp', `${libraries}/*`, program, ...files], { timeoutMs: 60_000 });
  } catch (error) {
    if (PeerUnavailable.isAccepted(error)) skip(context, error.message);
    throw error;
  }
}
