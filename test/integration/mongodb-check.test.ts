/** `check` against a server that asks for a login: the least role, what is missing, what cannot be watched. */
import type { Document } from "mongodb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connector } from "../../connectors/mongodb/connector.js";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { silentLog } from "../../src/base/log.js";
import type { CheckReport } from "../../src/connector/connector.js";
import { startMongodb } from "../support/mongodb-server.js";
import type { MongodbServer } from "../support/mongodb-server.js";

let server: MongodbServer;

beforeAll(async () => {
  server = await startMongodb({ auth: true, exclusive: true });
});

afterAll(() => server.close());

beforeEach(async () => {
  const db = server.client.db("shop");
  await db.dropDatabase();
  await db.createCollection("items");
});

async function check(
  more: Readonly<Record<string, unknown>>,
  from: readonly string[] = ["shop.items"],
): Promise<CheckReport> {
  const parsed = connector.parseOptions({ url: server.url, ...more });
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return connector.check({
    ...{ source: "shop", options: parsed.options, relations: from, fields: () => ["a"] },
    ...{ resume: undefined, clock: systemClock, random: systemRandom, log: silentLog },
    signal: new AbortController().signal,
  });
}

const login = { user: "reader", password: "secret", authSource: "admin" };
const unlogged = (): string => server.url.replace(/\/\/[^@]*@/, "//");

async function grant(privileges: readonly Document[]): Promise<void> {
  const admin = server.client.db("admin");
  await admin.command({ dropUser: "reader" }).catch(() => undefined);
  await admin.command({ dropRole: "changecast" }).catch(() => undefined);
  await admin.command({ createRole: "changecast", privileges, roles: [] });
  await admin.command({ createUser: "reader", pwd: "secret", roles: ["changecast"] });
}

/** The role as `check` prints it, read back. */
function printedPrivileges(cure: string): Document[] {
  const found = /privileges: (\[.*?\])\}\);/.exec(cure)?.[1] ?? "[]";
  return JSON.parse(found.replace(/(resource|actions|db|collection): /g, '"$1": ')) as Document[];
}

describe("privileges", () => {
  test("the role that is printed is enough for one database, and less is not", async () => {
    await grant([{ resource: { db: "shop", collection: "" }, actions: ["find"] }]);
    const poor = await check({ url: unlogged(), ...login });
    const [problem] = poor.problems;
    expect(problem).toMatchObject({ code: "MONGODB_PRIVILEGE_MISSING", level: "error" });
    await grant(printedPrivileges(problem?.cure ?? ""));
    const rich = await check({ url: unlogged(), ...login });
    expect(rich.problems).toEqual([]);
    expect(rich.relations.map(({ name }) => name)).toEqual(["shop.items"]);
  });

  test("so is the one for several databases", async () => {
    const from = ["shop.items", "other.things"];
    await grant([{ resource: { db: "shop", collection: "" }, actions: ["find"] }]);
    const poor = await check({ url: unlogged(), ...login }, from);
    await grant(printedPrivileges(poor.problems[0]?.cure ?? ""));
    const rich = await check({ url: unlogged(), ...login }, from);
    expect(rich.problems).toEqual([]);
  });

  test("a wrong password is told as such, and is nowhere in the words", async () => {
    const { problems } = await check({ url: unlogged(), ...login, password: "wrong-one" });
    expect(problems).toMatchObject([{ code: "MONGODB_LOGIN_REFUSED", level: "error" }]);
    expect(JSON.stringify(problems)).not.toContain("wrong-one");
  });
});

describe("collections", () => {
  test("views and time series that rules name are refused, under a pattern they are told", async () => {
    const db = server.client.db("shop");
    await db.createCollection("times", { timeseries: { timeField: "at" } });
    await db.createCollection("view", { viewOn: "items", pipeline: [] });
    const named = await check({}, ["shop.times", "shop.view"]);
    expect(named.problems).toMatchObject([
      { code: "MONGODB_COLLECTION_UNFIT", level: "error" },
      { code: "MONGODB_COLLECTION_UNFIT", level: "error" },
    ]);
    const matched = await check({}, ["shop.*"]);
    expect(matched.problems.map(({ level }) => level)).toEqual(["warning", "warning"]);
    expect(matched.relations.map(({ name }) => name)).toEqual(["shop.items"]);
  });

  test("what becomes of deletes and updates is told for each", async () => {
    const { notes = [] } = await check({}, ["shop.items", "shop.later"]);
    const text = notes.join("\n");
    expect(text).toContain("shop.items: deletes reach every channel");
    expect(text).toMatch(/shop\.items: (documents|updates)/);
    expect(text).toContain("shop.later does not exist yet");
  });
});

test("a server that nobody started is told with its address, within its bound", async () => {
  const { problems } = await check({
    url: "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300",
  });
  expect(problems).toMatchObject([{ code: "MONGODB_UNREACHABLE", level: "error" }]);
});
