/**
 * A slot's stream over a connection of its own: begun at 0/0, which is where the slot stands; messages go to
 * handlers that never throw, inside the socket's callback; the socket is paused by us, and nothing is
 * acknowledged that we are not told. The messages of the copy are those of
 * https://www.postgresql.org/docs/current/protocol-replication.html
 */
import type { Client } from "pg";
import { raceAbort } from "../../src/base/abort.js";
import type { Clock } from "../../src/base/clock.js";
import { AppError } from "../../src/base/errors.js";
import { connect, endClient, failureOf, socketOf } from "./connection.js";
import type { ConnectionTarget } from "./connection.js";
import { cutFrames } from "./copy-frames.js";
import { microseconds, unreadable } from "./pgoutput.js";
import { parseLsn } from "./wal-position.js";

export interface ReplicationTarget {
  readonly connection: ConnectionTarget;
  readonly applicationName: string;
  readonly slot: string;
  readonly publication: string;
  readonly clock: Clock;
}

/** Called from the socket; what they throw ends the stream. */
export interface ReplicationHandlers {
  /** One message of the output plug-in: what stands between the two places. The bytes stay as they are. */
  data(bytes: Buffer, from: number, to: number): void;
  /** What one reading of the socket brought has been told. */
  rest?(): void;
  /** Everything written below `walEnd` has been sent. */
  keepalive(walEnd: bigint, wantsReply: boolean): void;
  /** Once, and nothing comes after it. */
  ended(error: unknown): void;
}

const XLOG_DATA = 0x77;
/** Its kind, where its bytes begin in the log, the log's end, the server's clock. */
const XLOG_HEADER_BYTES = 25;
const KEEPALIVE = 0x6b;
const STANDBY_STATUS = 0x72;
const STATUS_BYTES = 34;

export class ReplicationStream {
  readonly #target: ReplicationTarget;
  readonly #handlers: ReplicationHandlers;
  #client: Client | undefined;
  #isEnded = false;
  #holds = 0;

  constructor(target: ReplicationTarget, handlers: ReplicationHandlers) {
    this.#target = target;
    this.#handlers = handlers;
  }

  /** Resolves once the server has begun to stream. After a rejection nothing is left open. */
  async start(signal: AbortSignal): Promise<void> {
    const { connection, applicationName, slot } = this.#target;
    try {
      const client = await connect({ connection }, signal, applicationName, "database");
      this.#client = client;
      await raceAbort(this.#begin(client), signal);
    } catch (error) {
      await this.close();
      if (signal.aborted) throw signal.reason;
      throw streamFailure(error, slot);
    }
  }

  /** Tells the server that everything below `lsn` is durable; may ask for a keepalive in return. */
  acknowledge(lsn: bigint, wantsReply: boolean): void {
    if (this.#isEnded || lsn === 0n || this.#client === undefined) return;
    const status = Buffer.alloc(STATUS_BYTES);
    status[0] = STANDBY_STATUS;
    // Written, flushed and applied: here they are one.
    for (const at of [1, 9, 17]) status.writeBigUInt64BE(lsn, at);
    status.writeBigInt64BE(microseconds(this.#target.clock.now()), 25);
    status[33] = wantsReply ? 1 : 0;
    // A connection that breaks meanwhile says so itself.
    socketOf(this.#client).sendCopyFromChunk(status);
  }

  /** Several may hold the socket; it goes on when the last has let go. */
  pause(): void {
    this.#holds += 1;
    if (this.#client !== undefined) socketOf(this.#client).stream.pause();
  }

  resume(): void {
    this.#holds -= 1;
    if (this.#holds === 0 && this.#client !== undefined) socketOf(this.#client).stream.resume();
  }

  /** May be called twice. Never rejects. */
  async close(): Promise<void> {
    this.#isEnded = true;
    const client = this.#client;
    if (client === undefined) return;
    this.#client = undefined;
    this.#finishCopy(client);
    await endClient(client, this.#target.clock);
  }

  /** A server that is told so ends its side at once, instead of at its next write. */
  #finishCopy(client: Client): void {
    try {
      socketOf(client).endCopyFrom();
    } catch {
      // The socket is gone already.
    }
  }

  #begin(client: Client): Promise<void> {
    const { slot, publication } = this.#target;
    const inner = socketOf(client);
    return new Promise((resolve, reject) => {
      const refuse = (cause: unknown): void => {
        reject(streamFailure(cause, slot));
        this.#end(cause);
      };
      inner.once("replicationStart", resolve);
      const read = (bytes: Buffer, from: number, to: number): void => {
        this.#guarded(bytes, from, to);
      };
      const rest = (): void => {
        if (!this.#isEnded) this.#handlers.rest?.();
      };
      cutFrames(inner.stream, { copyData: read, rest, failed: refuse });
      client.on("error", refuse);
      // A list of SQL names inside a literal: both ways of quoting.
      const names = `"${publication.replaceAll('"', '""')}"`.replaceAll("'", "''");
      const command = `START_REPLICATION SLOT "${slot}" LOGICAL 0/0
        (proto_version '1', publication_names '${names}')`;
      client.query(command).then(() => {
        const ended = `reading the slot ${slot}: the server ended the stream`;
        refuse(new AppError("CONNECTOR_CONNECTION_LOST", ended));
      }, refuse);
    });
  }

  #guarded(bytes: Buffer, from: number, to: number): void {
    if (this.#isEnded) return;
    try {
      const kind = bytes[from];
      if (kind === XLOG_DATA) this.#handlers.data(bytes, from + XLOG_HEADER_BYTES, to);
      else if (kind === KEEPALIVE) {
        this.#handlers.keepalive(bytes.readBigUInt64BE(from + 1), bytes[from + 17] === 1);
      } else throw unreadable(`a copy message of kind ${String(kind)}`);
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
