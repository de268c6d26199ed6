import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import staticFiles from '@fastify/static';
import type { FastifyReply } from 'fastify';
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

/**
 * The web client. Each of its paths is a route of its own, rather than one that takes everything: an unknown path and
 * a wrong method stay what they are elsewhere.
 */
export default fp<UiOptions>(
  async (app, { root = built() }) => {
    app.decorate('ui', { version: await readFile(join(root, 'version'), 'utf8').catch(() => undefined) });
    await app.register(staticFiles, {
      root,
      serve: false,
      preCompressed: true,
      cacheControl: false,
      dotfiles: 'ignore',
      suppressWarning: true,
    });

    const send = (reply: FastifyReply, file: string, headers: Record<string, string>) => {
      const answer = reply.headers({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
      });
      // An unknown file is not to be remembered for a year: what is said of files waits until there is one.
      return answer.sendFile(file, { onFile: () => void reply.headers(headers) });
    };
    const hidden = { schema: { hide: true } };
    const one = (url: string, file: string, headers: Record<string, string>) =>
      app.get(url, hidden, (_request, reply) => send(reply, file, headers));
    const folder = (name: string, caching: string) =>
      app.get<{ Params: { file: string } }>(`/${name}/:file`, hidden, (request, reply) => {
        const { file } = request.params;
        if (!/^[\w-][\w.-]*$/.test(file)) return reply.callNotFound();
        return send(reply, `${name}/${file}`, { 'cache-control': caching });
      });

    const page = { 'cache-control': ask, 'content-security-policy': policy };
    one('/', 'index.html', page);
    one('/index.html', 'index.html', page);
    one('/sw.js', 'sw.js', { 'cache-control': ask });
    one('/manifest.webmanifest', 'manifest.webmanifest', { 'cache-control': day });
    folder('assets', year);
    folder('icons', day);
  },
  { name: 'ui' },
);
