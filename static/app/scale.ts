/** Higher than this no element is made: browsers end at some 33 (Chromium, Safari) and 17 (Firefox) million pixels. */
export const tallest = 8_000_000;
/** So far from either end a pixel scrolled is a pixel, so that the ends are reached as in a short list. */
const edge = 1_000_000;
/** So near to an end the place is set right: what was scrolled by hand has drifted from where the scrollbar would put it. */
const near = 20_000;

/**
 * Where a place in a very long list stands in an element that is not as long. Places are distances from the top of the
 * list, `total` is its height, all in pixels. Scrolled by hand both move alike, from wherever one is; a jump of the
 * scrollbar goes to the same part of the list. Of a list that fits both are the same.
 */
export class Scale {
  /** Place in the list minus place in the element, for what is near. */
  base = 0;
  #total = 0;

  get height(): number {
    return Math.min(this.#total, tallest);
  }

  resize(total: number): void {
    this.#total = total;
    if (total <= tallest) this.base = 0;
  }

  /** Where in the element a place of the list is best shown. */
  #ideal(place: number): number {
    const { total, spare } = this.#parts();
    if (total <= tallest || place <= edge) return place;
    if (place >= total - edge) return place - total + tallest;
    return edge + ((place - edge) * (tallest - 2 * edge)) / spare;
  }

  #inverse(top: number): number {
    const { total, spare } = this.#parts();
    if (total <= tallest || top <= edge) return top;
    if (top >= tallest - edge) return top - tallest + total;
    return edge + ((top - edge) * spare) / (tallest - 2 * edge);
  }

  #parts() {
    return { total: this.#total, spare: this.#total - 2 * edge };
  }

  /** Chooses where a place is shown; returns its top in the element. */
  show(place: number): number {
    const top = this.#ideal(place);
    this.base = place - top;
    return top;
  }

  /** The same, where it stays as near as it is, if it can. */
  keep(place: number): number {
    const top = place - this.base;
    const atEnd = Math.min(top, place) < near || Math.max(top - tallest, place - this.#total) > -near;
    return atEnd ? this.show(place) : top;
  }

  /** The place in the list after the element was scrolled to `top`; `far` where nobody scrolls by hand. */
  place(top: number, far: boolean): number {
    if (far && this.#total > tallest) this.base = this.#inverse(top) - top;
    return Math.max(0, Math.min(top + this.base, this.#total));
  }
}
