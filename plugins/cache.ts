/** A bounded map that forgets what wasn't asked for lately: two generations, and the older one goes at once. */
export class Cache<K, V> {
  private young = new Map<K, V>();
  private old = new Map<K, V>();
  private born = Date.now();

  /**
   * @param size entries of one generation
   * @param ageMs milliseconds after which a generation grows old even when it isn't full
   */
  constructor(
    private readonly size: number,
    private readonly ageMs = Number.POSITIVE_INFINITY,
  ) {}

  get(key: K): V | undefined {
    const value = this.young.get(key);
    if (value !== undefined) return value;
    const older = this.old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: K, value: V): void {
    if (this.young.size >= this.size || Date.now() - this.born > this.ageMs) {
      this.old = this.young;
      this.young = new Map();
      this.born = Date.now();
    }
    this.young.set(key, value);
  }

  clear(): void {
    this.young = new Map();
    this.old = new Map();
  }
}
