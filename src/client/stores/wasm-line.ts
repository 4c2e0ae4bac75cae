/**
 * What a tab that does not have the database open asks of the one that has. Who reads is asked again by itself
 * when another tab has opened the database; statements that write are not, for they may have run.
 */
import type { Clock } from "../../base/clock.js";
import { AppError } from "../../base/errors.js";
import {
  type Answer,
  answerLine,
  appError,
  type Argument,
  askLine,
  type AskedCall,
  type LineOpened,
  type LineRequest,
  type WorkerAnswer,
} from "./wasm-messages.js";

/** Longer than it takes until another tab leads. */
const ANSWER_MS = 30_000;
/** Nobody who shows something asks as much at once: somebody asks in a loop. */
const WAITING_MAX = 1_000;

interface Waiting {
  readonly request: LineRequest;
  readonly end: (settle: () => void) => void;
  readonly resolve: (value: never) => void;
  readonly reject: (error: AppError) => void;
}

interface Lines {
  readonly asks: BroadcastChannel;
  readonly answers: BroadcastChannel;
}

export class TabReads {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #tab = crypto.randomUUID();
  readonly #waiting = new Map<number, Waiting>();
  /** While anything is asked. */
  #lines: Lines | undefined;
  #lastId = 0;

  constructor(name: string, clock: Clock) {
    this.#name = name;
    this.#clock = clock;
  }

  ask<Name extends AskedCall>(call: Name, argument: Argument<Name>): Promise<Answer<Name>> {
    this.#lastId += 1;
    const request: LineRequest = { id: this.#lastId, from: this.#tab, call, argument };
    return new Promise((resolve, reject) => {
      if (this.#waiting.size >= WAITING_MAX) {
        reject(this.#unanswered(`${WAITING_MAX} others wait already`));
        return;
      }
      const cancel = this.#clock.after(ANSWER_MS, () => {
        const reason = `no tab that has "${this.#name}" open answers`;
        this.#settle(request.id, (waiting) => {
          waiting.reject(this.#unanswered(reason));
        });
      });
      const end = (settle: () => void): void => {
        cancel();
        this.#waiting.delete(request.id);
        if (this.#waiting.size === 0) this.#closeLines();
        settle();
      };
      this.#waiting.set(request.id, { request, end, resolve, reject });
      this.#openLines().asks.postMessage(request);
    });
  }

  #settle(id: number, settle: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id);
    waiting?.end(() => {
      settle(waiting);
    });
  }

  #openLines(): Lines {
    if (this.#lines !== undefined) return this.#lines;
    const asks = new BroadcastChannel(askLine(this.#name));
    asks.onmessage = ({ data }: MessageEvent<LineOpened | LineRequest>) => {
      if ("opened" in data) this.#askAgain(asks);
    };
    const answers = new BroadcastChannel(answerLine(this.#name, this.#tab));
    answers.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
      this.#settle(data.id, ({ resolve, reject }) => {
        if ("error" in data) reject(appError(data.error));
        else resolve(data.value as never);
      });
    };
    this.#lines = { asks, answers };
    return this.#lines;
  }

  #closeLines(): void {
    this.#lines?.asks.close();
    this.#lines?.answers.close();
    this.#lines = undefined;
  }

  #askAgain(asks: BroadcastChannel): void {
    for (const { request } of [...this.#waiting.values()]) {
      if (request.call === "rows") asks.postMessage(request);
      else
        this.#settle(request.id, ({ reject }) => {
          reject(
            this.#unanswered("another tab leads now; whether the statements ran is not known"),
          );
        });
    }
  }

  #unanswered(reason: string): AppError {
    return new AppError("CLIENT_SQL_FAILED", `asking the tab that leads: ${reason}`);
  }
}
