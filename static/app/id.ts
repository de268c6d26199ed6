/** A random id that works on plain HTTP too, where `crypto.randomUUID` is missing. */
export function randomId(): string {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(random, (byte) => byte.toString(36).padStart(2, '0')).join('');
}
