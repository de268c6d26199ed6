import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import staticFiles from '@fastify/static';
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyInstance {
    ui: { version: string | undefined };
  }
}

interface UiOptions {
  /** The folder that the client's build made. Where it is missing there is no page, and everything else works. */
  root?: string;
}

/** The same folder, whether this file runs from `plugins/` or from `dist/plugins/`. */
function built(): string {
  const above = join(import.meta.dirname, '..');
  return basename(above) === 'dist' ? join(above, 'static') : join(above, 'dist/static');
}

/** Scripts, styles and connections from here alone; nothing inline, no frame around it, no form to elsewhere. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

const year = 'public, max-age=31536000, immutable';
/** Kept, but asked about each time: these names stay while what is behind them changes. */
const ask = 'no-cache';
const day = 'public, max-age=86400';

type Coding = 'br' | 'gzip' | 'identity';
const CODINGS: Coding[] = ['br', 'gzip', 'identity'];

/** A file as it is answered: with its type, its length, its tag. */
interface Answer {
  headers: Record<string, string>;
  body: Buffer;
}

/**
 * Every file of a folder in every coding that it is there in, read once: what is asked for later opens no file, and all of it is
 * of one build. Types, tags and variants are the file library's, asked on an instance that nobody else reaches.
 * @returns the answers by path below the folder
 */
async function filesOf(root: string): Promise<Map<string, Record<Coding, Answer>>> {
  const files = new Map<string, Record<Coding, Answer>>();
  const reader = Fastify();
  await reader.register(staticFiles, {
    root,
    preCompressed: true,
    cacheControl: false,
    acceptRanges: false,
    index: false,
  });
  const read = async (path: string, coding: Coding): Promise<Answer> => {
    const answer = await reader.inject({ url: `/${path}`, headers: { 'accept-encoding': coding } });
    const headers = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
    const { date, connection, ...kept } = Object.fromEntries(headers);
    return { headers: kept, body: answer.rawPayload };
  };
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /\.(br|gz)$/.test(entry.name)) continue;
    const path = relative(root, join(entry.parentPath, entry.name)).split(sep).join('/');
    const identity = await read(path, 'identity');
    const [br, gzip] = [await read(path, 'br'), await read(path, 'gzip')];
    files.set(path, {
      br: br.headers['content-encoding'] === 'br' ? br : identity,
      gzip: gzip.headers['content-encoding'] === 'gzip' ? gzip : identity,
      identity,
    });
  }
  await reader.close();
  return files;
}

/** The coding to answer in, by an `Accept-Encoding` header. */
function codingFor(header: string | undefined): Coding {
  const accepted = (header ?? '').split(',').flatMap((item) => {
    const [name = '', weight = '1'] = item
      .trim()
      .toLowerCase()
      .split(/\s*;\s*q=/);
    return Number(weight) > 0 ? [name] : [];
  });
  return CODINGS.find((coding) => accepted.includes(coding) || accepted.includes('*')) ?? 'identity';
}

/** Whether the client has this already (RFC 9110, 13.1.2). */
function isKnown(header: string | undefined, tag: string | undefined): boolean {
  const strong = (text: string) => text.trim().replace(/^W\//, '');
  if (header === undefined || tag === undefined) return false;
  return header.trim() === '*' || header.split(',').some((item) => strong(item) === strong(tag));
}

/**
 * The web client. Each of its paths is a route of its own, rather than one that takes everything: an unknown path and
 * a wrong method stay what they are elsewhere.
 */
export default fp<UiOptions>(
  async (app, { root = built() }) => {
    app.decorate('ui', { version: await readFile(join(root, 'version'), 'utf8').catch(() => undefined) });
    const files = existsSync(root) ? await filesOf(root) : new Map<string, Record<Coding, Answer>>();

    const send = (
      request: FastifyRequest,
      reply: FastifyReply,
      file: string,
      extra: Record<string, string>,
    ) => {
      const answer = files.get(file)?.[codingFor(request.headers['accept-encoding'])];
      if (answer === undefined) return reply.callNotFound();
      const { 'content-type': type = '', 'content-length': length = '', ...headers } = answer.headers;
      reply.headers({
        ...headers,
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
        ...extra,
      });
      if (isKnown(request.headers['if-none-match'], headers.etag)) return reply.code(304).send();
      return reply.headers({ 'content-type': type, 'content-length': length }).send(answer.body);
    };
    const hidden = { schema: { hide: true } };
    const one = (url: string, file: string, headers: Record<string, string>) =>
      app.get(url, hidden, (request, reply) => send(request, reply, file, headers));
    const folder = (name: string, caching: string) =>
      app.get<{ Params: { file: string } }>(`/${name}/:file`, hidden, (request, reply) =>
        send(request, reply, `${name}/${request.params.file}`, { 'cache-control': caching }),
      );

    const page = { 'cache-control': ask, 'content-security-policy': policy };
    one('/', 'index.html', page);
    one('/index.html', 'index.html', page);
    one('/sw.js', 'sw.js', { 'cache-control': ask });
    one('/manifest.webmanifest', 'manifest.webmanifest', { 'cache-control': day });
    folder('assets', year);
    folder('icons', day);
  },
  { name: 'ui', dependencies: ['errors'] },
);
