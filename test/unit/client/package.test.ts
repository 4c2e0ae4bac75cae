/**
 * Goal: what apps download stays small, holds nothing of the server's, and runs where there is neither Node
 * nor a DOM. Method: a bundler's output, measured after gzip, and run in a bare context.
 */
import { runInNewContext } from "node:vm";
import { DatabaseSync } from "@photostructure/sqlite";
import { beforeAll, describe, expect, it } from "vitest";
import type { Cast, changecast } from "../../../src/client/client.js";
import type { expoSqlite } from "../../../src/client/drivers/expo-sqlite.js";
import type { opSqlite } from "../../../src/client/drivers/op-sqlite.js";
import type { sqliteStore } from "../../../src/client/stores/sqlite-store.js";
import { expoForm, opForm } from "../../contract/native-subject.js";
import { type Bundle, bundle } from "../../support/bundle.js";
import { ScriptedServer } from "../../support/scripted-server.js";

const BUNDLE_MS = 60_000;

describe.each([
  ["the core with its WebSocket", "test/browser/entry-core.ts", 10 * 1024],
  ["with IndexedDB", "test/browser/entry-indexeddb.ts", 16 * 1024],
  ["with SQLite in a worker", "test/browser/entry-sqlite.ts", 12 * 1024],
  ["the worker beside SQLite", "test/browser/entry-sqlite-worker.ts", 13 * 1024],
])("%s", (_, entry, bytesMax) => {
  let made: Bundle;

  beforeAll(async () => {
    made = await bundle(entry);
  }, BUNDLE_MS);

  it("is small after gzip", () => {
    expect(made.gzipBytes).toBeLessThanOrEqual(bytesMax);
  });

  it("holds the client's own files and no other's", () => {
    const strangers = made.modules.filter((path) => {
      return !/^(src\/(base|model|protocol|client)\/|test\/browser\/entry)/.test(path);
    });
    expect(strangers).toEqual([]);
    expect(made.modules).not.toContain("src/protocol/client-frames.ts");
    expect(made.modules).not.toContain("src/client/subscription.ts");
    expect(made.modules).not.toContain("src/client/table.ts");
    expect(made.modules).not.toContain("src/base/error-catalogue.ts");
  });
});

interface NativeClient {
  readonly changecast: typeof changecast;
  readonly expoSqlite: typeof expoSqlite;
  readonly opSqlite: typeof opSqlite;
  readonly sqliteStore: typeof sqliteStore;
}

type Database = InstanceType<typeof DatabaseSync>;

describe("in a context without Node and DOM", () => {
  it.each([
    ["expo-sqlite", (of: NativeClient, database: Database) => of.expoSqlite(expoForm(database))],
    ["op-sqlite", (of: NativeClient, database: Database) => of.opSqlite(opForm(database))],
  ])(
    "the client connects and follows into %s",
    async (_name, driverOf) => {
      const { code } = await bundle("test/browser/entry-native.ts");
      const server = new ScriptedServer();
      // What Hermes and React Native have beside the language itself.
      const native = {
        ...{ setTimeout, clearTimeout, TextEncoder, AbortController, AbortSignal },
        performance: { now: () => performance.now() },
        WebSocket: server.WebSocket,
      };
      const script = code.replace(/export\s*\{([^}]*)\}\s*;?\s*$/, (_, names: string) => {
        const pairs = names.split(",").map((pair) => pair.trim().split(" as ").reverse().join(":"));
        return `({${pairs.join(",")}})`;
      });
      const client = runInNewContext(script, native) as NativeClient;
      const database = new DatabaseSync(":memory:");
      const store = client.sqliteStore(driverOf(client, database));
      const cast: Cast = client.changecast({ url: "ws://test/v1" });
      const sync = cast.sync(store, ["a"]);
      await expect.poll(() => server.sockets.length).toBe(1);
      server.socket.welcome();
      await expect.poll(() => server.socket.all("attach").length).toBe(1);
      server.socket.accept();
      server.socket.say(
        {
          t: "schema",
          table: "rows",
          version: 1,
          kind: "state",
          columns: [{ name: "id", type: "int" }],
          key: ["id"],
        },
        {
          t: "changes",
          channel: "a",
          table: "rows",
          schema: 1,
          base: 0,
          entries: [[1, 1, 0, "i", 7]],
        },
        { t: "commit", at: 1, run: "r1", moved: [["a", 1, 0, 1]], ready: ["a"] },
      );
      await sync.live();
      expect(database.prepare("SELECT * FROM rows").all()).toEqual([{ id: 7 }]);
      await cast.close();
      database.close();
    },
    BUNDLE_MS,
  );
});
