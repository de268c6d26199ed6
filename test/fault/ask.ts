/** What is asked over HTTP, as a good client asks through faults. */
import { now, sleep } from './clock.js';
import { Frame } from './frame.js';
import type { Door } from './link.js';
import type { Random } from './random.js';

const timeout = 10_000;
/** How long somebody goes on asking. */
const patience = 60_000;
const later = [200, 800] as const;

export interface Question {
  method?: 'GET' | 'POST' | 'DELETE' | 'PATCH' | 'PUT';
  path: string;
  token: string;
  body?: object;
}

/** What came back; without a status nothing did, and what was asked may be done or not. */
interface Reply {
  status: number | undefined;
  /** The stable name of an error. */
  error: string;
  data: Frame | undefined;
  /** What a refusal shows of how things are. */
  shown?: Frame;
}

/** Asks once. */
async function ask({ port }: Door, question: Question): Promise<Reply> {
  const { method = 'GET', path, token, body } = question;
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        // None is left over that a fault may have broken, nor when all ends.
        connection: 'close',
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeout),
    });
    const envelope = Frame.parse(await answer.text());
    const { status } = answer;
    if (answer.ok) return { status, error: '', data: envelope.object('data') };
    const shown = envelope.has('data') && !envelope.isNull('data') ? { shown: envelope.object('data') } : {};
    return { status, error: envelope.has('error') ? envelope.text('error') : '', data: undefined, ...shown };
  } catch (error) {
    return { status: undefined, error: String(error), data: undefined };
  }
}

/** Whether the same may be answered otherwise later, or elsewhere. */
const mayPass = (status: number | undefined) => status === undefined || status === 429 || status >= 500;

/** What became of a question that was asked until it had an answer. */
export interface Settled extends Reply {
  /** An attempt before the last one was left without an answer that says what it came to. */
  inDoubt: boolean;
}

/**
 * Asks at one door after the other until somebody answers for good.
 * @param tries is called before each attempt
 * @throws Error after a minute
 */
export async function askOn(
  doors: readonly Door[],
  random: Random,
  question: Question,
  tries = () => {},
): Promise<Settled> {
  const end = now() + patience;
  for (let inDoubt = false; ; ) {
    tries();
    const reply = await ask(random.pick(doors), question);
    if (!mayPass(reply.status)) return { ...reply, inDoubt };
    if (now() > end)
      throw new Error(`${question.path} was answered ${reply.status} ${reply.error} to the end`);
    // Only what is asked too often is surely not done.
    if (reply.status !== 429) inDoubt = true;
    await sleep(random.int(...later));
  }
}
