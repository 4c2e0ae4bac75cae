/**
 * A bank whose every transaction keeps the sum of all money: random transactions over accounts, vaults, a
 * partitioned table, documents with many channels and a trail of events. Every choice comes from the seed. A
 * transaction that finds its rows gone, or meets a lock of the other writer, is rolled back and counts too.
 */
import { randomBytes } from "node:crypto";
import type pg from "pg";
import type { SeededRandom } from "./seeded-random.js";

export const MONEY_TOTAL = 1_000_000;
export const REGIONS = 3;
export const SHELVES = 3;
export const TAGS = ["red", "green", "blue", "grey"] as const;

const ACCOUNTS_AT_FIRST = 40;
const ACCOUNT_IDS = 70;
const ITEM_IDS = 90;
const DOC_IDS = 40;
/** Long enough to be stored out of line, and random, so that compression does not bring it back in. */
const LARGE_BYTES = 2_600;

const schema = `
create table public.accounts (
  id bigint primary key, region int not null, balance numeric(14,2) not null,
  note text, extra jsonb);
create table public.vaults (
  id int primary key, balance numeric(14,2) not null, opened timestamptz not null default now());
create table public.items (
  id int not null, shelf int not null, hidden bool not null default false, weight float8, body text,
  primary key (id, shelf)) partition by list (shelf);
create table public.items_0 partition of public.items for values in (0);
create table public.items_1 partition of public.items for values in (1);
create table public.items_2 partition of public.items for values in (2);
create table public.docs (
  id int primary key, title text, tags text[] not null default '{}', body text);
create table public.trail (id bigserial primary key, account bigint not null, amount numeric(14,2));
`;

export async function createBank(client: pg.Client): Promise<void> {
  await client.query(schema);
  await client.query(
    `insert into accounts select n, n % ${REGIONS}, 1000, case when n % 4 = 0 then repeat(md5(n::text), 90) end,
       jsonb_build_object('n', n) from generate_series(1, ${ACCOUNTS_AT_FIRST}) n`,
  );
  await client.query(
    `insert into vaults (id, balance) values (1, ${MONEY_TOTAL / 2}), (2, ${MONEY_TOTAL / 2 - ACCOUNTS_AT_FIRST * 1000})`,
  );
  await client.query(
    `insert into items select n, n % ${SHELVES}, n % 5 = 0, n / 3.0, repeat('x', n) from generate_series(1, 50) n`,
  );
  await client.query(
    `insert into docs select n, 'doc ' || n, array[(array['red','green','blue','grey'])[1 + n % 4]], repeat('y', n)
     from generate_series(1, 20) n`,
  );
  await client.query(
    "insert into trail (account, amount) select n, n from generate_series(1, 5) n",
  );
}

type Step = (writer: BankWriter) => Promise<void>;

/** Ends the transaction without effect: its rows are gone. */
class NothingToDo extends Error {}

/** Postgres said no for reasons of concurrency: lock timeout, deadlock, serialisation, a key taken by the other. */
const PASSING_CODES = new Set(["55P03", "40P01", "40001", "23505"]);

export class BankWriter {
  readonly #client: pg.Client;
  readonly #random: SeededRandom;
  readonly #name: string;
  #prepared = 0;
  committed = 0;
  rolledBack = 0;

  constructor(client: pg.Client, random: SeededRandom, name: string) {
    this.#client = client;
    this.#random = random;
    this.#name = name;
  }

  /** One transaction of one to four steps. */
  async transaction(): Promise<void> {
    const steps = Array.from({ length: 1 + this.#random.below(4) }, () => this.#draw());
    await this.query("begin");
    try {
      for (const step of steps) {
        if (this.#random.below(8) === 0) await this.#abandoned();
        await step(this);
      }
      await this.#end();
    } catch (error) {
      await this.query("rollback");
      this.rolledBack += 1;
      const code = (error as { code?: string }).code ?? "";
      if (!(error instanceof NothingToDo) && !PASSING_CODES.has(code)) throw error;
    }
  }

  async query(sql: string, ...values: unknown[]): Promise<number> {
    return (await this.#client.query(sql, values)).rowCount ?? 0;
  }

  /** A statement that must touch a row. */
  async must(sql: string, ...values: unknown[]): Promise<void> {
    if ((await this.query(sql, ...values)) === 0) throw new NothingToDo();
  }

  /** Mostly a commit; sometimes a rollback, or in two phases. */
  async #end(): Promise<void> {
    const draw = this.#random.below(20);
    if (draw === 0) throw new NothingToDo();
    if (draw > 2) await this.query("commit");
    else {
      this.#prepared += 1;
      const name = `${this.#name}-${this.#prepared}`;
      await this.query(`prepare transaction '${name}'`);
      await this.query("insert into trail (account, amount) values (0, 0)");
      const kept = this.#random.below(4) > 0;
      await this.query(`${kept ? "commit" : "rollback"} prepared '${name}'`);
      if (!kept) {
        this.rolledBack += 1;
        return;
      }
    }
    this.committed += 1;
  }

  /** Work behind a savepoint that is given up: money out of nothing that nobody may ever see. */
  async #abandoned(): Promise<void> {
    await this.query("savepoint s");
    await this.query(
      "update accounts set balance = balance + 500 where region = $1",
      this.#random.below(REGIONS),
    );
    await this.query("delete from vaults where id = 2");
    await this.query("rollback to savepoint s");
  }

  #draw(): Step {
    const steps: readonly Step[] = [
      ...[transferOut, transferOut, transferIn, transferBetween, transferBetween],
      ...[openAccount, closeAccount, moveAccount, rekeyAccount, annotate, touch],
      ...[addItem, addItem, moveItem, hideItem, dropItem, truncateItems],
      ...[addDoc, tagDoc, dropDoc, growDoc],
    ];
    return this.#random.pick(steps) ?? transferOut;
  }

  account(): number {
    return 1 + this.#random.below(ACCOUNT_IDS);
  }
  item(): number {
    return 1 + this.#random.below(ITEM_IDS);
  }
  doc(): number {
    return 1 + this.#random.below(DOC_IDS);
  }
  below(bound: number): number {
    return this.#random.below(bound);
  }
  tags(): string[] {
    return TAGS.filter(() => this.#random.below(3) === 0);
  }
}

// ---------------------------------------------------------------- money

async function transferOut(w: BankWriter): Promise<void> {
  const amount = w.below(10_000) / 100;
  const account = w.account();
  await w.must("update accounts set balance = balance - $2 where id = $1", account, amount);
  await w.must("update vaults set balance = balance + $2 where id = $1", 1 + w.below(2), amount);
  await w.must("insert into trail (account, amount) values ($1, $2)", account, -amount);
}

async function transferIn(w: BankWriter): Promise<void> {
  const amount = w.below(10_000) / 100;
  const account = w.account();
  await w.must("update vaults set balance = balance - $2 where id = $1", 1 + w.below(2), amount);
  await w.must("update accounts set balance = balance + $2 where id = $1", account, amount);
  await w.must("insert into trail (account, amount) values ($1, $2)", account, amount);
}

async function transferBetween(w: BankWriter): Promise<void> {
  const amount = w.below(10_000) / 100;
  const [from, to] = [w.account(), w.account()];
  await w.must("update accounts set balance = balance - $2 where id = $1", from, amount);
  await w.must("update accounts set balance = balance + $2 where id = $1", to, amount);
}

async function openAccount(w: BankWriter): Promise<void> {
  await w.must("update vaults set balance = balance - 250.5 where id = $1", 1 + w.below(2));
  await w.must(
    "insert into accounts values ($1, $2, 250.5, $3, $4) on conflict do nothing",
    w.account(),
    w.below(REGIONS),
    w.below(3) === 0 ? large() : null,
    JSON.stringify({ opened: true, big: "9007199254740993" }),
  );
}

async function closeAccount(w: BankWriter): Promise<void> {
  await w.must(
    `with gone as (delete from accounts where id = $1 returning balance)
     update vaults set balance = vaults.balance + gone.balance from gone where vaults.id = $2`,
    w.account(),
    1 + w.below(2),
  );
}

async function moveAccount(w: BankWriter): Promise<void> {
  await w.must(
    "update accounts set region = (region + $2) % $3 where id = $1",
    w.account(),
    1 + w.below(REGIONS - 1),
    REGIONS,
  );
}

async function rekeyAccount(w: BankWriter): Promise<void> {
  await w.must(
    "update accounts set id = $2 where id = $1 and not exists (select 1 from accounts where id = $2)",
    w.account(),
    w.account(),
  );
}

async function annotate(w: BankWriter): Promise<void> {
  const note = w.below(4) === 0 ? null : large();
  await w.must("update accounts set note = $2 where id = $1", w.account(), note);
}

/** Changes nothing, and is sent all the same. */
async function touch(w: BankWriter): Promise<void> {
  await w.must("update accounts set region = region where id = $1", w.account());
}

// ---------------------------------------------------------------- partitions

async function addItem(w: BankWriter): Promise<void> {
  await w.must(
    `insert into items values ($1, $2, $3, $4, $5)
     on conflict (id, shelf) do update set body = excluded.body, weight = excluded.weight`,
    w.item(),
    w.below(SHELVES),
    w.below(5) === 0,
    w.below(1_000) / 7,
    w.below(4) === 0 ? large() : null,
  );
}

async function moveItem(w: BankWriter): Promise<void> {
  await w.must("update items set shelf = (shelf + 1) % $2 where id = $1", w.item(), SHELVES);
}

async function hideItem(w: BankWriter): Promise<void> {
  await w.must("update items set hidden = not hidden where id = $1", w.item());
}

async function dropItem(w: BankWriter): Promise<void> {
  await w.must("delete from items where id = $1", w.item());
}

async function truncateItems(w: BankWriter): Promise<void> {
  if (w.below(3) > 0) throw new NothingToDo();
  const leaf = w.below(SHELVES + 1);
  await w.query(leaf === SHELVES ? "truncate items" : `truncate items_${leaf}`);
}

// ---------------------------------------------------------------- many channels

async function addDoc(w: BankWriter): Promise<void> {
  await w.must(
    "insert into docs values ($1, $2, $3, $4) on conflict (id) do update set tags = excluded.tags",
    w.doc(),
    `doc ${w.below(1_000)}`,
    w.tags(),
    w.below(2) === 0 ? large() : "short",
  );
}

async function tagDoc(w: BankWriter): Promise<void> {
  await w.must("update docs set tags = $2 where id = $1", w.doc(), w.tags());
}

async function growDoc(w: BankWriter): Promise<void> {
  await w.must(
    "update docs set body = $2 where id = $1",
    w.doc(),
    w.below(2) === 0 ? large() : "tiny",
  );
}

async function dropDoc(w: BankWriter): Promise<void> {
  await w.must("delete from docs where id = $1", w.doc());
}

function large(): string {
  return randomBytes(LARGE_BYTES).toString("base64");
}
