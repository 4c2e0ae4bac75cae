/** What the tabs of one browser tell each other over a BroadcastChannel. */
import type { Gap } from "./feed-sink.js";
import type { ChannelChoice } from "./channel-choice.js";
import type { SyncStatus } from "./status.js";
import type { StoreChanges } from "./stores/store.js";

/** Raised when tabs of two versions could misread each other; they then ignore each other. */
export const TABS_VERSION = 1;

export type TabWord =
  /** From a tab that follows: what it wants. Asks the leader for the status. */
  | { readonly t: "want"; readonly channels: readonly ChannelChoice[] }
  /** A tab that followed has gone. */
  | { readonly t: "bye" }
  /** From a tab that leads from now on: tell it what you want, and look at everything again. */
  | { readonly t: "lead" }
  | { readonly t: "status"; readonly status: SyncStatus }
  | { readonly t: "changed"; readonly changes: StoreChanges }
  | { readonly t: "gap"; readonly gap: Gap }
  /** Is anybody leading? Answered by any word of the leader. */
  | { readonly t: "ping" }
  | { readonly t: "pong" }
  | {
      readonly t: "ask";
      readonly id: number;
      readonly ask: "until";
      readonly source: string;
      readonly position: string;
    }
  | {
      readonly t: "ask";
      readonly id: number;
      readonly ask: "detach";
      readonly channels: readonly string[];
    }
  | {
      readonly t: "answer";
      readonly to: string;
      readonly id: number;
      readonly error?: { readonly code: string; readonly message: string };
    };

/** The leader's own words: they prove that it is alive. */
const LEADERS: ReadonlySet<TabWord["t"]> = new Set([
  ...(["lead", "status", "changed", "gap", "pong", "answer"] as const),
]);

export function isLeaders(word: TabWord): boolean {
  return LEADERS.has(word.t);
}

interface Envelope {
  readonly v: number;
  readonly from: string;
  readonly word: TabWord;
}

/** The line between tabs: a word of another tab, with the tab's id. */
export class TabLine {
  readonly #line: BroadcastChannel;
  readonly #from: string;

  constructor(name: string, from: string, heard: (word: TabWord, from: string) => void) {
    this.#from = from;
    this.#line = new BroadcastChannel(name);
    this.#line.onmessage = ({ data }: MessageEvent<Envelope>) => {
      if (data.v === TABS_VERSION) heard(data.word, data.from);
    };
  }

  say(word: TabWord): void {
    this.#line.postMessage({ v: TABS_VERSION, from: this.#from, word } satisfies Envelope);
  }

  close(): void {
    this.#line.close();
  }
}
