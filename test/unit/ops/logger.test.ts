/** What reaches a log: a stable event name, facts as fields, and never a secret. Lines are read back. */
import { describe, expect, it } from "vitest";
import { AppError } from "../../../src/base/errors.js";
import { createLog, type LogLevel } from "../../../src/ops/logger.js";
import { redactText } from "../../../src/ops/redact.js";

function capture(readable = false, level: LogLevel = "info") {
  const lines: string[] = [];
  const log = createLog({ level, readable, write: (line) => lines.push(line) });
  const parsed = (): Record<string, unknown>[] =>
    lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, lines, parsed };
}

describe("the logger", () => {
  it("writes one JSON object per line with the event's name and its fields", () => {
    const { log, lines, parsed } = capture();
    log.child({ source: "shop" }).info("source.stream.opened", { generation: 2 });
    expect(lines[0]?.endsWith("\n")).toBe(true);
    expect(parsed()[0]).toMatchObject({
      level: "info",
      event: "source.stream.opened",
      source: "shop",
      generation: 2,
    });
    expect(parsed()[0]?.["time"]).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it("leaves out what lies below its level", () => {
    const { log, lines } = capture();
    log.debug("pump.batch.read");
    expect(lines).toEqual([]);
  });

  it("writes readable lines for a terminal", () => {
    const { log, lines } = capture(true);
    log.warn("task.failed", { part: "pump", delayMs: 20 });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/WARN.*task\.failed.*"part":"pump"/);
  });

  it("hides passwords, tokens and secrets by name, at any depth", () => {
    const { log, lines } = capture();
    log.info("x", {
      password: "hunter2",
      nested: { jwtSecret: "hunter2", pgPassword: "hunter2", list: [{ token: "hunter2" }] },
      apiKey: "hunter2",
      authorization: "Bearer hunter2",
      key: "[1]",
    });
    expect(lines[0]).not.toContain("hunter2");
    expect(lines[0]).toContain('"key":"[1]"');
  });

  it("hides passwords inside URLs and connection strings, in errors and their causes too", () => {
    const { log, lines } = capture();
    const cause = new Error("connect postgres://me:hunter2@db:5432/shop failed");
    const error = new AppError("CONFIG_INVALID", "host=db password=hunter2 user=me", { cause });
    log.error("process.failed", { error, url: "postgres://me:hun%20ter2@db/shop?x=1" });
    expect(lines[0]).not.toMatch(/hun(%20)?ter2/);
    expect(lines[0]).toContain("CONFIG_INVALID");
    expect(lines[0]).toContain("postgres://me:[hidden]@db/shop?x=1");
  });

  it("hides a quoted password whole", () => {
    expect(redactText("password='two words' user=me")).toBe("password=[hidden] user=me");
  });
});
