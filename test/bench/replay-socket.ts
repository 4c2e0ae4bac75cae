/**
 * A WebSocket without a network: answers hello and attach, then hands over messages that lie ready as bytes,
 * about 64 KiB to a turn of the event loop, as a socket does, and not while it is paused.
 */
import type { Socket, SocketClass } from "../../src/client/socket.js";
import type { AttachedFrame, ServerFrame, WelcomeFrame } from "../../src/protocol/frames.js";

const TURN_BYTES = 64 * 1024;

type Listener = (event: { data: string; code: number; reason: string }) => void;

export interface Replay {
  readonly channel: string;
  readonly messages: readonly Buffer[];
  /** Called when the first of the messages is handed over. */
  readonly begun: () => void;
}

/** A class of sockets, as the client wants it, each of which hands over the whole. */
export function replaySocket(replay: Replay): SocketClass {
  return class extends ReplaySocket {
    constructor() {
      super(replay);
    }
  };
}

class ReplaySocket implements Socket {
  readonly #replay: Replay;
  readonly #listeners = new Map<string, Listener>();
  #next = 0;
  #isPaused = false;
  #isClosed = false;

  constructor(replay: Replay) {
    this.#replay = replay;
    setImmediate(() => {
      this.#tell("open", "");
    });
  }

  addEventListener(name: string, listener: Listener): void {
    this.#listeners.set(name, listener);
  }

  send(text: string): void {
    for (const line of text.split("\n")) {
      const frame = JSON.parse(line) as { readonly t: string; readonly id?: number };
      if (frame.t === "hello") this.#answer(welcome);
      if (frame.t !== "attach") continue;
      this.#answer(attached(this.#replay.channel, frame.id ?? 0));
      setImmediate(() => {
        this.#replay.begun();
        this.#turn();
      });
    }
  }

  close(): void {
    this.#isClosed = true;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    setImmediate(() => {
      this.#turn();
    });
  }

  #turn(): void {
    let bytes = 0;
    while (bytes < TURN_BYTES && !this.#isPaused) {
      const message = this.#replay.messages[this.#next];
      if (message === undefined || this.#isClosed) return;
      this.#next += 1;
      bytes += message.length;
      this.#tell("message", message.toString());
    }
    if (this.#isPaused) return;
    setImmediate(() => {
      this.#turn();
    });
  }

  #answer(frame: ServerFrame): void {
    setImmediate(() => {
      this.#tell("message", JSON.stringify(frame));
    });
  }

  #tell(name: string, data: string): void {
    this.#listeners.get(name)?.({ data, code: 1000, reason: "" });
  }
}

const welcome: WelcomeFrame = {
  ...{ t: "welcome", v: 1, session: "bench", run: "run", heartbeatMs: 60_000 },
  limits: { frameBytesMax: 65_536, channelsMax: 1, attachChannelsMax: 1, historyLimitMax: 1 },
};

function attached(channel: string, id: number): AttachedFrame {
  const one = { channel, epoch: 1, how: "snapshot", after: 0, status: { state: "ready" } } as const;
  return { t: "attached", id, channels: [one] };
}
