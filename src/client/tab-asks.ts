/** What a tab asks of the leader, until it is answered: again of the next leader when one goes without an answer. */
import type { ErrorCode } from "../base/error-catalogue.js";
import { AppError, errorText } from "../base/errors.js";
import type { Sync } from "./sync.js";
import type { TabWord } from "./tab-messages.js";

type Asked = Extract<TabWord, { t: "ask" }>;
/** Without the id, which is given here. */
export type Ask =
  | { readonly ask: "until"; readonly source: string; readonly position: string }
  | { readonly ask: "detach"; readonly channels: readonly string[] };

interface Waiting {
  readonly word: Asked;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Leader {
  readonly sync: Sync;
  /** Of channels that no other tab wants. */
  readonly detach: (names: readonly string[]) => Promise<void>;
}

export class TabAsks {
  readonly #tab: string;
  readonly #say: (word: TabWord) => void;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #leader: Leader | undefined;

  constructor(tab: string, say: (word: TabWord) => void) {
    this.#tab = tab;
    this.#say = say;
  }

  ask(ask: Ask, signal: AbortSignal | undefined): Promise<void> {
    this.#lastId += 1;
    const word: Asked = { t: "ask", id: this.#lastId, ...ask };
    return new Promise<void>((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(word.id);
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => {
        end();
        reject(signal?.reason as Error);
      };
      if (signal?.aborted === true) {
        onAbort();
        return;
      }
      signal?.addEventListener("abort", onAbort);
      this.#waiting.set(word.id, {
        word,
        resolve: () => {
          end();
          resolve();
        },
        reject: (error) => {
          end();
          reject(error);
        },
      });
      this.#begin(word.id);
    });
  }

  /** Another tab leads now. */
  again(): void {
    for (const id of [...this.#waiting.keys()]) this.#begin(id);
  }

  /** This tab leads now: what waits is its own business. */
  lead(sync: Sync, detach: Leader["detach"]): void {
    this.#leader = { sync, detach };
    this.again();
  }

  /** As the leader. */
  answer(word: Asked, from: string): void {
    if (this.#leader === undefined) return;
    const { id } = word;
    this.#perform(word, this.#leader).then(
      () => {
        this.#say({ t: "answer", to: from, id });
      },
      (error: unknown) => {
        const code = error instanceof AppError ? error.code : "CLIENT_REQUEST_REFUSED";
        // A sync that was stopped leads no more: the next leader is asked again.
        if (code === "CLIENT_CLOSED") return;
        this.#say({ t: "answer", to: from, id, error: { code, message: errorText(error) } });
      },
    );
  }

  answered({ to, id, error }: Extract<TabWord, { t: "answer" }>): void {
    if (to !== this.#tab) return;
    const waiting = this.#waiting.get(id);
    if (error === undefined) waiting?.resolve();
    else waiting?.reject(new AppError(error.code as ErrorCode, error.message));
  }

  follow(): void {
    this.#leader = undefined;
  }

  close(error: AppError): void {
    for (const { reject } of [...this.#waiting.values()]) reject(error);
  }

  /** Here where this tab leads, else of the tab that does. */
  #begin(id: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const { word, resolve, reject } = waiting;
    if (this.#leader === undefined) {
      this.#say(word);
      return;
    }
    this.#perform(word, this.#leader).then(resolve, (error: unknown) => {
      // The sync that was asked is over, for this tab leads no more: `again` asks the next one.
      if (!(error instanceof AppError && error.code === "CLIENT_CLOSED")) reject(error as Error);
    });
  }

  #perform(word: Asked, { sync, detach }: Leader): Promise<void> {
    if (word.ask === "until") return sync.until(word.source, word.position);
    return detach(word.channels);
  }
}
