/**
 * Heights of a long list's rows, most of them only estimated: what stands above a row, and which row stands at a
 * place, in O(log n). A Fenwick tree over the differences from the estimate, so that 50,000 rows cost nothing to begin.
 */
export class Heights {
  readonly estimate: number;
  #count: number;
  #tree: Float64Array;
  #known: Float32Array;

  constructor(count: number, estimate: number) {
    this.estimate = estimate;
    this.#count = count;
    const size = 2 ** Math.ceil(Math.log2(Math.max(count, 64) + 1));
    this.#tree = new Float64Array(size + 1);
    this.#known = new Float32Array(size);
  }

  get count(): number {
    return this.#count;
  }

  get total(): number {
    return this.offset(this.#count);
  }

  /** Rows come and go at the end. */
  resize(count: number): void {
    for (let index = count; index < this.#count; index++) this.set(index, this.estimate);
    if (count > this.#known.length) this.#grow(count);
    this.#count = count;
  }

  /** Returns by how much the row changed. */
  set(index: number, height: number): number {
    const change = height - this.estimate - (this.#known[index] ?? 0);
    if (Math.abs(change) < 0.01) return 0;
    this.#known[index] = height - this.estimate;
    for (let node = index + 1; node < this.#tree.length; node += node & -node) {
      this.#tree[node] = (this.#tree[node] ?? 0) + change;
    }
    return change;
  }

  /** Height of all rows before this one. */
  offset(index: number): number {
    let sum = index * this.estimate;
    for (let node = index; node > 0; node -= node & -node) sum += this.#tree[node] ?? 0;
    return sum;
  }

  /** The row at a distance from the top. */
  find(y: number): number {
    let row = 0;
    let rest = y;
    for (let step = this.#known.length; step > 0; step >>= 1) {
      const height = step * this.estimate + (this.#tree[row + step] ?? 0);
      if (row + step > this.#count || height > rest) continue;
      row += step;
      rest -= height;
    }
    return Math.max(0, Math.min(row, this.#count - 1));
  }

  #grow(count: number): void {
    const old = this.#known;
    const size = 2 ** Math.ceil(Math.log2(count * 2));
    this.#known = new Float32Array(size);
    this.#tree = new Float64Array(size + 1);
    for (const [index, known] of old.entries()) if (known !== 0) this.set(index, known + this.estimate);
  }
}
