/** Sends mutated requests and frames, and looks at what comes back. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, random } from './fault/random.js';
import { badFrames, badRequest, type Speaker } from './mutate.js';
import { HANDSHAKE, rawRequest } from './raw.js';

/** Milliseconds of silence after which what was sent is taken for unfinished. */
const QUIET_MS = 60;
/** Milliseconds that a client which stalls reads nothing. */
const STALL_MS = 300;
/** Milliseconds after which a connection that the client has ended must be over. */
const PATIENCE_MS = 20_000;

export interface FuzzReport {
  rounds: number;
  /** How often each status and each close code was answered, and each ending was made. */
  answers: Map<string, number>;
  /** What must not be: the round, what happened, and what was sent. */
  problems: string[];
}

export interface FuzzOptions {
  port: number;
  seed: number;
  /** Each speaks on one connection at a time. */
  speakers: readonly Speaker[];
  /** The first round, for repeating one. */
  first?: number;
  /** Whether there is to be another round after these. */
  goesOn(rounds: number): boolean;
}

/** How a client ends its connection. */
interface Ending {
  /** The rest is said and heard first, or it isn't. */
  how: 'politely' | 'resets' | 'cuts' | 'half-closes' | 'stalls, then cuts';
  /** Milliseconds after the connection stands. */
  after: number;
}

interface Heard {
  received: Buffer;
  /** The server ended the connection, or the client didn't wait for that; what came is cut off then. */
  over: 'ended' | 'left' | 'held';
}

/** Sends bytes and gives what comes back until the connection is over. */
function talk(port: number, parts: readonly Buffer[], { how, after }: Ending): Promise<Heard> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const chunks: Buffer[] = [];
    let quiet: NodeJS.Timeout | undefined;
    let leaving: NodeJS.Timeout | undefined;
    const done = (over: Heard['over'], end = () => socket.destroy()) => {
      for (const timer of [quiet, leaving, late]) clearTimeout(timer);
      end();
      resolve({ received: Buffer.concat(chunks), over });
    };
    const late = setTimeout(done, PATIENCE_MS, 'held');
    const endings = {
      politely: () => {},
      resets: () => done('left', () => socket.resetAndDestroy()),
      cuts: () => done('left'),
      'half-closes': () => socket.end(),
      'stalls, then cuts': () => {
        socket.pause();
        leaving = setTimeout(done, STALL_MS, 'left');
      },
    };
    const wait = () => {
      clearTimeout(quiet);
      quiet = setTimeout(() => how === 'politely' && socket.end(), QUIET_MS);
    };
    socket.on('connect', async () => {
      leaving = setTimeout(endings[how], after);
      for (const part of parts) {
        if (!socket.writable) break;
        socket.write(part);
        await sleep(1);
      }
      wait();
    });
    socket.on('data', (data) => {
      chunks.push(data);
      wait();
    });
    socket.on('end', () => done('ended'));
    socket.on('error', () => done('ended'));
    socket.on('close', () => done('ended'));
  });
}

/** What follows a body in pieces (RFC 9112, 7.1), or an answer to HEAD, which has none; undefined where it is cut off. */
function afterChunks(body: Buffer): Buffer | undefined {
  if (body.length === 0 || body.subarray(0, 5).toString('latin1') === 'HTTP/') return body;
  for (let at = 0; ; ) {
    const end = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.subarray(at, Math.max(end, at)).toString('latin1'), 16);
    if (end < 0 || Number.isNaN(size)) return undefined;
    at = end + 2 + size + 2;
    if (at > body.length) return undefined;
    if (size === 0) return body.subarray(at);
  }
}

/** The answers in what an HTTP server wrote, the last one perhaps cut off. @throws Error for what is none */
function answersIn({ received, over }: Heard): { statuses: number[]; rest: Buffer } {
  const statuses: number[] = [];
  let rest = received;
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0 && over === 'left') break;
    const head = rest.subarray(0, end < 0 ? rest.length : end).toString('latin1');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    if (end < 0 || Number.isNaN(status)) throw new Error(`no HTTP answer: ${head.slice(0, 200)}`);
    rest = rest.subarray(end + 4);
    if (status === 100) continue;
    statuses.push(status);
    // Who is told to come back later was understood.
    if (status >= 500 && !/^retry-after: \d+$/im.test(head)) throw new Error(`answered with ${status}`);
    if (status === 101) break;
    // A file that is written as it is read, in pieces.
    if (/^transfer-encoding: chunked$/im.test(head)) {
      const after = afterChunks(rest);
      if (after === undefined && over === 'left') break;
      if (after === undefined) throw new Error(`an answer that ends in the middle: ${head}`);
      rest = after;
      continue;
    }
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1]);
    // The answer to HEAD has a length and no body.
    if (Number.isNaN(length) || /^HTTP\/1\.1 \d{3} [^{]*$/.test(rest.subarray(0, length).toString('latin1')))
      continue;
    if (rest.length < length && over === 'left') break;
    const body = rest.subarray(0, length);
    rest = rest.subarray(length);
    if (body.length === 0 || !/^content-type: application\/json/im.test(head)) continue;
    const { code, message } = JSON.parse(body.toString());
    if (code !== (status === 200 ? 0 : status) || typeof message !== 'string')
      throw new Error(`no envelope: ${body.toString().slice(0, 200)}`);
  }
  return { statuses, rest };
}

/** The frames in what a WebSocket server wrote, each as a word: the type of a text, the code of a close. @throws Error for what must not be */
function framesIn(received: Buffer): string[] {
  const words: string[] = [];
  let rest = received;
  while (rest.length >= 2) {
    const [first = 0, second = 0] = rest;
    const head = second < 126 ? 2 : second === 126 ? 4 : 10;
    if (rest.length < head) break;
    const length = head === 2 ? second : head === 4 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    if (rest.length < head + length) break;
    const payload = rest.subarray(head, head + length);
    rest = rest.subarray(head + length);
    if (first === 0x81) {
      const frame = JSON.parse(payload.toString());
      if (frame.code === 'internal' || frame.content === 'internal error')
        throw new Error('an internal error');
      words.push(String(frame.type));
    } else if (first === 0x88) {
      const code = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
      if (code === 1011 || code === 1006) throw new Error(`closed with ${code}`);
      words.push(String(code));
    } else if (first !== 0x89 && first !== 0x8a) throw new Error(`a frame that begins with ${first}`);
  }
  return words;
}

/** One round: what is sent, and what must hold of the answer. */
function plan(draw: Random, speaker: Speaker): Buffer[] {
  if (draw.chance(0.6)) {
    const bytes = badRequest(draw, speaker);
    const at = draw.int(0, bytes.length);
    return draw.chance(0.3) ? [bytes.subarray(0, at), bytes.subarray(at)] : [bytes];
  }
  const headers = {
    ...HANDSHAKE,
    Authorization: `Bearer ${speaker.token}`,
    ...(draw.chance(0.6) && { 'Sec-WebSocket-Protocol': 'chat.v2' }),
  };
  const handshake = rawRequest('GET', '/ws', { headers });
  const frames = badFrames(draw, speaker);
  return draw.chance(0.3) ? [Buffer.concat([handshake, frames])] : [handshake, frames];
}

/** Half of the clients are polite; the others are not, at a moment when the answer may be under way. */
function ending(draw: Random): Ending {
  const how = draw.pick(['resets', 'cuts', 'half-closes', 'stalls, then cuts'] as const);
  return { how: draw.chance(0.5) ? 'politely' : how, after: draw.int(0, 30) };
}

/** Fuzzes until it is told to stop. Every round draws from its own stream, so any of them can be repeated alone. */
export async function fuzz({ port, seed, speakers, first = 0, goesOn }: FuzzOptions): Promise<FuzzReport> {
  const report: FuzzReport = { rounds: 0, answers: new Map(), problems: [] };
  const count = (word: string) => report.answers.set(word, (report.answers.get(word) ?? 0) + 1);
  await Promise.all(
    speakers.map(async (speaker) => {
      while (goesOn(report.rounds) && report.problems.length < 20) {
        const round = first + report.rounds++;
        const draw = random(seed).fork(`round ${round}`);
        const parts = plan(draw, speaker);
        const how = ending(draw);
        const heard = await talk(port, parts, how);
        count(how.how);
        try {
          if (heard.over === 'held') throw new Error('the connection did not end');
          const { statuses, rest } = answersIn(heard);
          for (const status of statuses) count(String(status));
          if (statuses.at(-1) === 101) for (const word of framesIn(rest)) count(word);
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          const sent = Buffer.concat(parts).toString('latin1').slice(0, 1500);
          report.problems.push(
            `round ${round} of seed ${seed}, ${how.how}: ${why}\n  sent ${JSON.stringify(sent)}`,
          );
        }
      }
    }),
  );
  return report;
}
