/** What the YAML may say of a Postgres source. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { parsePostgresOptions } from "../../../connectors/postgres/options.js";
import type { PostgresOptions } from "../../../connectors/postgres/options.js";
import type { Problem } from "../../../src/model/problem.js";

const folder = mkdtempSync(join(tmpdir(), "changecast-options-"));

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function good(raw: unknown): PostgresOptions {
  const parsed = parsePostgresOptions(raw);
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.options;
}

function bad(raw: unknown): readonly Problem[] {
  const parsed = parsePostgresOptions(raw);
  return "problems" in parsed ? parsed.problems : [];
}

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

it("takes a URL alone, and fills in the rest", () => {
  const { connection, ...rest } = good({ url: "postgres://me:p%40ss%2Fw@db.example:6543/shop" });
  expect(connection).toMatchObject({ host: "db.example", port: 6543, user: "me" });
  expect(connection).toMatchObject({ database: "shop", tls: { mode: "prefer" } });
  expect(connection.password?.reveal()).toBe("p@ss/w");
  expect(rest).toEqual({
    ...{ slot: "changecast", publication: "changecast" },
    ...{ createSlot: true, createPublication: true },
  });
});

it("lets parts win over the URL", () => {
  const { connection } = good({
    url: "postgresql://me:one@[::1]/shop?sslmode=require",
    ...{ port: "5433", password: "two", database: "other", tls: { mode: "disable" } },
  });
  expect(connection).toMatchObject({ host: "::1", port: 5433, user: "me", database: "other" });
  expect(connection.password?.reveal()).toBe("two");
  expect(connection.tls.mode).toBe("disable");
});

it("takes parts without a URL, as libpq does", () => {
  const { connection } = good({ user: "me" });
  expect(connection).toMatchObject({ host: "localhost", port: 5432, database: "me" });
  expect(connection.password).toBeUndefined();
});

it("reads passwords and certificates from files", () => {
  const passwordFile = fileOf("password", "p@ss\n");
  const { connection } = good({
    ...{ user: "me", passwordFile },
    tls: { mode: "verify-full", ca: fileOf("ca.pem", "CA"), key: fileOf("key.pem", "KEY") },
  });
  expect(connection.password?.reveal()).toBe("p@ss");
  expect(connection.tls).toMatchObject({ mode: "verify-full", ca: "CA" });
  expect(connection.tls.key?.reveal()).toBe("KEY");
  const [missing] = bad({ user: "me", passwordFile: join(folder, "nowhere") });
  expect(missing).toMatchObject({ path: ["passwordFile"] });
});

it("refuses what would only look safe, and checks a signature where an authority is named", () => {
  const ca = fileOf("authority.pem", "CA");
  expect(bad({ user: "me", tls: { ca } }).map(({ path }) => path)).toEqual([["tls", "ca"]]);
  const url = "postgres://me@db/shop?sslmode=require";
  expect(good({ url, tls: { ca } }).connection.tls.mode).toBe("verify-ca");
  const [unused] = bad({ url, tls: { ca, serverName: "db" } });
  expect(unused).toMatchObject({ path: ["tls", "serverName"] });
});

it("tells all mistakes at once, each where it stands", () => {
  const problems = bad({
    ...{ url: "postgres://me@db/shop?target_session_attrs=any", slot: "My-Slot", port: 70_000 },
    ...{ tls: { mode: "sure" }, createSlot: "perhaps", publicaton: "p" },
  });
  const paths = problems.map(({ path }) => path?.join("."));
  expect(paths).toEqual(expect.arrayContaining(["slot", "port", "tls.mode", "createSlot", "url"]));
  expect(problems.some(({ message }) => message.includes("publicaton"))).toBe(true);
});

it("asks for the user where nobody says one", () => {
  expect(bad({ host: "db", database: "shop" })[0]?.message).toContain("user");
  expect(bad({ url: "postgres://db/shop" })[0]?.message).toContain("user");
});

it.each([
  "postgres://me:hunter2@db:99999/shop",
  "mysql://me:hunter2@db/shop",
  "postgres://me:hunter2%@db/shop",
  "postgres://me:hunter2@db/shop?sslmode=sure",
  "hunter2",
])("never shows a password that stands in a wrong URL: %s", (url) => {
  const problems = bad({ url });
  expect(problems.map(({ path }) => path)).toEqual([["url"]]);
  expect(JSON.stringify(problems)).not.toContain("hunter2");
});
