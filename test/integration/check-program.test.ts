/**
 * Goal: `changecast check` tells everything that `changecast run` would refuse, at once, and changes nothing.
 * Method: the program as a child process, on mistakes of every kind beside each other.
 */
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Program, runProgram } from "../support/end-to-end-program.js";
import { freshDatabase } from "../support/postgres-server.js";

let program: Program;

beforeEach(async () => {
  program = await Program.create();
});

afterEach(() => program.close());

function shop(rules: string, options = ""): string {
  const columns = "columns: [{ name: id, type: int }, { name: store, type: int }]";
  return `sources:
  shop:
    connector: scripted
    tables: [{ name: products, key: [id], ${columns} }]
    rows: { products: [{ id: 1, store: 1 }] }
${options}rules:
${rules}`;
}

const inventory = `  - name: inventory
    source: shop
    from: products
    channel: "store:{doc.store}"
`;

interface Checked {
  readonly code: number | null;
  /** `line level path code`, as printed. */
  readonly found: readonly string[];
  readonly said: string;
}

async function check(...more: readonly string[]): Promise<Checked> {
  const { code, out, err } = await runProgram(["check", "-c", program.configFile, ...more]);
  const said = out + err;
  const blocks = said.split("\n\n").filter((block) => /\.yaml:\d+:\d+ /.test(block));
  const found = blocks.map((block) => {
    const [, line, level, path = ""] =
      /\.yaml:(\d+):\d+ (error|warning)(?: at (\S+))?/.exec(block) ?? [];
    return [line, level, path, /\(([A-Z_]+)\)$/m.exec(block)?.[1]].join(" ");
  });
  // Each with what to do about it.
  for (const block of blocks) expect(block).toMatch(/^ {2}→ \S/m);
  return { code, found, said };
}

describe("a check tells at once", () => {
  it("what is wrong with the file and, as far as it is well formed, with its tables", async () => {
    program.write(`jornal: { path: x }
listen: { prot: 1 }
${shop(`${inventory}    feilds: [id]
    where: doc.id ==
  - { name: inventory, source: shop, from: prodcuts, channel: all }
  - { name: third, source: shop, from: products, channel: all, fields: [idd] }
`)}`);
    const { code, found } = await check();
    expect(code).toBe(2);
    expect(found).toEqual([
      "1 error jornal CONFIG_INVALID",
      "2 error listen.prot CONFIG_INVALID",
      "13 error rules[0].feilds CONFIG_INVALID",
      "14 error rules[0].where RULE_EXPRESSION_INVALID",
      "15 error rules[1].name RULE_NAME_TAKEN",
      "15 error rules[1].from RULE_RELATION_UNMATCHED",
      "16 error rules[2].fields[0] RULE_FIELD_UNKNOWN",
    ]);
  });

  it("a key that its connector does not know, with the one that was meant", async () => {
    program.write(`sources:
  shop:
    connector: postgres
    user: me
    slott: mine
    tls: { mod: require }
rules:
  - { name: all, source: shop, from: public.items, channel: all }
`);
    const { code, found, said } = await check("--offline");
    expect(code).toBe(2);
    expect(found).toEqual([
      "5 error sources.shop.slott CONFIG_INVALID",
      "6 error sources.shop.tls.mod CONFIG_INVALID",
    ]);
    expect(said).toContain('Did you mean "slot"?');
    expect(said).toContain('Did you mean "mode"?');
  });

  it("where a file is no YAML", async () => {
    program.write("sources:\n  shop: [1\nrules: 2\n");
    const { code, said } = await check();
    expect(code).toBe(2);
    expect(said).toMatch(/changecast\.yaml:3:\d+ error\n {2}YAML: .*CONFIG_SYNTAX/);
  });

  it("that ports are taken, and that the journal's folder is somebody else's", async () => {
    const taken = await Promise.all([occupy(program.port), occupy(program.opsPort)]);
    try {
      const photos = join(program.folder, "photos");
      mkdirSync(photos);
      writeFileSync(join(photos, "cat.jpg"), "x");
      program.configure(`journal: { path: photos }\n${shop(inventory)}`);
      const { code, found } = await check();
      expect(code).toBe(2);
      expect(found).toEqual([
        "4 error journal.path JOURNAL_FOREIGN",
        "2 error ops.port OPS_LISTEN_FAILED",
        "1 error listen.port BROKER_LISTEN_FAILED",
      ]);
      expect(readdirSync(photos)).toEqual(["cat.jpg"]);
    } finally {
      for (const server of taken) server.close();
    }
  });
});

describe("a check", () => {
  it("makes nothing where all is well", async () => {
    program.configure(shop(inventory));
    expect(await check()).toMatchObject({ code: 0, found: [] });
    expect(existsSync(join(program.folder, "changecast-journal"))).toBe(false);
  });

  it("only warns beside its own service, and knows the journal when that has stopped", async () => {
    program.configure(shop(inventory));
    program.start();
    await program.ready();
    await expect.poll(() => program.metric("changecast_entries_total")).toBe(1);
    const beside = await check();
    expect(beside).toMatchObject({ code: 0, found: ["1 warning journal.path JOURNAL_IN_USE"] });
    await program.stop();
    expect(await check()).toMatchObject({ code: 0, found: [] });
    program.configure(shop(inventory).replaceAll("shop", "store"));
    const { code, found } = await check();
    expect({ code, found }).toEqual({
      code: 2,
      found: ["1 error journal.path JOURNAL_OTHER_SOURCE"],
    });
  });

  it("refuses a slot that another process reads, and knows its own", async () => {
    const database = await freshDatabase(18);
    await database.exec("create table items (id int primary key); insert into items values (1)");
    const postgres = `sources:
  shop: { connector: postgres, url: "${database.url}?sslmode=disable", slot: ${database.database} }
rules:
  - { name: items, source: shop, from: public.items, channel: items }
`;
    program.configure(postgres);
    program.start();
    await program.ready();
    await expect.poll(() => program.metric("changecast_entries_total")).toBe(1);
    const own = await check();
    expect(own.code).toBe(0);
    expect(own.found).toContain("5 warning sources.shop POSTGRES_SLOT_BUSY");
    const types = await runProgram(["types", "-c", program.configFile]);
    expect(types.code).toBe(0);
    expect(types.out).toContain("export interface Items");
    const other = await Program.create(postgres);
    try {
      const { code, out } = await runProgram(["check", "-c", other.configFile]);
      expect(code).toBe(2);
      expect(out).toMatch(/error at sources\.shop\n.*process \d+ \(changecast shop\) reads it/);
      const run = await runProgram(["run", "-c", other.configFile]);
      expect(run.code).toBe(2);
      expect(run.err).toContain("POSTGRES_SLOT_BUSY");
    } finally {
      await other.close();
    }
    await program.stop();
    expect((await check()).code).toBe(0);
    program.configure(postgres.replace(/:\d+\/test/, ":1/test"));
    const away = await check();
    expect(away.code).toBe(2);
    expect(away.found).toContain("5 error sources.shop POSTGRES_UNREACHABLE");
  });
});

async function occupy(port: number) {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}
