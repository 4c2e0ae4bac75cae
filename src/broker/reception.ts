/** Who may become a session: counts sessions, in all, by address and unknown ones, and gives them a name. */
import type { Random } from "../base/clock.js";
import type { BrokerContext } from "./broker-context.js";
import { Session } from "./session.js";
import type { SessionSocket, SocketListener } from "./session-socket.js";
import type { Upgrade, UpgradeAnswer } from "./transports/http-door.js";
import { WebSocketUpgrades } from "./transports/websocket.js";

/** A client that came to a full server comes back after this and up to twice this. */
const FULL_RETRY_MS = 5_000;

/** How far over its limit a message may be to be refused with a reason. */
const OVERSIZE_FACTOR = 2;

export class Reception {
  readonly #context: BrokerContext;
  readonly #random: Random;
  readonly #upgrades: WebSocketUpgrades;
  readonly #byAddress = new Map<string, number>();
  #count = 0;
  #stopped = false;

  constructor(context: BrokerContext, random: Random) {
    this.#context = context;
    this.#random = random;
    this.#upgrades = new WebSocketUpgrades({
      messageBytesMax: context.limits.messageBytesMax * OVERSIZE_FACTOR,
      preframed: true,
    });
  }

  /** Lets nobody in any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Makes a session of it where there is room; a browser is let in to be told that there is none. */
  take(upgrade: Upgrade): UpgradeAnswer {
    const { request, stream, head, isBrowser } = upgrade;
    const isFull = this.#stopped || this.#isFull(() => request.socket.remoteAddress ?? "");
    if (isFull && !isBrowser) return { retryInS: Math.ceil(FULL_RETRY_MS / 1_000) };
    const { unknown, limits } = this.#context;
    if (!isFull && unknown.size >= limits.unknownMax) return "later";
    this.#upgrades.upgrade(request, stream, head, (socket) => this.open(socket));
    return "taken";
  }

  /** A connection that is open. Where there is no room for it, it is told so and closed. */
  open(socket: SessionSocket): SocketListener {
    const { sessions, metrics, wheel, limits } = this.#context;
    const { unknown } = this.#context;
    const hasStrangers = unknown.size >= limits.unknownMax;
    const isFull = this.#stopped || hasStrangers || this.#isFull(() => socket.remote);
    this.#count += 1;
    const name = Math.floor(this.#random.next() * 2 ** 32).toString(36);
    const session = new Session(this.#context, `${this.#count.toString(36)}-${name}`, socket);
    if (isFull) {
      metrics.refused(this.#stopped ? "stopping" : "full");
      const retryInMs = Math.round(FULL_RETRY_MS * (1 + this.#random.next()));
      if (this.#stopped) session.close("BROKER_STOPPING", "opening a session: the server stops");
      else session.close("BROKER_SESSIONS_FULL", "opening a session: no room", { retryInMs });
      return session;
    }
    sessions.add(session);
    unknown.add(session);
    metrics.sessions(sessions.size);
    wheel.schedule(session, limits.helloMs);
    return this.#countsAddresses ? this.#counted(session, socket.remote) : session;
  }

  /** The kernel is asked for an address only where it counts. */
  get #countsAddresses(): boolean {
    return this.#context.limits.sessionsPerAddressMax !== Infinity;
  }

  /** Counts the address until the session is closed. */
  #counted(session: Session, remote: string): SocketListener {
    this.#byAddress.set(remote, (this.#byAddress.get(remote) ?? 0) + 1);
    return {
      onText: (text, bytes) => {
        session.onText(text, bytes);
      },
      onBinary: () => {
        session.onBinary();
      },
      onAlive: () => {
        session.onAlive();
      },
      onDrained: () => {
        session.onDrained();
      },
      onClosed: (code) => {
        const left = (this.#byAddress.get(remote) ?? 1) - 1;
        if (left === 0) this.#byAddress.delete(remote);
        else this.#byAddress.set(remote, left);
        session.onClosed(code);
      },
    };
  }

  #isFull(remote: () => string): boolean {
    const { sessions, limits } = this.#context;
    if (sessions.size >= limits.sessionsMax) return true;
    if (!this.#countsAddresses) return false;
    return (this.#byAddress.get(remote()) ?? 0) >= limits.sessionsPerAddressMax;
  }
}
