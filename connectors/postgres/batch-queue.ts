/**
 * Batches between the socket and `read`. Bounded by bytes: above the upper mark the socket is paused, below
 * the lower one it goes on, so that it is not switched for every batch. What one reading of the socket
 * brings is always taken. Idle batches that nobody has fetched yet become one.
 */
import { SignalPoint } from "../../src/base/signal-point.js";
import type { SourceBatch } from "../../src/model/change.js";

/**
 * Enough to keep the pipeline busy while the socket wakes up. More costs time, too: every row that waits is
 * copied by the young collections that come meanwhile.
 */
const QUEUE_BYTES_MAX = 512 * 1024;
const BATCH_OVERHEAD_BYTES = 300;

export interface QueuedBatch {
  readonly batch: SourceBatch;
  /** Whose changes it holds. */
  readonly xids: readonly number[];
}

export interface SwitchedFlow {
  pause(): void;
  resume(): void;
}

export class BatchQueue {
  readonly #flow: SwitchedFlow;
  readonly #bytesMax: number;
  readonly #moved = new SignalPoint();
  #items: QueuedBatch[] = [];
  #at = 0;
  #bytes = 0;
  #isPaused = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(flow: SwitchedFlow, bytesMax: number = QUEUE_BYTES_MAX) {
    this.#flow = flow;
    this.#bytesMax = bytesMax;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  push(batch: SourceBatch, xids: readonly number[] = []): void {
    const last = this.#items.length > this.#at ? this.#items.at(-1)?.batch : undefined;
    if (batch.kind === "idle" && last?.kind === "idle") {
      const atHead = batch.atHead || last.atHead;
      this.#items[this.#items.length - 1] = { batch: { ...batch, atHead }, xids };
      return;
    }
    this.#items.push({ batch, xids });
    this.#bytes += sizeOf(batch);
    if (!this.#isPaused && this.#bytes > this.#bytesMax) {
      this.#isPaused = true;
      this.#flow.pause();
    }
    this.#moved.raise();
  }

  /** The consumer gets the error behind what was pushed before. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#moved.raise();
  }

  async next(signal: AbortSignal): Promise<QueuedBatch> {
    for (;;) {
      if (signal.aborted) throw signal.reason;
      const item = this.#take();
      if (item !== undefined) return item;
      if (this.#failure !== undefined) throw this.#failure.error;
      await this.#moved.wait(signal);
    }
  }

  #take(): QueuedBatch | undefined {
    const item = this.#items[this.#at];
    if (item === undefined) return undefined;
    this.#at += 1;
    if (this.#at === this.#items.length || this.#at > 1_024) {
      this.#items = this.#items.slice(this.#at);
      this.#at = 0;
    }
    this.#bytes -= sizeOf(item.batch);
    if (this.#isPaused && this.#bytes < this.#bytesMax / 2) {
      this.#isPaused = false;
      this.#flow.resume();
    }
    return item;
  }
}

function sizeOf(batch: SourceBatch): number {
  return BATCH_OVERHEAD_BYTES + (batch.kind === "idle" ? 0 : batch.bytes);
}
