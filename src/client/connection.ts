/**
 * The shell of connection-state.ts: opens sockets, asks for tokens, keeps timers, watches for silence. Hands
 * the server's frames on and knows no channels.
 */
import { assert } from "../base/assert.js";
import type { Clock, Random } from "../base/clock.js";
import { errorText } from "../base/errors.js";
import type { Log } from "../base/log.js";
import { closeCodes } from "../protocol/close-codes.js";
import { encodeClientFrame, parseServerMessage } from "../protocol/client-codec.js";
import {
  type ClientFrame,
  PROTOCOL_VERSION,
  type ServerFrame,
  SUBPROTOCOL,
  type WelcomeFrame,
} from "../protocol/frames.js";
import {
  type ConnectionEvent,
  type ConnectionState,
  IDLE,
  nextConnection,
} from "./connection-state.js";
import { closeReason, openSocket, type Socket, type SocketClass } from "./socket.js";
import { TokenKeeper, type TokenSource } from "./token-keeper.js";

/** A socket that does not open in this time goes nowhere; mobile networks take seconds. */
const OPEN_MS = 15_000;
/** The server answers `hello` at once; the rest is the network. */
const WELCOME_MS = 10_000;
/** Rule 22: a session open this long starts the backoff over. */
const STABLE_MS = 30_000;
/** After waking up, a live server answers a ping in this time. */
const PROBE_MS = 5_000;
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
  moved(state: ConnectionState): void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #hooks: ConnectionHooks;
  readonly #tokens: TokenKeeper;
  #state: ConnectionState = IDLE;
  #socket: Socket | undefined;
  #paused = false;
  /** Timers and waits of the present state. */
  readonly #cancels = new Set<() => void>();
  #heardAt = 0;
  /** Counted, for two may come in one instant. */
  #heard = 0;
  #sentAt = 0;
  #lastError: { readonly code: string; readonly message: string } | undefined;

  constructor(options: ConnectionOptions, hooks: ConnectionHooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#tokens = new TokenKeeper(options.token, options.clock);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  dispatch(event: ConnectionEvent): void {
    const before = this.#state;
    const after = nextConnection(before, event);
    if (after === before) return;
    this.#state = after;
    if (after.name !== before.name) {
      for (const cancel of this.#cancels) cancel();
      this.#cancels.clear();
      if (after.name !== "greeting" && after.name !== "live") this.#dropSocket();
      if (before.name === "live") this.#hooks.cut();
      this.#options.log.debug("client.connection.moved", { from: before.name, to: after.name });
    }
    // A hook may have dispatched: then what it led to has been entered already.
    if (this.#state !== after) return;
    this.#enter(after, before);
    if (this.#state === after) this.#hooks.moved(after);
  }

  /** Frames of one message. Only while live. */
  send(frames: readonly ClientFrame[]): void {
    if (this.#socket === undefined || frames.length === 0) return;
    this.#sentAt = this.#options.clock.monotonic();
    this.#socket.send(frames.map(encodeClientFrame).join("\n"));
  }

  /** Stops reading, if the socket can. Answers whether it could. */
  pause(): boolean {
    if (this.#paused) return true;
    if (this.#socket?.pause === undefined) return false;
    this.#paused = true;
    this.#socket.pause();
    return true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
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
    if (this.#state.name !== "live" || this.#paused) return;
    const heard = this.#heard;
    this.send([{ t: "ping" }]);
    this.#after(PROBE_MS, () => {
      if (this.#heard === heard) this.lose("CLIENT_SILENT", "the server did not answer a ping");
    });
  }

  #enter(state: ConnectionState, before: ConnectionState): void {
    switch (state.name) {
      case "fetching":
        this.#fetchToken();
        return;
      case "opening":
        this.#open();
        return;
      case "greeting":
        this.#greet(state.token);
        return;
      case "live":
        if (before.name !== "live") this.#goLive();
        if (state.leaveInMs !== undefined) {
          this.#after(state.leaveInMs, () => {
            this.dispatch({ name: "leave" });
          });
        }
        return;
      case "waiting":
      case "offline":
        this.#after(state.delayMs, () => {
          this.dispatch({ name: "timeUp" });
        });
        return;
      case "idle":
      case "refused":
      case "closed":
        return;
    }
  }

  #fetchToken(): void {
    this.#cancels.add(
      this.#tokens.fetch(
        (token) => {
          this.dispatch({ name: "tokenGiven", token });
        },
        (error) => {
          const cause = {
            code: "CLIENT_TOKEN_FAILED",
            message: `asking for a token: ${errorText(error)}`,
          };
          this.dispatch({ name: "tokenFailed", cause, jitter: this.#options.random.next() });
        },
      ),
    );
  }

  #open(): void {
    let socket: Socket;
    this.#lastError = undefined;
    try {
      socket = openSocket(this.#options.socketClass, this.#options.url, SUBPROTOCOL);
    } catch (error) {
      // A malformed address: trying again would never mend it.
      const cause = {
        code: "CLIENT_REFUSED",
        message: `opening ${this.#options.url}: ${errorText(error)}`,
      };
      this.#lost(closeCodes.PROTOCOL_ERROR, 0, cause);
      return;
    }
    this.#socket = socket;
    const isOurs = (): boolean => this.#socket === socket;
    socket.addEventListener("open", () => {
      if (isOurs()) this.dispatch({ name: "opened" });
    });
    socket.addEventListener("message", ({ data }) => {
      if (isOurs()) this.#onMessage(data);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (isOurs()) this.#onClose(code, reason);
    });
    // A close always follows, and says more.
    socket.addEventListener("error", () => undefined);
    this.#after(OPEN_MS, () => {
      this.lose("CLIENT_SILENT", `the socket did not open within ${OPEN_MS} ms`);
    });
  }

  #greet(token: string | undefined): void {
    const hello = { t: "hello", v: PROTOCOL_VERSION, client: CLIENT_NAME } as const;
    this.send([token === undefined ? hello : { ...hello, token }]);
    this.#after(WELCOME_MS, () => {
      this.lose("CLIENT_SILENT", `no welcome came within ${WELCOME_MS} ms`);
    });
  }

  #goLive(): void {
    this.#after(STABLE_MS, () => {
      this.dispatch({ name: "stable" });
    });
  }

  #welcome(frame: WelcomeFrame): void {
    if (this.#state.name !== "greeting") return;
    this.#paused = false;
    this.dispatch({ name: "welcomed" });
    this.#watchSilence(frame.heartbeatMs);
    this.#keepToken(frame.expiresAt);
    this.#hooks.welcomed(frame);
  }

  /** Rule 6, both ways. A paused socket hears nothing by our own will. */
  #watchSilence(heartbeatMs: number): void {
    assert(heartbeatMs > 0, "a heartbeat needs a period");
    const { clock } = this.#options;
    let wall = clock.now();
    const look = (): void => {
      const now = clock.monotonic();
      if (!this.#paused && now - this.#heardAt > 2 * heartbeatMs) {
        this.lose("CLIENT_SILENT", `the server was silent for ${2 * heartbeatMs} ms`);
        return;
      }
      if (now - this.#sentAt >= heartbeatMs) this.send([{ t: "ping" }]);
      // The machine slept, and not every clock counts that: or somebody set the clock, which costs a ping.
      if (clock.now() - wall > heartbeatMs) this.#probe();
      wall = clock.now();
      this.#after(heartbeatMs / 2, look);
    };
    this.#after(heartbeatMs / 2, look);
  }

  #keepToken(expiresAt: number | undefined): void {
    this.#cancels.add(
      this.#tokens.renew(expiresAt, (token) => {
        this.send([{ t: "token", token }]);
      }),
    );
  }

  #onMessage(data: unknown): void {
    this.#heard += 1;
    this.#heardAt = this.#options.clock.monotonic();
    try {
      if (typeof data !== "string") throw new Error("a binary message came");
      const frames = parseServerMessage(data);
      for (const frame of frames) this.#notice(frame);
      if (this.#state.name === "live") this.#hooks.received(frames, data.length);
    } catch (error) {
      this.#options.log.warn("client.frame.refused", { error: errorText(error) });
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
      const leaveInMs = Math.floor(this.#options.random.next() * frame.reconnectWithinMs);
      this.dispatch({ name: "goaway", leaveInMs });
    }
  }

  #onClose(code: number, reason: string): void {
    const told = closeReason(reason);
    this.#lost(code, told.retryInMs, {
      code: told.code ?? this.#lastError?.code ?? `CLOSE_${code}`,
      message: this.#lastError?.message ?? `the connection was closed (${code})`,
    });
  }

  #lost(code: number, retryInMs: number, cause: { code: string; message: string }): void {
    const jitter = this.#options.random.next();
    this.dispatch({ name: "lost", code, retryInMs, cause, jitter });
  }

  #dropSocket(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#paused = false;
    // A paused socket would never see the other side's close.
    socket?.resume?.();
    socket?.close(1000);
  }

  #after(delayMs: number, run: () => void): void {
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#cancels.delete(cancel);
      run();
    });
    this.#cancels.add(cancel);
  }
}
