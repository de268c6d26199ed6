/** The Kubernetes manifests, against the real schemas and against what the service promises. */
import t from 'tap';
import { at, checkManifests, listAt, manifests, read, type Table, tableAt } from './validators.js';

const named = (objects: Table[], kind: string, name: string) => {
  const found = objects.find((object) => object.kind === kind && at(object, 'metadata.name') === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
};
const pods = (objects: Table[]) =>
  objects
    .filter((object) => object.kind === 'Deployment')
    .map((object) => ({
      name: String(at(object, 'metadata.name')),
      pod: tableAt(object, 'spec.template.spec'),
      containers: ['containers', 'initContainers'].flatMap((key) =>
        at(object, `spec.template.spec.${key}`) ? listAt(object, `spec.template.spec.${key}`) : [],
      ),
    }));

const units: Record<string, number> = { Mi: 2 ** 20, Gi: 2 ** 30, m: 0.001, '': 1 };
function quantity(value: unknown): number {
  const [, number = '', unit = ''] = /^([\d.]+)(\D*)$/.exec(String(value)) ?? [];
  const factor = units[unit];
  if (factor === undefined) throw new Error(`no quantity: ${value}`);
  return Number(number) * factor;
}

t.test('the base and the autoscaling overlay are valid for Kubernetes, to the last field', async (t) => {
  t.strictSame(await checkManifests(await manifests('deploy/k3s')), []);
  t.strictSame(await checkManifests(await manifests('deploy/k3s-autoscale')), []);
});

t.test('the check refuses an unknown field, a wrong value and an unknown kind', async (t) => {
  const service = (spec: Table) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' }, spec });
  const [unknown = ''] = await checkManifests([service({ selektor: { app: 'x' } })]);
  t.match(unknown, /selektor/);
  t.not((await checkManifests([service({ ports: [{ port: 'eighty' }] })])).length, 0);
  const [kind = ''] = await checkManifests([{ apiVersion: 'apps/v1', kind: 'Deploiment' }]);
  t.match(kind, /has no Deploiment/);
});

t.test('every pod passes the restricted Pod Security Standard', async (t) => {
  const objects = await manifests('deploy/k3s');
  t.equal(
    at(named(objects, 'Namespace', 'chat-server'), 'metadata.labels')?.valueOf() !== undefined &&
      tableAt(named(objects, 'Namespace', 'chat-server'), 'metadata.labels')[
        'pod-security.kubernetes.io/enforce'
      ],
    'restricted',
  );
  for (const { name, pod, containers } of pods(objects)) {
    t.equal(at(pod, 'securityContext.runAsNonRoot'), true, name);
    t.not(at(pod, 'securityContext.runAsUser'), 0, name);
    t.equal(at(pod, 'securityContext.seccompProfile.type'), 'RuntimeDefault', name);
    for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) t.equal(pod[field], undefined, name);
    const allowed = ['configMap', 'emptyDir', 'persistentVolumeClaim', 'secret', 'projected', 'downwardAPI'];
    for (const volume of listAt(pod, 'volumes')) {
      const kinds = Object.keys(volume as Table).filter((key) => key !== 'name');
      t.ok(
        kinds.every((kind) => allowed.includes(kind)),
        `${name} ${kinds}`,
      );
    }
    for (const container of containers) {
      t.equal(at(container, 'securityContext.allowPrivilegeEscalation'), false, name);
      t.strictSame(at(container, 'securityContext.capabilities'), { drop: ['ALL'] }, name);
      t.equal(at(container, 'securityContext.privileged'), undefined, name);
      // Not part of the standard, but ours.
      t.equal(at(container, 'securityContext.readOnlyRootFilesystem'), true, name);
    }
    t.equal(pod.automountServiceAccountToken, false, name);
  }
});

t.test('everything is scheduled and rolls on one node with 2 GB and one core', async (t) => {
  let memory = 0;
  let cpu = 0;
  for (const object of (await manifests('deploy/k3s')).filter(({ kind }) => kind === 'Deployment')) {
    const surge = at(object, 'spec.strategy.rollingUpdate.maxSurge');
    const count = Number(at(object, 'spec.replicas')) + Number(surge ?? 0);
    for (const container of listAt(object, 'spec.template.spec.containers')) {
      t.ok(at(container, 'resources.limits.memory'), 'a limit is set');
      memory += count * quantity(at(container, 'resources.requests.memory'));
      cpu += count * quantity(at(container, 'resources.requests.cpu'));
    }
  }
  // K3s with what it brings takes some 1.1 GB and asks for 0.2 of a core.
  t.ok(memory < 0.8 * 2 ** 30, `memory ${memory / 2 ** 20} Mi`);
  t.ok(cpu < 0.7, `cpu ${cpu}`);
  const affinity = tableAt(
    named(await manifests('deploy/k3s'), 'Deployment', 'chat-server'),
    'spec.template.spec.affinity.podAntiAffinity',
  );
  t.strictSame(Object.keys(affinity), ['preferredDuringSchedulingIgnoredDuringExecution']);
});

t.test('a server is given the time to close its sockets, and hears of nothing new meanwhile', async (t) => {
  const objects = await manifests('deploy/k3s');
  const server = named(objects, 'Deployment', 'chat-server');
  const container = 'spec.template.spec.containers.0';
  const config = Object.fromEntries(
    (await read('deploy/k3s/config.env')).split('\n').map((line) => line.split('=')),
  );
  const [command, pause] = listAt(server, `${container}.lifecycle.preStop.exec.command`);
  t.equal(command, 'sleep');
  const grace = Number(at(server, 'spec.template.spec.terminationGracePeriodSeconds'));
  t.ok(grace > Number(pause) + Number(config.SHUTDOWN_SECONDS), 'SIGKILL comes after the server ends itself');
  t.ok(Number(config.SHUTDOWN_SECONDS) > Number(config.DRAIN_SECONDS));
  t.equal(at(server, 'spec.replicas'), 2);
  t.strictSame(at(server, 'spec.strategy.rollingUpdate'), { maxSurge: 1, maxUnavailable: 0 });
  t.equal(at(server, `${container}.startupProbe.httpGet.path`), '/healthz');
  t.equal(at(server, `${container}.livenessProbe.httpGet.path`), '/healthz');
  t.equal(at(server, `${container}.readinessProbe.httpGet.path`), '/readyz');
  const [instance] = listAt(server, `${container}.env`);
  t.strictSame(instance, {
    name: 'INSTANCE_ID',
    valueFrom: { fieldRef: { fieldPath: 'metadata.name' } },
  });
  t.equal(at(named(objects, 'PodDisruptionBudget', 'chat-server'), 'spec.maxUnavailable'), 1);
});

t.test('the ingress shows the service and not its measurements', async (t) => {
  const ingress = named(await manifests('deploy/k3s'), 'Ingress', 'chat-server');
  const paths = listAt(ingress, 'spec.rules.0.http.paths').map((path) => ({
    [String(at(path, 'path'))]: at(path, 'backend.service.name'),
  }));
  t.strictSame(Object.assign({}, ...paths), {
    '/ws': 'chat-server',
    '/register': 'chat-server',
    '/login': 'chat-server',
    '/api': 'chat-server',
    '/healthz': 'chat-server',
    '/': 'chat-web',
  });
});

t.test('every selector finds its pods, and every policy port is a port of theirs', async (t) => {
  const objects = await manifests('deploy/k3s');
  const deployments = objects.filter(({ kind }) => kind === 'Deployment');
  const portsOf = (app: unknown) =>
    deployments
      .filter((object) => at(object, 'spec.template.metadata.labels.app') === app)
      .flatMap((object) => listAt(object, 'spec.template.spec.containers.0.ports'))
      .map((port) => at(port, 'name'));
  for (const object of deployments) {
    t.strictSame(at(object, 'spec.selector.matchLabels'), at(object, 'spec.template.metadata.labels'));
  }
  for (const service of objects.filter(({ kind }) => kind === 'Service')) {
    t.ok(portsOf(at(service, 'spec.selector.app')).includes(at(service, 'spec.ports.0.targetPort')));
  }
  for (const policy of objects.filter(({ kind }) => kind === 'NetworkPolicy')) {
    const apps =
      at(policy, 'spec.podSelector.matchLabels.app') ??
      at(policy, 'spec.podSelector.matchExpressions.0.values');
    const port = at(policy, 'spec.ingress.0.ports.0.port');
    for (const app of [apps ?? []].flat())
      t.ok(portsOf(app).includes(port ?? portsOf(app)[0]), `${app} ${port}`);
  }
});

t.test('autoscaling leaves the number of servers to the autoscaler, and never fewer than two', async (t) => {
  const objects = await manifests('deploy/k3s-autoscale');
  const scaler = named(objects, 'HorizontalPodAutoscaler', 'chat-server');
  t.equal(at(scaler, 'spec.minReplicas'), 2);
  t.equal(at(named(objects, 'Deployment', 'chat-server'), 'spec.replicas'), undefined);
});
