/**
 * Goal: the program as a user starts it. Method: `changecast run` as a child process on a scripted source,
 * which begins anew with each start, while the journal stays; clients speak the protocol over real sockets.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { SUBPROTOCOL } from "../../src/protocol/frames.js";
import { Program, runProgram } from "../support/end-to-end-program.js";
import { WireClient } from "../support/wire-client.js";

const columns = ["id, type: int", "store, type: int", "name, type: text"];

const products = `{ name: products, key: [id], columns: [${columns
  .map((column) => `{ name: ${column} }`)
  .join(", ")}] }`;

const rule = `rules:
  - name: inventory
    source: shop
    from: products
    channel: "store:{doc.store}"
    fields: [id, name]
`;

interface Shop {
  readonly rows?: readonly string[];
  readonly script?: readonly string[];
  readonly source?: string;
}

/** Tea and a pot in store 1, a cup in store 2. */
const someRows = [
  "{ id: 1, store: 1, name: tea }",
  "{ id: 2, store: 1, name: pot }",
  "{ id: 3, store: 2, name: cup }",
];

function shop({ rows = someRows, script = [], source = "shop" }: Shop = {}): string {
  return `sources:
  ${source}:
    connector: scripted
    tables: [${products}]
    rows: { products: [${rows.join(", ")}] }
    script: [${script.join(", ")}]
${rule.replace("source: shop", `source: ${source}`)}`;
}

let program: Program;
const sockets: WebSocket[] = [];

beforeEach(async () => {
  program = await Program.create(shop());
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await program.close();
});

interface Joined extends WireClient {
  readonly closed: Promise<number>;
}

/** A client that was welcomed. It never leaves by itself. */
async function join(): Promise<Joined> {
  const socket = new WebSocket(program.url, SUBPROTOCOL);
  sockets.push(socket);
  const client = new WireClient((text) => {
    socket.send(text);
  });
  socket.on("message", (data: Buffer) => {
    client.hear(data.toString());
  });
  socket.on("error", () => undefined);
  const closed = once(socket, "close").then(([code]) => code as number);
  await once(socket, "open");
  client.say({ t: "hello", v: 1 });
  await client.until(() => client.find("welcome").length > 0);
  return Object.assign(client, { closed });
}

/** A client that holds the whole channel. */
async function joinStore(channel = "store:1"): Promise<Joined> {
  const client = await join();
  client.attach([{ channel, from: "start" }]);
  await client.ready(channel);
  return client;
}

async function started(): Promise<void> {
  program.start();
  await program.ready();
}

/** Ended by itself: its code, and everything it said. */
async function refusal(): Promise<{ readonly code: number | null; readonly said: string }> {
  const { code, out, err } = await runProgram(["run", "-c", program.configFile]);
  return { code, said: out + err };
}

describe("a service", () => {
  it("hands rows that were there before it, and what comes after", async () => {
    program.configure(
      shop({
        script: [
          "{ commit: [{ insert: products, row: { id: 4, store: 1, name: jar } }] }",
          "{ commit: [{ update: products, key: [2], set: { store: 2 } }] }",
        ],
      }),
    );
    await started();
    const client = await joinStore();
    await client.until(
      () => client.held("store:1").rows.size === 2 && client.rows("store:1")[4] !== undefined,
    );
    expect(client.rows("store:1")).toEqual({ 1: "tea", 4: "jar" });
    const other = await joinStore("store:2");
    await other.until(() => other.held("store:2").rows.size === 2);
    expect(other.rows("store:2")).toEqual({ 2: "pot", 3: "cup" });
  });

  it("answers health and numbers on the operators' port, and health alone on the clients'", async () => {
    await started();
    const client = await joinStore();
    await client.until(() => client.held("store:1").rows.size === 2);
    expect(JSON.parse(await program.page("/healthz"))).toMatchObject({ status: "alive" });
    await expect
      .poll(async () => JSON.parse(await program.page("/freshz")) as unknown)
      .toMatchObject({
        status: "fresh",
        sources: [{ source: "shop", fresh: true, state: "streaming" }],
      });
    expect(await program.metric("changecast_sessions")).toBe(1);
    expect(await program.metric("changecast_entries_total")).toBe(3);
    expect(await program.metric("changecast_journal_bytes")).toBeGreaterThan(0);
    const clients = `http://127.0.0.1:${String(program.port)}`;
    expect((await fetch(`${clients}/readyz`)).status).toBe(200);
    expect((await fetch(`${clients}/metrics`)).status).toBe(404);
  });

  it("goes on after a kill where it was: a client that comes back gets the difference", async () => {
    await started();
    const before = await joinStore();
    await before.until(() => before.held("store:1").rows.size === 2);
    const place = before.place("store:1");
    await program.kill();
    expect(await before.closed).toBe(1006);
    program.configure(
      shop({ rows: ["{ id: 1, store: 1, name: tea }", "{ id: 5, store: 1, name: mug }"] }),
    );
    await started();
    const after = await join();
    after.channels.set("store:1", before.held("store:1"));
    after.attach([{ channel: "store:1", from: place }]);
    await after.ready("store:1");
    expect(after.held("store:1").how).not.toBe("snapshot");
    await after.until(
      () => after.rows("store:1")[5] === "mug" && after.held("store:1").rows.size === 2,
    );
    expect(after.rows("store:1")).toEqual({ 1: "tea", 5: "mug" });
  });

  it("parks what it cannot map, lists it, and goes on with the rest", async () => {
    const broken = shop({
      script: ["{ commit: [{ insert: products, row: { id: 7, store: 1, name: jar } }] }"],
    }).replace("fields:", `where: doc.id != 2 || int(doc.name) > 0\n    fields:`);
    program.configure(broken);
    await started();
    const client = await joinStore();
    await client.until(() => client.rows("store:1")[7] === "jar");
    expect(client.rows("store:1")).toEqual({ 1: "tea", 7: "jar" });
    expect(await program.metric("changecast_parked_documents")).toBe(1);
    await program.stop();
    const listed = await runProgram(["parked", "--json", "-c", program.configFile]);
    expect(listed).toMatchObject({ code: 0 });
    expect(JSON.parse(listed.out)).toMatchObject({
      ...{ rule: "inventory", relation: "products", identity: "[2]" },
      code: "RULE_EVALUATION_FAILED",
    });
  });

  it("connects again by itself when its source breaks, and clients stay", async () => {
    program.configure(
      shop({
        script: [
          "{ fault: cut by the test }",
          "{ commit: [{ insert: products, row: { id: 8, store: 1, name: urn } }] }",
        ],
      }),
    );
    await started();
    const client = await joinStore();
    await client.until(() => client.rows("store:1")[8] === "urn");
    expect(client.rows("store:1")).toEqual({ 1: "tea", 2: "pot", 8: "urn" });
  });
});

describe("a stop", () => {
  it("asks clients to come back elsewhere, keeps everything, and ends with 0", async () => {
    program.configure(`limits: { drain: 300ms }\n${shop()}`);
    await started();
    const client = await joinStore();
    expect(await program.stop()).toBe(0);
    expect(await client.closed).toBe(4000);
    const said = program.log;
    for (const name of ["service.stopping", "broker.closed", "service.stopped"]) {
      expect(said).toContain(`"event":"${name}"`);
    }
    expect(said.indexOf("broker.closed")).toBeLessThan(said.indexOf("service.stopped"));
  });

  it("is cut short by a second signal", async () => {
    program.configure(`limits: { drain: 10s }\n${shop()}`);
    await started();
    const client = await joinStore();
    const pid = program.pid ?? 0;
    process.kill(pid, "SIGTERM");
    await client.until(() => client.find("goaway").length > 0);
    const begun = performance.now();
    process.kill(pid, "SIGTERM");
    await client.closed;
    expect(performance.now() - begun).toBeLessThan(8_000);
    await program.kill();
    await started();
    expect((await joinStore()).rows("store:1")).toEqual({ 1: "tea", 2: "pot" });
  });

  it("ends a start that is under way", async () => {
    program.start();
    const pid = program.pid ?? 0;
    process.kill(pid, "SIGINT");
    expect([0, null]).toContain(await program.stop());
  });
});

describe("a start is refused with exit code 2 and everything that is wrong", () => {
  it("for unknown keys, with file, line and what was meant", async () => {
    program.configure(`jurnal: { path: x }\n${shop().replace("fields:", "feilds:")}`);
    const { code, said } = await refusal();
    expect(code).toBe(2);
    expect(said).toMatch(/changecast\.yaml:4:1 error at jurnal[^]*journal/);
    expect(said).toMatch(/changecast\.yaml:\d+:\d+ error at rules\[0\]\.feilds[^]*fields/);
    expect(said).toMatch(/2 errors$/m);
  });

  it("for both ports in use and a missing table at once", async () => {
    const taken = [await occupy(program.port), await occupy(program.opsPort)];
    program.configure(shop().replace("from: products", "from: prodcuts"));
    try {
      const { code, said } = await refusal();
      expect(code).toBe(2);
      expect(said).toMatch(/changecast\.yaml:1:\d+ error at listen\.port\n.*another process/);
      expect(said).toMatch(/changecast\.yaml:2:\d+ error at ops\.port\n.*another process/);
      expect(said).toMatch(/error at rules\[0\]\.from\n.*prodcuts.*RULE_RELATION_UNMATCHED/);
      expect(said).toMatch(/3 errors$/m);
    } finally {
      for (const server of taken) server.close();
    }
  });

  it("for the same port twice", async () => {
    program.configure(shop());
    const text = program.configText.replace(String(program.opsPort), String(program.port));
    program.write(text);
    const { code, said } = await refusal();
    expect(code).toBe(2);
    expect(said).toContain("`ops` has the same address");
  });

  it("for a journal of another source, which stays as it was", async () => {
    await started();
    const client = await joinStore();
    await client.until(() => client.held("store:1").rows.size === 2);
    expect(await program.stop()).toBe(0);
    program.configure(shop({ source: "warehouse" }));
    const { code, said } = await refusal();
    expect(code).toBe(2);
    expect(said).toMatch(/it holds the source shop; here are warehouse \(JOURNAL_OTHER_SOURCE\)/);
    program.configure(shop());
    await started();
    expect((await joinStore()).rows("store:1")).toEqual({ 1: "tea", 2: "pot" });
  });

  it("for a journal that another process writes", async () => {
    await started();
    const other = await Program.create(
      `journal: { path: "${program.folder}/changecast-journal" }\n${shop()}`,
    );
    try {
      const { code, out, err } = await runProgram(["run", "-c", other.configFile]);
      expect(code).toBe(2);
      expect(out + err).toMatch(/error at journal\.path\n.*JOURNAL_IN_USE/);
    } finally {
      await other.close();
    }
    expect(await program.metric("changecast_sessions")).toBe(0);
  });

  it("for a file that is not there", async () => {
    const { code, err } = await runProgram(["run", "-c", "/nowhere/changecast.yaml"]);
    expect(code).toBe(2);
    expect(err).toMatch(/CONFIG_UNREADABLE/);
  });
});

describe("types", () => {
  it("are written as TypeScript, of the rules and of what the source shows", async () => {
    const { code, out, err } = await runProgram(["types", "-c", program.configFile]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain(
      "export interface Products {\n  readonly id: number;\n  readonly name: string | null;\n}",
    );
  });

  it("are none where something must be mended, which is told beside them", async () => {
    const other = await Program.create(shop().replace("fields: [id, name]", "fields: [id, nmae]"));
    try {
      const { code, out, err } = await runProgram(["types", "-c", other.configFile]);
      expect([code, out]).toEqual([2, ""]);
      expect(err).toContain("nmae");
    } finally {
      await other.close();
    }
  });
});

async function occupy(port: number): Promise<Server> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}
