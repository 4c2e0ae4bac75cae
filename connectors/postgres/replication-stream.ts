/**
 * The one user of `pg-logical-replication`, used so that nothing it gets wrong can happen: a fresh service
 * per connection; started at 0/0; it acknowledges nothing by itself; messages are read by us as bytes,
 * inside the socket's callback, by handlers that never throw; the socket is paused by us. What the
 * library sends as "received" is one above what it is told, and a commit may begin exactly there: so it
 * is told one less.
 */
import { LogicalReplicationService } from "pg-logical-replication";
import type { Client } from "pg";
import { raceAbort } from "../../src/base/abort.js";
import type { Clock } from "../../src/base/clock.js";
import { AppError } from "../../src/base/errors.js";
import { clientConfig, connect, endClient, failureOf, socketOf } from "./connection.js";
import type { ConnectionTarget, InnerConnection } from "./connection.js";
import { lsnText, parseLsn } from "./wal-position.js";

export interface ReplicationTarget {
  readonly connection: ConnectionTarget;
  readonly applicationName: string;
  readonly slot: string;
  readonly publication: string;
  readonly clock: Clock;
}

/** Called from the socket; what they throw ends the stream. */
export interface ReplicationHandlers {
  /** One message of the output plug-in. The bytes are only valid during the call. */
  data(bytes: Buffer): void;
  /** Everything written below `walEnd` has been sent. */
  keepalive(walEnd: bigint, wantsReply: boolean): void;
  /** Once, and nothing comes after it. */
  ended(error: unknown): void;
}

export class ReplicationStream {
  readonly #target: ReplicationTarget;
  readonly #handlers: ReplicationHandlers;
  readonly #service: LogicalReplicationService;
  #client: Client | undefined;
  #isEnded = false;
  #holds = 0;

  constructor(target: ReplicationTarget, handlers: ReplicationHandlers) {
    this.#target = target;
    this.#handlers = handlers;
    const { connection, applicationName } = target;
    this.#service = new LogicalReplicationService(clientConfig(connection, applicationName), {
      acknowledge: { auto: false, timeoutSeconds: 0 },
      flowControl: { enabled: false },
    });
  }

  /** Resolves once the server has begun to stream. After a rejection nothing is left open. */
  async start(signal: AbortSignal): Promise<void> {
    const started = new Promise<void>((resolve, reject) => {
      this.#service.on("start", resolve);
      const refuse = (cause: unknown): void => {
        reject(streamFailure(cause, this.#target.slot));
        this.#end(cause);
      };
      this.#service.on("error", refuse);
      this.#service.on("heartbeat", (lsn, _at, wantsReply) => {
        this.#guarded(() => {
          this.#handlers.keepalive(parseLsn(lsn), wantsReply);
        });
      });
      const { slot } = this.#target;
      const plugin = {
        ...{ options: {}, name: "pgoutput" },
        start: (client: Client) => this.#begin(client),
        parse: (bytes: Buffer) => {
          this.#guarded(() => {
            this.#handlers.data(bytes);
          });
        },
      };
      const ended = `reading the slot ${slot}: the server ended the stream`;
      this.#service.subscribe(plugin, slot, "0/0").then(() => {
        refuse(new AppError("CONNECTOR_CONNECTION_LOST", ended));
      }, refuse);
    });
    try {
      await raceAbort(started, signal);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Tells the server that everything below `lsn` is durable; may ask for a keepalive in return. */
  acknowledge(lsn: bigint, wantsReply: boolean): void {
    if (this.#isEnded || lsn === 0n) return;
    // A connection that breaks meanwhile says so itself.
    this.#service.acknowledge(lsnText(lsn - 1n), wantsReply).catch(() => undefined);
  }

  /** Several may hold the socket; it goes on when the last has let go. */
  pause(): void {
    this.#holds += 1;
    this.#socket?.pause();
  }

  resume(): void {
    this.#holds -= 1;
    if (this.#holds === 0) this.#socket?.resume();
  }

  /** May be called twice. Never rejects. */
  async close(): Promise<void> {
    this.#isEnded = true;
    const client = this.#client;
    if (client === undefined) {
      await this.#service.destroy().catch(() => undefined);
      return;
    }
    this.#client = undefined;
    this.#finishCopy(client);
    await endClient(client, this.#target.clock);
    await this.#service.destroy().catch(() => undefined);
    // The library removes the listeners of a connection whose last errors may still be on their way.
    client.on("error", () => undefined);
  }

  get #socket(): InnerConnection["stream"] | undefined {
    return this.#client === undefined ? undefined : socketOf(this.#client).stream;
  }

  /** A server that is told so ends its side at once, instead of at its next write. */
  #finishCopy(client: Client): void {
    try {
      socketOf(client).endCopyFrom();
    } catch {
      // The socket is gone already.
    }
  }

  #begin(client: Client): Promise<unknown> {
    this.#client = client;
    const { slot, publication } = this.#target;
    // A list of SQL names inside a literal: both ways of quoting.
    const names = `"${publication.replaceAll('"', '""')}"`.replaceAll("'", "''");
    return client.query(
      `START_REPLICATION SLOT "${slot}" LOGICAL 0/0
        (proto_version '1', publication_names '${names}')`,
    );
  }

  #guarded(handle: () => void): void {
    if (this.#isEnded) return;
    try {
      handle();
    } catch (error) {
      this.#end(error);
    }
  }

  #end(error: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#handlers.ended(streamFailure(error, this.#target.slot));
  }
}

export interface SystemFacts {
  /** Names the cluster: set when it was made, equal for its standbys. */
  readonly system: string;
  /** Rises with every restore or promotion. */
  readonly timeline: string;
  /** Up to where the log can be read. */
  readonly head: bigint;
}

/** Asked over a replication connection, which also shows early whether we may have one. */
export async function identifySystem(
  target: Pick<ReplicationTarget, "connection" | "applicationName" | "clock">,
  signal: AbortSignal,
): Promise<SystemFacts> {
  const { connection, applicationName, clock } = target;
  const doing = "connecting for replication";
  const client = await connect({ connection }, signal, applicationName, "database");
  try {
    const { rows } = await raceAbort(client.query<Row>("IDENTIFY_SYSTEM"), signal);
    const { systemid = "", timeline = "", xlogpos = "0/0" } = rows[0] ?? {};
    return { system: systemid, timeline, head: parseLsn(xlogpos) };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw failureOf(error, doing);
  } finally {
    await endClient(client, clock);
  }
}

type Row = Readonly<Partial<Record<"systemid" | "timeline" | "xlogpos", string>>>;

/** What a failed stream is called. */
export function streamFailure(error: unknown, slot: string): AppError {
  const doing = `reading the slot ${slot}`;
  const failure = failureOf(error, doing);
  const { message, context } = failure;
  const state = context["sqlState"];
  const code = slotCode(state, message);
  return code === undefined ? failure : new AppError(code, message, { context, cause: error });
}

type SlotCode = "POSTGRES_SLOT_BUSY" | "POSTGRES_SLOT_BROKEN";

/** By SQLSTATE; the last resort is a text of the server that has no state of its own. */
function slotCode(state: unknown, message: string): SlotCode | undefined {
  if (state === "55006") return "POSTGRES_SLOT_BUSY";
  // Invalidated, dropped meanwhile, a publication unknown to the past that is decoded, WAL removed.
  if (state === "55000" || state === "42704" || state === "58P01") return "POSTGRES_SLOT_BROKEN";
  return message.includes("could not map filenumber") ? "POSTGRES_SLOT_BROKEN" : undefined;
}
