/** The shop on Postgres, or only its orders, where the products are elsewhere. */
import pg from "pg";
import { type Child, firstWord } from "./children.js";
import type { Compared } from "./compare.js";
import type { DatabaseWord } from "./database.js";
import { comparePostgres } from "./postgres-compare.js";
import { createShop } from "./shop.js";
import type { ShopSide, ShopTraffic, SideContext } from "./shop-side.js";
import { ShopWriter } from "./writer.js";

export interface PostgresSideOptions {
  readonly source: string;
  /** All of the shop, or its orders alone. */
  readonly holds: "shop" | "orders";
}

export class PostgresSide implements ShopSide {
  readonly source: string;
  #title = "Postgres";
  #url = "";
  readonly #holds: "shop" | "orders";
  readonly #context: SideContext;
  readonly #clients: pg.Client[] = [];
  #server: Child | undefined;
  #asked: Promise<pg.Client> | undefined;

  constructor({ source, holds }: PostgresSideOptions, context: SideContext) {
    this.source = source;
    this.#holds = holds;
    this.#context = context;
  }

  get title(): string {
    return this.#title;
  }

  get env(): Readonly<Record<string, string>> {
    return { CHANGECAST_DEMO_URL: this.#url };
  }

  async start(): Promise<void> {
    const { server, word } = firstWord<DatabaseWord>("./database.js", "postgres", this.#context);
    this.#server = server;
    const answer = await word;
    if ("failed" in answer) throw new Error(answer.failed);
    this.#url = answer.url;
    this.#title = `Postgres ${answer.version}`;
    await createShop(await this.#connect());
  }

  async traffic(seed: number): Promise<ShopTraffic> {
    return new ShopWriter(await this.#connect(), seed, this.#holds);
  }

  readonly pageClient = async (): Promise<pg.Client | undefined> => {
    return this.#holds === "shop" ? this.#connect() : undefined;
  };

  async position(): Promise<string> {
    const { rows } = await (
      await this.#client()
    ).query<{ at: string }>("select pg_current_wal_lsn()::text as at");
    return rows[0]?.at ?? "";
  }

  async progress(): Promise<string> {
    const { rows } = await (
      await this.#client()
    ).query<{ position: string | null; behind: string | null }>(
      `select confirmed_flush_lsn::text as position,
              pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::text as behind
       from pg_replication_slots where slot_type = 'logical' limit 1`,
    );
    const { position, behind } = rows[0] ?? { position: null, behind: null };
    return `acknowledged ${position ?? "–"}, lag ${bytes(Number(behind ?? 0))}`;
  }

  async compare(file: string, channels: readonly string[]): Promise<readonly Compared[]> {
    return comparePostgres(await this.#client(), { file, channels, holds: this.#holds });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end().catch(() => undefined)));
    await this.#server?.stop();
  }

  /** For questions; the traffic has its own. */
  #client(): Promise<pg.Client> {
    return (this.#asked ??= this.#connect());
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#url });
    // What ends a session fails its query too; the demo's end needs no second word about it.
    client.on("error", () => undefined);
    await client.connect();
    await client.query("set timezone = 'UTC'");
    this.#clients.push(client);
    return client;
  }
}

function bytes(count: number): string {
  return count < 10_000 ? `${String(count)} B` : `${(count / 1_024).toFixed(0)} KiB`;
}
