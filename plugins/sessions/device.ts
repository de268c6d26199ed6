import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Bytes of a session's name and of a device's secret. */
const SID_BYTES = 16;
const SECRET_BYTES = 32;

export const newSid = (): string => randomBytes(SID_BYTES).toString('base64url');

/** What a device shows to be given tokens: it is in a cookie, which scripts can't read. */
export interface Device {
  sid: string;
  secret: string;
}

export const newSecret = (): string => randomBytes(SECRET_BYTES).toString('base64url');

export const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest();

/**
 * The secret that follows one. Whoever shows the same secret is given the same next one, by every replica: so tabs that ask at once
 * can't take it from each other, and an answer that gets lost can be given again.
 * @param key the secret that signs tokens
 */
export const nextOf = (key: string, { sid, secret }: Device): string =>
  createHmac('sha256', key).update(`device ${sid} ${secret}`).digest('base64url');

/** Cookies of a device: their name carries the installation, since cookies know no port. */
export class DeviceCookie {
  private readonly name: string;

  /** @param epoch names the installation */
  constructor(epoch: string) {
    this.name = `chat-device-${createHash('sha256').update(epoch).digest('hex').slice(0, 12)}`;
  }

  /** By https a page of another host can't put one of ours in. */
  private nameFor(request: FastifyRequest): string {
    return request.protocol === 'https' ? `__Host-${this.name}` : this.name;
  }

  /** What a request shows; undefined for nothing. */
  read(request: FastifyRequest): Device | undefined {
    const { cookies } = request;
    const [, sid, secret] = /^([\w-]{22})\.([\w-]{43})$/.exec(cookies[this.nameFor(request)] ?? '') ?? [];
    return sid === undefined || secret === undefined ? undefined : { sid, secret };
  }

  /** @param days that the browser keeps it; undefined for as long as it is open */
  write(
    request: FastifyRequest,
    reply: FastifyReply,
    { sid, secret }: Device,
    days: number | undefined,
  ): void {
    this.set(request, reply, `${sid}.${secret}`, days === undefined ? undefined : days * 86_400);
  }

  clear(request: FastifyRequest, reply: FastifyReply): void {
    this.set(request, reply, '', 0);
  }

  private set(request: FastifyRequest, reply: FastifyReply, value: string, maxAge: number | undefined) {
    const options = {
      path: '/',
      httpOnly: true,
      sameSite: 'strict',
      secure: request.protocol === 'https',
    } as const;
    void reply.setCookie(
      this.nameFor(request),
      value,
      maxAge === undefined ? options : { ...options, maxAge },
    );
  }
}
