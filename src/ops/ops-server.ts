/**
 * The operators' port: health and metrics, apart from the clients' port and on loopback unless told
 * otherwise. Opened before and closed after everything else, so that a start and a stop can be watched.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { AppError } from "../base/errors.js";
import type { HttpAnswers } from "./http-answers.js";

export interface OpsAddress {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** A request here is one short line: nobody may hold a connection open for longer. */
const HTTP_LIMITS = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 8 * 1024,
  keepAliveTimeout: 5_000,
} as const;

const CONNECTIONS_MAX = 64;

export class OpsServer {
  readonly #server: Server;

  constructor(answers: HttpAnswers) {
    this.#server = createServer(HTTP_LIMITS, answers);
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Resolves with the port. Errors: OPS_LISTEN_FAILED. */
  listen({ host, port }: OpsAddress): Promise<number> {
    return new Promise((resolve, reject) => {
      const refuse = (cause: NodeJS.ErrnoException): void => {
        reject(listenError(host, port, cause));
      };
      this.#server.once("error", refuse);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", refuse);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** May be called twice, and without `listen`. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      this.#server.closeAllConnections();
    });
  }
}

function listenError(host: string, port: number, cause: NodeJS.ErrnoException): AppError {
  const found =
    cause.code === "EADDRINUSE" ? "another process listens there" : (cause.code ?? cause.message);
  return new AppError("OPS_LISTEN_FAILED", `opening ${host}:${port} for operators: ${found}`, {
    context: { host, port, code: cause.code },
    cause,
  });
}
