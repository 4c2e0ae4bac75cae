/**
 * The HTTP server in front of the sessions: deadlines and bounds of the HTTP layer, the health paths that
 * are handed in, and which upgrades are let through, one after the other (upgrade-line.ts).
 */
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../base/clock.js";
import { AppError, errorText } from "../../base/errors.js";
import { SUBPROTOCOL } from "../../protocol/frames.js";
import { UpgradeLine } from "./upgrade-line.js";

const HEADERS_MS_MAX = 5_000;
const REQUEST_MS_MAX = 10_000;
/** The two above are checked this often. */
const CHECK_MS = 2_000;
const HEADER_BYTES_MAX = 8 * 1024;

/** Connections that the kernel may hold until we come to them; what comes beyond tries again after a second or more. */
const BACKLOG = 4_096;

const loopbackHosts = new Set(["localhost", "127.0.0.1", "[::1]", "::1"]);

export interface DoorOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly clock: Clock;
  /** Origins that browsers may connect from; undefined for any, "loopback" for pages of this machine. */
  readonly origins: readonly string[] | "loopback" | undefined;
  readonly connectionsMax: number;
  /** Answers plain HTTP requests (health). */
  readonly onRequest: RequestListener;
  readonly onRefused: (reason: string) => void;
  /** Something of ours is wrong. */
  readonly onFailed: (error: unknown) => void;
  readonly onUpgrade: (upgrade: Upgrade) => UpgradeAnswer;
}

export interface Upgrade {
  readonly request: IncomingMessage;
  readonly stream: Duplex;
  readonly head: Buffer;
  /** A browser: it cannot see the status of a refusal. */
  readonly isBrowser: boolean;
}

/** `later`: no room for it now, soon perhaps. Otherwise refused, with the seconds after which to come back (503). */
export type UpgradeAnswer = "taken" | "later" | { readonly retryInS: number };

/** Asked of a client for whom there was no room in time. */
const LATER_RETRY_S = 5;

export class HttpDoor {
  readonly #options: DoorOptions;
  readonly #server: Server;
  readonly #line: UpgradeLine<Upgrade>;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#line = new UpgradeLine({
      clock: options.clock,
      take: (upgrade) => this.#take(upgrade),
      refuse: ({ stream }) => {
        this.#refuse(stream, "503 Service Unavailable", "line", LATER_RETRY_S);
      },
      onFailed: options.onFailed,
    });
    this.#server = createServer(
      {
        headersTimeout: HEADERS_MS_MAX,
        requestTimeout: REQUEST_MS_MAX,
        connectionsCheckingInterval: CHECK_MS,
        maxHeaderSize: HEADER_BYTES_MAX,
        noDelay: true,
      },
      options.onRequest,
    );
    this.#server.maxConnections = options.connectionsMax;
    this.#server.on("connection", () => {
      this.#line.accepted();
    });
    this.#server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      this.#enter(request, stream, head);
    });
  }

  /** Throws BROKER_LISTEN_FAILED. */
  async listen(): Promise<AddressInfo> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      const onError = (error: Error): void => {
        const message = `opening ${host}:${port} for clients: ${errorText(error)}`;
        reject(new AppError("BROKER_LISTEN_FAILED", message, { cause: error }));
      };
      this.#server.once("error", onError);
      this.#server.listen({ port, host, backlog: BACKLOG }, () => {
        this.#server.off("error", onError);
        resolve();
      });
    });
    return this.#server.address() as AddressInfo;
  }

  /** Takes no more connections; open ones stay. Resolves when the last has gone. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      this.#server.closeIdleConnections();
    });
  }

  /** Cuts what is left of plain HTTP. */
  destroy(): void {
    for (const { stream } of this.#line.clear()) stream.destroy();
    this.#server.closeAllConnections();
  }

  #enter(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    // Until the library takes over, a reset must not throw.
    stream.on("error", () => undefined);
    const refusal = this.#refusal(request);
    if (refusal !== undefined) {
      this.#refuse(stream, refusal.status, refusal.reason);
      return;
    }
    this.#line.add({ request, stream, head, isBrowser: request.headers.origin !== undefined });
  }

  #take(upgrade: Upgrade): "taken" | "later" {
    if (upgrade.stream.destroyed) return "taken";
    const answer = this.#options.onUpgrade(upgrade);
    if (typeof answer === "string") return answer;
    this.#refuse(upgrade.stream, "503 Service Unavailable", "full", answer.retryInS);
    return "taken";
  }

  #refusal(request: IncomingMessage): { status: string; reason: string } | undefined {
    const { path } = this.#options;
    const [asked] = (request.url ?? "").split("?");
    if (asked !== path) return { status: "404 Not Found", reason: "path" };
    if (!this.#allows(request.headers.origin)) {
      return { status: "403 Forbidden", reason: "origin" };
    }
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",");
    if (!offered.some((name) => name.trim() === SUBPROTOCOL)) {
      return { status: "400 Bad Request", reason: "subprotocol" };
    }
    return undefined;
  }

  #allows(origin: string | undefined): boolean {
    const { origins } = this.#options;
    if (origin === undefined || origins === undefined) return true;
    if (origins !== "loopback") return origins.includes(origin);
    return URL.canParse(origin) && loopbackHosts.has(new URL(origin).hostname);
  }

  #refuse(stream: Duplex, status: string, reason: string, retryInS?: number): void {
    this.#options.onRefused(reason);
    const retry = retryInS === undefined ? "" : `Retry-After: ${retryInS}\r\n`;
    const text = `refused: ${reason}\n`;
    const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n${retry}`;
    stream.end(`${head}Content-Length: ${text.length}\r\n\r\n${text}`, () => {
      stream.destroy();
    });
  }
}

/** Whether nobody beyond this machine reaches `host`. */
export function isLoopback(host: string): boolean {
  return loopbackHosts.has(host) || host.startsWith("127.");
}
