import { readdir, readFile } from 'node:fs/promises';
import Fastify, { type FastifyPluginAsync } from 'fastify';
import fp from 'fastify-plugin';
import t from 'tap';

interface Meta {
  name?: string;
  dependencies?: string[];
}

const META = Symbol.for('plugin-meta');
const metaOf = (plugin: object) => Reflect.get(plugin, META) as Meta | undefined;

/** Every file of a folder that has a plugin, by its name without the ending. */
async function pluginsIn(folder: string): Promise<Map<string, FastifyPluginAsync>> {
  const url = new URL(`../${folder}/`, import.meta.url);
  const files = (await readdir(url)).filter((file) => file.endsWith('.ts') && !file.endsWith('-worker.ts'));
  const plugins = new Map<string, FastifyPluginAsync>();
  for (const file of files) {
    const { default: plugin } = await import(new URL(file, url).href);
    if (typeof plugin === 'function') plugins.set(file.slice(0, -'.ts'.length), plugin);
  }
  return plugins;
}

const plugins = await pluginsIn('plugins');
const { default: wsRoutes } = await import('../routes/ws/index.js');
const withRoutes = new Map([...plugins, ['routes-ws', wsRoutes as FastifyPluginAsync]]);

/** Something of a name that does nothing. */
const standIn = (name: string) => fp(async () => {}, { name });

t.test('a plugin is named as its file', async (t) => {
  for (const [file, plugin] of plugins) t.equal(metaOf(plugin)?.name, file);
  t.ok(plugins.size >= 11);
});

t.test('a plugin depends on plugins that there are', async (t) => {
  for (const [file, plugin] of withRoutes)
    for (const name of metaOf(plugin)?.dependencies ?? []) t.ok(plugins.has(name), `${file} needs ${name}`);
});

t.test('Fastify refuses to boot a plugin when any one of its dependencies is missing', async (t) => {
  for (const [file, plugin] of withRoutes) {
    const needed = metaOf(plugin)?.dependencies ?? [];
    for (const missing of needed) {
      const app = Fastify();
      for (const name of needed) if (name !== missing) app.register(standIn(name));
      app.register(plugin);
      await t.rejects(
        async () => app.ready(),
        { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' },
        `${file} without ${missing}`,
      );
    }
  }
});

t.test('a plugin uses nothing of the instance that another makes and it does not name', async (t) => {
  const decorated = new Map<string, string>();
  const sources = new Map<string, string>();
  for (const file of plugins.keys()) {
    const source = await readFile(new URL(`../plugins/${file}.ts`, import.meta.url), 'utf8');
    sources.set(file, source);
    for (const [, name = ''] of source.matchAll(/app\.decorate\('(\w+)'/g)) decorated.set(name, file);
  }
  t.ok(decorated.size >= 8);
  const reach = (file: string): Set<string> => {
    const plugin = plugins.get(file);
    const own = (plugin && metaOf(plugin)?.dependencies) ?? [];
    return new Set([file, ...own.flatMap((name) => [...reach(name)])]);
  };
  for (const [file, source] of sources) {
    const used = new Set([...source.matchAll(/\bapp\.(\w+)/g)].map(([, name = '']) => name));
    for (const [, names = ''] of source.matchAll(/const \{([^}]*)\} = app;/g))
      for (const name of names.split(',')) used.add(name.trim().split(':')[0] ?? '');
    for (const name of used) {
      const maker = decorated.get(name);
      if (maker !== undefined) t.ok(reach(file).has(maker), `${file} uses ${name} of ${maker}`);
    }
  }
});
