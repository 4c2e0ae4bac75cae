/**
 * What the demo's page needs beside Changecast: its files, built into a folder that Changecast serves, and a
 * small API of the shop's own that writes to the database and answers with the position of the write.
 */
import { writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type pg from "pg";
import { build } from "vite";

/** Built scripts stand in dist/demo; the page's sources do not. */
const root = fileURLToPath(new URL("../../demo/page", import.meta.url));

export async function buildPage(folder: string, api: string): Promise<void> {
  await build({
    configFile: false,
    logLevel: "warn",
    root,
    base: "./",
    build: { outDir: folder, emptyOutDir: true, target: "es2022" },
  });
  writeFileSync(join(folder, "demo.json"), JSON.stringify({ api }));
}

const writes: Readonly<Record<string, string>> = {
  "/change": `update public.products set quantity = quantity + 1, updated_at = clock_timestamp()
    where id = (select id from public.products where store_id in (1, 2) and not archived
                order by random() limit 1)
    returning name || ' has ' || quantity as text`,
  "/move": `update public.products set store_id = 3 - store_id, updated_at = clock_timestamp()
    where id = (select id from public.products where store_id in (1, 2) and not archived
                order by random() limit 1)
    returning name || ' moves to store ' || store_id as text`,
};

/** The shop's API. Only pages of this machine call it, and all it does is in the list above. */
export class ShopApi {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(client: pg.Client): Promise<ShopApi> {
    const server = createServer((request, response) => {
      const { origin } = request.headers;
      if (origin !== undefined && !isOfThisMachine(origin)) {
        send(response, 403, { error: `not for pages of ${origin}` });
        return;
      }
      if (origin !== undefined) response.setHeader("access-control-allow-origin", origin);
      const sql = request.method === "POST" ? writes[request.url ?? ""] : undefined;
      if (sql === undefined) {
        send(response, 404, { error: "POST /change or /move" });
        return;
      }
      perform(client, sql).then(
        (answer) => {
          send(response, 200, answer);
        },
        (error: unknown) => {
          send(response, 500, { error: error instanceof Error ? error.message : String(error) });
        },
      );
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return new ShopApi(server);
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function isOfThisMachine(origin: string): boolean {
  return URL.canParse(origin) && ["127.0.0.1", "localhost"].includes(new URL(origin).hostname);
}

/** The position is asked for after the commit: it is at or behind the commit's own end. */
async function perform(client: pg.Client, sql: string): Promise<object> {
  const { rows } = await client.query<{ text: string }>(sql);
  const at = await client.query<{ position: string }>(
    "select pg_current_wal_insert_lsn()::text as position",
  );
  return { text: rows[0]?.text ?? "no product", position: at.rows[0]?.position };
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
