/** An app's pages on the clients' port: what the folder held at the start, and nothing else. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLog } from "../../../src/base/log.js";
import { Health } from "../../../src/ops/health.js";
import { createHttpAnswers } from "../../../src/ops/http-answers.js";
import { readStaticPages } from "../../../src/ops/static-pages.js";
import { VirtualClock } from "../../support/virtual-clock.js";

let folder: string;
let server: Server | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "changecast-pages-"));
  mkdirSync(join(folder, "site", "assets"), { recursive: true });
  writeFileSync(join(folder, "site", "index.html"), "<p>hello</p>");
  writeFileSync(join(folder, "site", "assets", "app.js"), "run()");
  writeFileSync(join(folder, "secret.txt"), "secret");
});

afterEach(async () => {
  await new Promise((resolve) =>
    server === undefined ? resolve(undefined) : server.close(resolve),
  );
  server = undefined;
  rmSync(folder, { recursive: true });
});

async function served(): Promise<string> {
  const pages = readStaticPages(join(folder, "site"));
  const health = new Health(new VirtualClock(), { phase: "serving" } as never);
  server = createServer(createHttpAnswers({ health, log: silentLog, pages }));
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("pages", () => {
  it("are served by their paths, the index at the root, each as what it is", async () => {
    const url = await served();
    const index = await fetch(`${url}/?a=1`);
    expect(await index.text()).toBe("<p>hello</p>");
    expect(index.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(index.headers.get("x-content-type-options")).toBe("nosniff");
    const script = await fetch(`${url}/assets/app.js`);
    expect(script.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
  });

  it.each(["/../secret.txt", "/%2e%2e/secret.txt", "/assets", "/assets/../../secret.txt"])(
    "are nothing but the folder: %s is not there",
    async (path) => {
      expect((await fetch(`${await served()}${path}`)).status).toBe(404);
    },
  );

  it("of a folder that is not there are an error with its name", () => {
    expect(() => readStaticPages(join(folder, "nothing"))).toThrow(
      expect.objectContaining({ code: "CONFIG_PAGES_UNREADABLE" }),
    );
  });
});
