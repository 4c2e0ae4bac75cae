/**
 * The ordinary connection beside the stream: asks where the log stands and what a table looks like, one
 * statement at a time. It breaks with the first failure, and the session with it.
 */
import { AppError } from "../../src/base/errors.js";
import type { Client } from "pg";
import type { Clock } from "../../src/base/clock.js";
import { connect, endClient, failureOf } from "./connection.js";
import type { Connecting } from "./connection.js";
import { parseLsn } from "./wal-position.js";

/** A catalogue query takes milliseconds; a server that is silent this long is gone. */
export const QUERY_TIMEOUT_MS = 30_000;

export type TextRow = Readonly<Record<string, string | null>>;

export interface ControlOptions {
  readonly connecting: Connecting;
  readonly applicationName: string;
  readonly clock: Clock;
}

export class ControlConnection {
  readonly #client: Client;
  readonly #clock: Clock;
  #last: Promise<unknown> = Promise.resolve();
  #failure: AppError | undefined;

  private constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  static async open(options: ControlOptions, signal: AbortSignal): Promise<ControlConnection> {
    const { connecting, applicationName, clock } = options;
    const bounded = { ...connecting, queryTimeoutMs: QUERY_TIMEOUT_MS };
    return new ControlConnection(await connect(bounded, signal, applicationName), clock);
  }

  /** All values are text. `doing` begins the message of a failure. */
  async rows(doing: string, text: string, values: readonly unknown[] = []): Promise<TextRow[]> {
    return this.use(doing, async (client) => (await client.query<TextRow>(text, [...values])).rows);
  }

  /** The client for somebody who needs several statements; others wait meanwhile. */
  async use<T>(doing: string, work: (client: Client) => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => {
      if (this.#failure !== undefined) throw this.#failure;
      return work(this.#client);
    });
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } catch (error) {
      const failure = failureOf(error, doing);
      // No answer, or none any more: whoever waits in line need not find that out again.
      const isOurs = error instanceof AppError || failure.context["sqlState"] !== undefined;
      if (!isOurs) {
        this.#failure = failure;
        await this.close();
      }
      throw failure;
    }
  }

  /** Up to where the log can be read: flushed, or on a standby replayed. */
  async head(): Promise<bigint> {
    const [row] = await this.rows(
      "asking where the log stands",
      `select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                   else pg_current_wal_flush_lsn() end as lsn`,
    );
    return parseLsn(row?.["lsn"] ?? "0/0");
  }

  close(): Promise<void> {
    return endClient(this.#client, this.#clock);
  }
}
