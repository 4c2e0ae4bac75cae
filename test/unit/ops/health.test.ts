/**
 * The three health questions over a real HTTP server on loopback: what each answers, when, and that data
 * ages from the last proof of being at the head, never from the last change.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Clock } from "../../../src/base/clock.js";
import { silentLog } from "../../../src/base/log.js";
import { Health, type SourceFacts } from "../../../src/ops/health.js";
import { createHttpAnswers } from "../../../src/ops/http-answers.js";
import { OpsServer } from "../../../src/ops/ops-server.js";

const START = Date.parse("2026-01-01T00:00:00Z");

let now = START;
const clock: Clock = { now: () => now, monotonic: () => now, after: () => () => undefined };

let reasons: string[] = [];
let sources: SourceFacts[] = [];
let server: OpsServer;
let base = "";

beforeEach(async () => {
  now = START;
  reasons = [];
  sources = [];
  const health = new Health(clock, {
    version: "1.2.3",
    notReady: () => reasons,
    sources: () => sources,
  });
  const metrics = { contentType: "text/plain", metrics: () => Promise.resolve("changecast_x 1\n") };
  server = new OpsServer(createHttpAnswers({ health, metrics, log: silentLog }));
  base = `http://127.0.0.1:${await server.listen({ host: "127.0.0.1", port: 0 })}`;
});

afterEach(() => server.close());

async function get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${base}${path}`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

function source(provenAt: number): SourceFacts {
  return { source: "shop", provenAt, state: "streaming", why: undefined };
}

describe("health", () => {
  it("says that the process lives, with version and uptime, whatever else is wrong", async () => {
    reasons = ["journal: closed"];
    now += 1_500;
    expect(await get("/healthz")).toEqual({
      status: 200,
      body: { status: "alive", version: "1.2.3", uptimeMs: 1_500 },
    });
  });

  it("is ready when nothing speaks against it, and lists what does", async () => {
    expect(await get("/readyz")).toEqual({ status: 200, body: { status: "ready" } });
    reasons = ["stopping"];
    expect(await get("/readyz")).toEqual({
      status: 503,
      body: { status: "not ready", reasons: ["stopping"] },
    });
  });

  it("measures age from the last proof of being at the source's head", async () => {
    sources = [source(START)];
    now += 29_999;
    expect((await get("/freshz")).status).toBe(200);
    now += 2;
    const stale = await get("/freshz");
    expect(stale.status).toBe(503);
    expect(stale.body["sources"]).toEqual([
      {
        source: "shop",
        fresh: false,
        state: "streaming",
        ageMs: 30_001,
        provenAt: "2026-01-01T00:00:00.000Z",
      },
    ]);
  });

  it("takes the caller's bound on age", async () => {
    sources = [source(START)];
    now += 5_000;
    expect((await get("/freshz?ageMsMax=4000")).status).toBe(503);
    expect((await get("/freshz?ageMsMax=6000")).status).toBe(200);
    expect((await get("/freshz?ageMsMax=-1")).status).toBe(400);
    expect((await get("/freshz?ageMsMax=1e9")).status).toBe(400);
  });

  it("calls a source that was never at its head stale and says why", async () => {
    sources = [{ source: "shop", provenAt: 0, state: "connecting", why: "connection refused" }];
    const { status, body } = await get("/freshz");
    expect(status).toBe(503);
    expect(body["sources"]).toEqual([
      {
        source: "shop",
        fresh: false,
        state: "connecting",
        ageMs: null,
        provenAt: null,
        why: "connection refused",
      },
    ]);
  });

  it("is stale when one of several sources is", async () => {
    sources = [source(START), { ...source(START - 60_000), source: "old" }];
    expect((await get("/freshz")).status).toBe(503);
  });
});

describe("the operators' port", () => {
  it("serves metrics in their content type", async () => {
    const response = await fetch(`${base}/metrics`);
    expect(response.headers.get("content-type")).toBe("text/plain");
    expect(await response.text()).toBe("changecast_x 1\n");
  });

  it("refuses to write and what it does not have", async () => {
    expect((await fetch(`${base}/healthz`, { method: "POST" })).status).toBe(405);
    expect((await get("/nothing")).status).toBe(404);
  });

  it("says which address is taken", async () => {
    const port = Number(new URL(base).port);
    const other = new OpsServer(() => undefined);
    await expect(other.listen({ host: "127.0.0.1", port })).rejects.toMatchObject({
      code: "OPS_LISTEN_FAILED",
      message: `opening 127.0.0.1:${port} for operators: another process listens there`,
    });
    await other.close();
  });
});
