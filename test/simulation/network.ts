/**
 * Sockets between devices and gateways, in order and never at once: each text takes a while, one that is
 * not read waits, and a connection can be cut with what is under way, or die without a word.
 */
import type { SessionSocket, SocketListener } from "../../src/broker/session-socket.js";
import type { WireMessage } from "../../src/broker/wire-message.js";
import type { Socket, SocketClass } from "../../src/client/socket.js";
import type { SeededRandom } from "../support/seeded-random.js";
import { delayOf } from "./life.js";
import type { Scheduler } from "./scheduler.js";

/** One byte here is so many to the broker's limits, so that a few rows fill a socket. */
export const BYTES_SCALE = 2_000;
/** What the network itself holds: it waits nowhere. */
const KERNEL_BYTES = 300;

const CLOSE_MS = 5_000;
const GOING_AWAY = 1001;
const NO_CLOSE_FRAME = 1006;

/** Who looks at what goes over a connection. */
export interface ConnectionWatch {
  said(text: string): void;
  sent(text: string): void;
  /** The device has the oldest text that was sent and not heard yet. */
  heard(): void;
  waiting(bytes: number): void;
}

export interface NetworkParts {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly watch: (connection: Connection) => ConnectionWatch;
  /** Lets a connection in; undefined while nobody listens. */
  readonly accept: (socket: SessionSocket, connection: Connection) => SocketListener | undefined;
  /** What the network makes of a text of the server. */
  readonly alter: (text: string) => string;
  /** What a socket tells of the bytes that wait. */
  readonly shows: (waitingBytes: number) => number;
}

type Heard = "open" | "message" | "close" | "error";
type Listener = (told: { data: string; code: number; reason: string }) => void;

export class Network {
  readonly connections = new Set<Connection>();
  readonly #parts: NetworkParts;

  constructor(parts: NetworkParts) {
    this.#parts = parts;
  }

  /** The class that a client is given. `owner` names it. */
  socketClass(owner: object): SocketClass {
    const connect = (): Socket => {
      const connection = new Connection(this.#parts, owner, () => {
        this.connections.delete(connection);
      });
      this.connections.add(connection);
      connection.open();
      return connection.client;
    };
    return class {
      constructor() {
        return connect();
      }
    };
  }
}

/** Texts on their way in one direction. */
class Lane {
  readonly #parts: NetworkParts;
  readonly #deliver: (text: string) => void;
  readonly #emptied: () => void;
  readonly #waiting: string[] = [];
  #bytes = 0;
  #delivered = 0;
  #isMoving = false;
  #isCut = false;
  isPaused = false;
  /** Each text takes so much longer. */
  slowMs = 0;

  constructor(parts: NetworkParts, deliver: (text: string) => void, emptied: () => void) {
    this.#parts = parts;
    this.#deliver = deliver;
    this.#emptied = emptied;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get delivered(): number {
    return this.#delivered;
  }

  push(text: string): void {
    if (this.#isCut) return;
    this.#waiting.push(text);
    this.#bytes += text.length;
    this.move();
  }

  /** What is on its way is lost, and everything after it. */
  cut(): void {
    this.#isCut = true;
    this.#waiting.length = 0;
    this.#bytes = 0;
  }

  move(): void {
    if (this.#isMoving || this.isPaused || this.#waiting.length === 0) return;
    this.#isMoving = true;
    const delayMs = delayOf(this.#parts.random) + this.slowMs;
    this.#parts.scheduler.after(delayMs, () => {
      this.#isMoving = false;
      const text = this.isPaused ? undefined : this.#waiting.shift();
      if (text !== undefined) {
        this.#bytes -= text.length;
        this.#delivered += text.length;
        this.#deliver(text);
        if (this.#waiting.length === 0) this.#emptied();
      }
      this.move();
    });
  }
}

export class Connection {
  readonly owner: object;
  /** The gateway that holds it. */
  host: object | undefined;
  readonly client: Socket;
  readonly #parts: NetworkParts;
  readonly #ended: () => void;
  readonly #watch: ConnectionWatch;
  readonly #listeners: { readonly name: Heard; readonly hear: Listener }[] = [];
  readonly #up: Lane;
  readonly #down: Lane;
  #server: SocketListener | undefined;
  #isClientOver = false;
  #isServerOver = false;
  #isDead = false;
  #closing: { readonly code: number; readonly reason: string } | undefined;

  constructor(parts: NetworkParts, owner: object, ended: () => void) {
    this.owner = owner;
    this.#parts = parts;
    this.#ended = ended;
    this.#watch = parts.watch(this);
    this.#up = new Lane(
      parts,
      (text) => {
        if (!this.#isServerOver) this.#server?.onText(text, text.length);
      },
      () => undefined,
    );
    this.#down = new Lane(
      parts,
      (text) => {
        if (this.#isClientOver) return;
        this.#watch.heard();
        this.#tell("message", { data: text });
      },
      () => {
        if (this.#isServerOver) return;
        if (this.#closing === undefined) this.#server?.onDrained();
        else this.#finish(this.#closing);
      },
    );
    this.client = this.#clientEnd();
  }

  open(): void {
    this.#later(() => {
      if (this.#isClientOver) return;
      this.#server = this.#parts.accept(this.#serverEnd(), this);
      if (this.#server === undefined) this.cut();
      else this.#tell("open");
    });
  }

  /** Both ends hear of it, each in its own time; what is under way is lost. */
  cut(): void {
    this.#up.cut();
    this.#down.cut();
    this.#later(() => {
      this.#endClient(NO_CLOSE_FRAME, "");
    });
    this.#later(() => {
      this.#endServer(NO_CLOSE_FRAME);
    });
  }

  /** Nothing arrives any more, and nobody is told. */
  die(): void {
    this.#isDead = true;
    this.#up.isPaused = true;
    this.#down.isPaused = true;
  }

  /** The device reads, but not fast. */
  slow(slowMs: number): void {
    this.#down.slowMs = slowMs;
  }

  /** The device's process is gone: the server hears of it, perhaps. */
  abandon(): void {
    this.#isClientOver = true;
    this.#later(() => {
      this.#endServer(NO_CLOSE_FRAME);
    });
  }

  /** The gateway's process is gone. */
  orphan(): void {
    this.#isServerOver = true;
    this.#later(() => {
      this.#endClient(NO_CLOSE_FRAME, "");
    });
  }

  // ------------------------------------------------------------ the two ends

  #clientEnd(): Socket {
    return {
      send: (text) => {
        if (this.#isClientOver) return;
        this.#watch.said(text);
        this.#up.push(text);
      },
      close: (code = GOING_AWAY) => {
        if (this.#isClientOver) return;
        this.#isClientOver = true;
        this.#later(() => {
          if (!this.#isDead) this.#endServer(code);
        });
      },
      addEventListener: (name: Heard, hear: Listener) => {
        this.#listeners.push({ name, hear });
      },
      pause: () => {
        this.#down.isPaused = true;
      },
      resume: () => {
        this.#down.isPaused = this.#isDead;
        this.#down.move();
      },
    };
  }

  #serverEnd(): SessionSocket {
    const lane = this.#down;
    const { shows, scheduler } = this.#parts;
    const waitingBytes = (): number => Math.max(0, lane.bytes - KERNEL_BYTES);
    return {
      remote: "127.0.0.1",
      get waitingBytes() {
        return shows(waitingBytes() * BYTES_SCALE);
      },
      get takenBytes() {
        return lane.delivered;
      },
      send: (messages) => {
        if (this.#isServerOver || this.#closing !== undefined) return;
        for (const message of messages) this.#send(message);
        this.#watch.waiting(waitingBytes() * BYTES_SCALE);
      },
      // Each text is a write of its own here.
      hold: () => undefined,
      release: () => undefined,
      ping: () => {
        this.#later(() => {
          if (!this.#isDead && !this.#isClientOver) this.#server?.onAlive();
        });
      },
      pause: () => {
        this.#up.isPaused = true;
      },
      resume: () => {
        this.#up.isPaused = this.#isDead;
        this.#up.move();
      },
      close: (code, reason) => {
        this.#closing ??= { code, reason };
        if (lane.bytes === 0) this.#finish(this.#closing);
        // A peer that does not answer is not waited for.
        scheduler.after(CLOSE_MS, () => {
          this.#endServer(code);
        });
      },
      destroy: () => {
        this.cut();
      },
    };
  }

  #send(message: WireMessage): void {
    const text = this.#parts.alter(Buffer.from(message.payload).toString());
    this.#watch.sent(text);
    this.#down.push(text);
  }

  #finish({ code, reason }: { readonly code: number; readonly reason: string }): void {
    this.#later(() => {
      if (!this.#isDead) this.#endClient(code, reason);
      this.#endServer(code);
    });
  }

  #endClient(code: number, reason: string): void {
    if (this.#isClientOver) return;
    this.#isClientOver = true;
    this.#tellAll("close", { code, reason });
    if (this.#isServerOver) this.#ended();
  }

  #endServer(code: number): void {
    if (this.#isServerOver) return;
    this.#isServerOver = true;
    this.#server?.onClosed(code);
    if (this.#isClientOver) this.#ended();
  }

  #tell(name: Heard, told: Partial<Parameters<Listener>[0]> = {}): void {
    if (!this.#isClientOver) this.#tellAll(name, told);
  }

  #tellAll(name: Heard, told: Partial<Parameters<Listener>[0]>): void {
    for (const listener of this.#listeners) {
      if (listener.name === name) listener.hear({ data: "", code: 0, reason: "", ...told });
    }
  }

  #later(run: () => void): void {
    this.#parts.scheduler.after(delayOf(this.#parts.random), run);
  }
}
