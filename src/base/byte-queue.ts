/**
 * A queue between one producer and one consumer, bounded by bytes. Policy when full: `push` waits, which
 * stops the producer (I9). The producer's failure travels through the queue to the consumer, behind what
 * was pushed before it, so it cannot die unseen.
 */
import { assert } from "./assert.js";
import { SignalPoint } from "./signal-point.js";

export class ByteQueue<T> {
  readonly #bytesMax: number;
  readonly #items: { item: T; bytes: number }[] = [];
  readonly #moved = new SignalPoint();
  #bytes = 0;
  #ended: { readonly error: unknown } | undefined;

  /** One item may exceed `bytesMax`: it then waits until the queue is empty. */
  constructor(bytesMax: number) {
    assert(bytesMax > 0, "a queue needs room");
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#items.length;
  }

  /** Resolves once the item is in; waits while the queue is full. */
  async push(item: T, bytes: number, signal: AbortSignal): Promise<void> {
    while (this.#items.length > 0 && this.#bytes + bytes > this.#bytesMax) {
      await this.#moved.wait(signal);
    }
    assert(this.#ended === undefined, "push after the end of a queue");
    this.#items.push({ item, bytes });
    this.#bytes += bytes;
    this.#moved.raise();
  }

  /** The producer is done; with an error the consumer gets it after the last item. */
  end(error?: unknown): void {
    this.#ended ??= { error };
    this.#moved.raise();
  }

  /** The first item without taking it. */
  peek(): T | undefined {
    return this.#items[0]?.item;
  }

  /** The next item if one is there. */
  take(): T | undefined {
    const head = this.#items.shift();
    if (head === undefined) return undefined;
    this.#bytes -= head.bytes;
    this.#moved.raise();
    return head.item;
  }

  /** The next item; undefined after the end; throws what the producer failed with. */
  async next(signal: AbortSignal): Promise<T | undefined> {
    for (;;) {
      const item = this.take();
      if (item !== undefined) return item;
      if (this.#ended !== undefined) {
        if (this.#ended.error !== undefined) throw this.#ended.error as Error;
        return undefined;
      }
      await this.#moved.wait(signal);
    }
  }
}
