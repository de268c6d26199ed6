/** The little of PostgreSQL's wire protocol that stands between the client and the embedded engine. */

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Both parts in one; the second itself where the first is empty. */
export function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Each complete message in the bytes: its type, the start of its body and its end. Nonsense counts as a goodbye. */
function* messages(bytes: Uint8Array): Generator<{ type: string; body: number; end: number }> {
  const data = view(bytes);
  for (let start = 0; start + 5 <= bytes.length; ) {
    const length = data.getInt32(start + 1);
    const end = start + 1 + length;
    if (length < 4) return yield { type: 'X', body: end, end };
    if (end > bytes.length) return;
    yield { type: String.fromCharCode(bytes[start] ?? 0), body: start + 5, end };
    start = end;
  }
}

/**
 * How far the bytes can be given to the engine in one call: up to the last message that it answers (Query, Sync,
 * Flush, FunctionCall), for it takes the end of its input for the end of the client; and whether the client
 * says goodbye.
 */
export function complete(bytes: Uint8Array): { end: number; goodbye: boolean } {
  let upTo = 0;
  for (const { type, end } of messages(bytes)) {
    if (type === 'X') return { end: upTo, goodbye: true };
    if (type === 'Q' || type === 'S' || type === 'H' || type === 'F') upTo = end;
  }
  return { end: upTo, goodbye: false };
}

/** The transaction status at the end of an answer: `I`dle, in a `T`ransaction, an `E`rror in one; '' if it goes on. */
export function status(answer: Uint8Array): string {
  const at = answer.length - 6;
  const over = at >= 0 && answer[at] === 0x5a && view(answer).getInt32(at + 1) === 5;
  return over ? String.fromCharCode(answer[at + 5] ?? 0) : '';
}

function message(type: string, body: string): Uint8Array<ArrayBuffer> {
  const content = encoder.encode(`${body}\0`);
  const bytes = new Uint8Array(5 + content.length);
  bytes[0] = type.charCodeAt(0);
  view(bytes).setInt32(1, 4 + content.length);
  bytes.set(content, 5);
  return bytes;
}

/** A statement in the simple protocol. */
export const query = (sql: string) => message('Q', sql);
/** The end of an extended exchange: whatever went wrong in it is over. */
export const sync = () => Uint8Array.of(0x53, 0, 0, 0, 4);
/** The error that ends a connection before it begins. */
export const refusal = (code: string, sentence: string) =>
  message('E', `SFATAL\0VFATAL\0C${code}\0M${sentence}\0`);

/** The rows of an answer whose rows have one column of text. */
export function column(answer: Uint8Array): string[] {
  const rows: string[] = [];
  for (const { type, body, end } of messages(answer)) {
    if (type === 'D') rows.push(decoder.decode(answer.subarray(body + 6, end)));
  }
  return rows;
}

/** A first packet: how long it is, what it asks for and, at a start-up, its settings (undefined: not all there). */
export function startup(bytes: Uint8Array) {
  if (bytes.length < 8) return undefined;
  const length = view(bytes).getInt32(0);
  if (bytes.length < length) return undefined;
  const code = view(bytes).getInt32(4);
  const words = decoder.decode(bytes.subarray(8, length)).split('\0');
  const settings = new Map<string, string>();
  for (let i = 0; words[i]; i += 2) settings.set(words[i] ?? '', words[i + 1] ?? '');
  const encrypt = code === 80877103 || code === 80877104;
  const kind = length < 8 ? 'other' : encrypt ? 'encrypt' : code >> 16 === 3 ? 'start' : 'other';
  return { length, kind, settings };
}
