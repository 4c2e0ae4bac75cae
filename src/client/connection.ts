/**
 * The shell of connection-state.ts: opens sockets, asks for tokens, keeps timers, watches for silence. Hands
 * the server's frames on and knows no channels.
 */
import type { Clock, Random } from "../base/clock.js";
import { errorText } from "../base/errors.js";
import type { Log } from "../base/log.js";
import { LASTING_FROM } from "../protocol/close-codes.js";
import { encodeClientFrame, parseServerMessage } from "../protocol/client-codec.js";
import {
  type ClientFrame,
  type ErrorFrame,
  PROTOCOL_VERSION,
  type ServerFrame,
  SUBPROTOCOL,
  type WelcomeFrame,
} from "../protocol/frames.js";
import {
  type Cause,
  type ConnectionEvent,
  type ConnectionState,
  IDLE,
  nextConnection,
} from "./connection-state.js";
import { openSocket, type Socket, type SocketClass, type SocketEvent } from "./socket.js";
import { RETRY_MS, TokenKeeper, type TokenSource } from "./token-keeper.js";

/** A socket that does not open in this time goes nowhere; mobile networks take seconds. */
const OPEN_MS = 15_000;
/** The server answers `hello` at once; the rest is the network. */
const WELCOME_MS = 10_000;
/** Rule 22: a session open this long starts the backoff over. */
const STABLE_MS = 30_000;
/** After waking up, a live server answers a ping in this time. */
const PROBE_MS = 5_000;
/** A hint above this is not believed: a server that is wrong once must not silence clients for a day. */
const HINT_MS_MAX = 10 * 60_000;
/** Whatever the server says: below it, looking would be all that this side does. */
const HEARTBEAT_MS_MIN = 10;
const CLIENT_NAME = "@changecast/client";
/** What browsers call a close without a close frame. */
const NO_CLOSE_FRAME = 1006;

export interface ConnectionOptions {
  readonly url: string;
  readonly token: TokenSource | undefined;
  readonly socketClass: SocketClass;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface ConnectionHooks {
  /** A session is open: attach now. */
  welcomed(frame: WelcomeFrame): void;
  /** Frames of one message and its length. What this throws ends the session. */
  received(frames: readonly ServerFrame[], length: number): void;
  /** The session that `welcomed` told of is over. */
  cut(): void;
  moved(): void;
}

export class Connection {
  /** Changed by `dispatch` alone. */
  state: ConnectionState = IDLE;
  isPaused = false;
  readonly #options: ConnectionOptions;
  readonly #hooks: ConnectionHooks;
  readonly #tokens: TokenKeeper;
  #socket: Socket | undefined;
  /** Timers and waits of the present state. */
  readonly #cancels = new Set<() => void>();
  #heardAt = 0;
  /** Counted, for two may come in one instant. */
  #heard = 0;
  #sentAt = 0;
  #lastError: Partial<ErrorFrame> = {};

  constructor(options: ConnectionOptions, hooks: ConnectionHooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#tokens = new TokenKeeper(options.token, options.clock);
  }

  dispatch(event: ConnectionEvent): void {
    const before = this.state;
    const after = nextConnection(before, event);
    if (after === before) return;
    this.state = after;
    if (after.name !== before.name) {
      for (const cancel of this.#cancels) cancel();
      this.#cancels.clear();
      if (after.name !== "greeting" && after.name !== "live") this.#dropSocket();
      if (before.name === "live") this.#hooks.cut();
    }
    // A hook may have dispatched: then what it led to has been entered already.
    if (this.state !== after) return;
    this.#enter(after);
    if (this.state === after) this.#hooks.moved();
  }

  send(frame: ClientFrame): void {
    this.#sentAt = this.#options.clock.monotonic();
    this.#socket?.send(encodeClientFrame(frame));
  }

  /** Stops reading, if the socket can. Answers whether it could. */
  pause(): boolean {
    const socket = this.#socket;
    if (!this.isPaused && socket?.pause !== undefined) {
      this.isPaused = true;
      socket.pause();
    }
    return this.isPaused;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.#heardAt = this.#options.clock.monotonic();
    this.#socket?.resume?.();
  }

  /** Ends the session from this side; it comes back by the usual rules. */
  lose(code: string, message: string): void {
    this.#lost(NO_CLOSE_FRAME, 0, { code, message });
  }

  /** A connection that looks live is asked whether it is, and a wait for the next try is over. */
  woke(): void {
    this.#probe();
    this.dispatch({ name: "woke" });
  }

  #probe(): void {
    if (this.state.name !== "live" || this.isPaused) return;
    const heard = this.#heard;
    this.send({ t: "ping" });
    this.#after(PROBE_MS, () => {
      if (this.#heard === heard) this.#silent(PROBE_MS, "no answer came");
    });
  }

  #enter(state: ConnectionState): void {
    if (state.name === "fetching") this.#fetchToken();
    else if (state.name === "opening") this.#open();
    else if (state.name === "greeting") this.#greet(state.token);
    else if (state.name === "live") {
      if (state.leaveInMs !== undefined) this.#dispatchAfter(state.leaveInMs, "timeUp");
    } else if ("delayMs" in state) this.#dispatchAfter(state.delayMs, "timeUp");
  }

  #fetchToken(): void {
    const { state } = this;
    this.#tokens.fetch().then(
      (token) => {
        if (this.state === state) this.dispatch({ name: "tokenGiven", token });
      },
      (error: unknown) => {
        if (this.state !== state) return;
        this.lose("CLIENT_TOKEN_FAILED", `asking for a token: ${errorText(error)}`);
      },
    );
  }

  #open(): void {
    let socket: Socket;
    this.#lastError = {};
    try {
      socket = openSocket(this.#options.socketClass, this.#options.url, SUBPROTOCOL);
    } catch (error) {
      // A malformed address: trying again would never mend it.
      const message = `opening ${this.#options.url}: ${errorText(error)}`;
      this.#lost(LASTING_FROM, 0, { code: "CLIENT_REFUSED", message });
      return;
    }
    this.#socket = socket;
    const on = (name: string, run: (event: SocketEvent) => void): void => {
      socket.addEventListener(name, (event) => {
        if (this.#socket === socket) run(event);
      });
    };
    on("open", () => {
      this.dispatch({ name: "opened" });
    });
    on("message", ({ data }) => {
      this.#onMessage(data);
    });
    on("close", ({ code }) => {
      this.#onClose(code ?? NO_CLOSE_FRAME);
    });
    // A close always follows, and says more.
    on("error", () => undefined);
    this.#silentAfter(OPEN_MS, "the socket did not open");
  }

  #greet(token: string | undefined): void {
    this.send({ t: "hello", v: PROTOCOL_VERSION, client: CLIENT_NAME, token });
    this.#silentAfter(WELCOME_MS, "no welcome came");
  }

  #welcome(frame: WelcomeFrame): void {
    if (this.state.name !== "greeting") return;
    this.isPaused = false;
    this.dispatch({ name: "welcomed" });
    this.#dispatchAfter(STABLE_MS, "stable");
    this.#watchSilence(Math.max(frame.heartbeatMs, HEARTBEAT_MS_MIN));
    this.#keepToken(frame.expiresAt);
    this.#hooks.welcomed(frame);
  }

  /** Rule 6, both ways. A paused socket hears nothing by our own will. */
  #watchSilence(heartbeatMs: number): void {
    const { clock } = this.#options;
    let wall = clock.now();
    const look = (): void => {
      const now = clock.monotonic();
      if (!this.isPaused && now - this.#heardAt > 2 * heartbeatMs) {
        this.#silent(2 * heartbeatMs, "nothing came");
        return;
      }
      if (now - this.#sentAt >= heartbeatMs) this.send({ t: "ping" });
      // The machine slept, and not every clock counts that: or somebody set the clock, which costs a ping.
      if (clock.now() - wall > heartbeatMs) this.#probe();
      wall = clock.now();
      this.#after(heartbeatMs / 2, look);
    };
    this.#after(heartbeatMs / 2, look);
  }

  #keepToken(expiresAt: number | undefined): void {
    const delayMs = this.#tokens.renewInMs(expiresAt);
    if (delayMs !== undefined) this.#renewAfter(delayMs);
  }

  /** Tried again after a failure until the server ends the session, which is the bound. */
  #renewAfter(delayMs: number): void {
    const socket = this.#socket;
    this.#after(delayMs, () => {
      this.#tokens.fetch().then(
        (token) => {
          if (token !== undefined && this.#socket === socket) this.send({ t: "token", token });
        },
        () => {
          if (this.#socket === socket) this.#renewAfter(RETRY_MS);
        },
      );
    });
  }

  #onMessage(data: unknown): void {
    this.#heard += 1;
    this.#heardAt = this.#options.clock.monotonic();
    try {
      if (typeof data !== "string") throw new Error("a binary message came");
      const frames = parseServerMessage(data);
      for (const frame of frames) this.#notice(frame);
      if (this.state.name === "live") this.#hooks.received(frames, data.length);
    } catch (error) {
      this.lose("CLIENT_FRAME_INVALID", errorText(error));
    }
  }

  /** What a frame says about the session itself. */
  #notice(frame: ServerFrame): void {
    if (frame.t === "welcome") this.#welcome(frame);
    else if (frame.t === "renewed") this.#keepToken(frame.expiresAt);
    else if (frame.t === "error" && frame.id === undefined && frame.channels === undefined) {
      this.#lastError = frame;
    } else if (frame.t === "goaway") {
      const leaveInMs = this.#options.random.next() * frame.reconnectWithinMs;
      this.dispatch({ name: "goaway", leaveInMs });
    }
  }

  /** The close reason says nothing that the `error` frame before it has not said. */
  #onClose(closeCode: number): void {
    const { code = `CLOSE_${closeCode}`, message, cure, retryInMs = 0 } = this.#lastError;
    this.#lost(closeCode, Math.min(retryInMs, HINT_MS_MAX), {
      code,
      message: message ?? "the connection was closed",
      cure,
    });
  }

  #lost(code: number, retryInMs: number, cause: Cause): void {
    const jitter = this.#options.random.next();
    this.dispatch({ name: "lost", code, retryInMs, cause, jitter });
  }

  #dropSocket(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.isPaused = false;
    // A paused socket would never see the other side's close.
    socket?.resume?.();
    socket?.close(1000);
  }

  #silentAfter(delayMs: number, found: string): void {
    this.#after(delayMs, () => {
      this.#silent(delayMs, found);
    });
  }

  #silent(ms: number, found: string): void {
    this.lose("CLIENT_SILENT", `${found} within ${ms} ms`);
  }

  #dispatchAfter(delayMs: number, name: "stable" | "timeUp"): void {
    this.#after(delayMs, () => {
      this.dispatch({ name });
    });
  }

  /** Unless the state is left before. */
  #after(delayMs: number, run: () => void): void {
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#cancels.delete(cancel);
      run();
    });
    this.#cancels.add(cancel);
  }
}
