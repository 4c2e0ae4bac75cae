/**
 * The broker: listens, holds sessions, and keeps them in step with a journal that it only reads. Knows
 * nothing of sources, rules or connectors but their names.
 */
import type { IncomingMessage, RequestListener } from "node:http";
import { systemRandom } from "../base/clock.js";
import { AppError } from "../base/errors.js";
import { Announcer } from "./announcer.js";
import type { BrokerOptions } from "./broker-options.js";
import { createContext } from "./create-context.js";
import type { BrokerContext } from "./broker-context.js";
import { drainSessions } from "./drain.js";
import { Reception } from "./reception.js";
import { HttpDoor, isLoopback } from "./transports/http-door.js";

/** Connections beyond the sessions: health checks, and refusals that are being written. */
const SPARE_CONNECTIONS = 256;

export interface Broker {
  /**
   * Listens and serves until the signal; then asks clients to leave within `limits.drainMs`, closes them
   * and resolves. Throws BROKER_LISTEN_FAILED and BROKER_LISTEN_OPEN.
   */
  run(signal: AbortSignal): Promise<void>;
  statistics(): BrokerStatistics;
}

export interface BrokerStatistics {
  readonly sessions: number;
  readonly attachments: number;
  /** Sessions that stand at the journal's head, and those that do not. */
  readonly live: number;
  readonly behind: number;
}

/** Throws AUTH_SECRET_WEAK. Nothing runs before `run`. */
export function createBroker(options: BrokerOptions): Broker {
  const { context, failure } = createContext(options);
  return {
    run: (signal) => run(options, context, { signal, failure }),
    statistics: () => statisticsOf(context),
  };
}

async function run(
  options: BrokerOptions,
  context: BrokerContext,
  ends: { readonly signal: AbortSignal; readonly failure: AbortController },
): Promise<void> {
  const { signal, failure } = ends;
  const { host } = options.listen;
  if (options.auth === undefined && !isLoopback(host)) {
    const message = `opening ${host} for clients: no authentication is configured`;
    throw new AppError("BROKER_LISTEN_OPEN", message);
  }
  const reception = new Reception(context, options.random ?? systemRandom);
  const door = new HttpDoor({
    ...options.listen,
    path: options.path ?? "/v1",
    clock: context.clock,
    origins: options.origins ?? (options.auth === undefined ? "loopback" : undefined),
    connectionsMax: context.limits.sessionsMax + SPARE_CONNECTIONS,
    onRequest: options.onRequest ?? answerNotFound,
    onRefused: (reason) => {
      context.metrics.refused(reason);
    },
    onFailed: context.fail,
    onUpgrade: (upgrade) => reception.take(upgrade),
  });
  const address = await door.listen();
  const hubEnd = new AbortController();
  const hub = context.hub.run(hubEnd.signal).catch(context.fail);
  const announcer = new Announcer(context);
  context.wheel.start(() => {
    announcer.tell().catch(context.fail);
  });
  context.log.info("broker.opened", { host: address.address, port: address.port });
  options.onListening?.({ host: address.address, port: address.port });
  try {
    await untilAborted(AbortSignal.any([signal, failure.signal]));
    reception.stop();
    const closed = door.close();
    if (!failure.signal.aborted) await drainSessions(context, failure.signal);
    for (const session of context.sessions) session.socket.destroy();
    door.destroy();
    await closed;
  } finally {
    context.wheel.stop();
    hubEnd.abort(new Error("the broker ended"));
    await hub;
    context.log.info("broker.closed");
  }
  if (failure.signal.aborted) throw failure.signal.reason as Error;
}

function answerNotFound(_request: IncomingMessage, response: Parameters<RequestListener>[1]): void {
  response.writeHead(404).end();
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else {
      signal.addEventListener(
        "abort",
        () => {
          resolve();
        },
        { once: true },
      );
    }
  });
}

function statisticsOf(context: BrokerContext): BrokerStatistics {
  let live = 0;
  let behind = 0;
  for (const { phase } of context.sessions) {
    if (phase === "live") live += 1;
    else if (phase === "catching" || phase === "lagging") behind += 1;
  }
  const { attachments } = context.hub;
  return { sessions: context.sessions.size, attachments, live, behind };
}
