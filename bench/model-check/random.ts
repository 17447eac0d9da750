import { hashText, seededRandom } from '../../dev/replicate/random.ts';

/** Choices that repeat for the same seed and name. */
export class Dice {
  private readonly next: () => number;

  constructor(seed: number, name: string) {
    this.next = seededRandom(hashText(`${seed} ${name}`));
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  any<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** One of the names, each as often as its weight says. */
  weighted<K extends string>(weights: Record<K, number>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) {
      left -= weight;
      if (left < 0) return name;
    }
    return entries[0]?.[0] as K;
  }
}
