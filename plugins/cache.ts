/** A bounded map that forgets what wasn't asked for lately: two generations, and the older one goes at once. */
export class Cache<K, V> {
  private young = new Map<K, V>();
  private old = new Map<K, V>();
  private youngBytes = 0;
  private oldBytes = 0;
  private born = Date.now();

  /**
   * @param bounds of one generation: entries; milliseconds after which it grows old even when it isn't full; bytes, by `weigh`
   * @param weigh about how many bytes a value keeps in memory
   */
  constructor(
    private readonly bounds: { entries: number; ageMs?: number; bytes?: number },
    private readonly weigh: (value: V) => number = () => 0,
  ) {}

  /** Bytes of all values, by `weigh`. */
  get bytes(): number {
    return this.youngBytes + this.oldBytes;
  }

  get(key: K): V | undefined {
    const value = this.young.get(key);
    if (value !== undefined) return value;
    const older = this.old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: K, value: V): void {
    const { entries, ageMs = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY } = this.bounds;
    const full = this.young.size >= entries || this.youngBytes >= bytes;
    if (full || Date.now() - this.born > ageMs) {
      this.old = this.young;
      this.oldBytes = this.youngBytes;
      this.young = new Map();
      this.youngBytes = 0;
      this.born = Date.now();
    }
    const before = this.young.get(key);
    this.youngBytes += this.weigh(value) - (before === undefined ? 0 : this.weigh(before));
    this.young.set(key, value);
  }

  delete(key: K): void {
    const [young, old] = [this.young.get(key), this.old.get(key)];
    this.youngBytes -= young === undefined ? 0 : this.weigh(young);
    this.oldBytes -= old === undefined ? 0 : this.weigh(old);
    this.young.delete(key);
    this.old.delete(key);
  }
}
