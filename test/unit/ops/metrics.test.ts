/** What operators are promised in METRICS.md is what the page shows, and what is counted adds up there. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Metrics } from "../../../src/ops/metrics.js";

function page(): { readonly metrics: Metrics; readonly text: () => Promise<string> } {
  const metrics = new Metrics();
  metrics.observe({
    logNumber: () => 7,
    parkedCount: () => 2,
    journalBytes: () => 4096,
    sources: () => [
      { source: "shop", ageMs: 1_500 },
      { source: "new", ageMs: undefined },
    ],
    sessionsBehind: () => 1,
  });
  return { metrics, text: () => metrics.metrics() };
}

describe("the numbers page", () => {
  it("has every metric that METRICS.md lists with its kind, and no other of ours", async () => {
    const { metrics, text } = page();
    metrics.broker();
    metrics.pipeline();
    const shown = [...(await text()).matchAll(/^# TYPE (changecast_\w+) (\w+)$/gm)];
    const promised = readFileSync(new URL("../../../src/ops/METRICS.md", import.meta.url), "utf8");
    const listed = [...promised.matchAll(/^\| `(changecast_\w+)` \| (\w+) \|/gm)];
    const named = (found: readonly RegExpMatchArray[]): string[] =>
      found.map(([, name = "", kind = ""]) => `${name} ${kind}`).sort();
    expect(named(shown)).toEqual(named(listed));
  });

  it("shows what is read now, and no age for a source that never was at its head", async () => {
    const text = await page().text();
    expect(text).toMatch(/^changecast_journal_log_number 7$/m);
    expect(text).toMatch(/^changecast_journal_bytes 4096$/m);
    expect(text).toMatch(/^changecast_source_age_seconds\{source="shop"\} 1.5$/m);
    expect(text).not.toContain('source="new"');
  });

  it("adds up what pipeline and broker count", async () => {
    const { metrics, text } = page();
    const pipeline = metrics.pipeline();
    pipeline.transactions("shop", 1, 3);
    pipeline.transactions("shop", 2, 4);
    pipeline.appended(9, 900);
    pipeline.parked("shop", "RULE_CHANNEL_INVALID");
    pipeline.copied("shop", 500);
    const broker = metrics.broker();
    broker.sent(5, 70);
    broker.closed(4000);
    const shown = await text();
    expect(shown).toMatch(/^changecast_source_transactions_total\{source="shop"\} 3$/m);
    expect(shown).toMatch(/^changecast_source_changes_total\{source="shop"\} 7$/m);
    expect(shown).toMatch(/^changecast_entries_total 9$/m);
    expect(shown).toMatch(/^changecast_parked_total\{code="RULE_CHANNEL_INVALID"\} 1$/m);
    expect(shown).toMatch(/^changecast_copied_rows_total\{source="shop"\} 500$/m);
    expect(shown).toMatch(/^changecast_sent_entries_total 5$/m);
    expect(shown).toMatch(/^changecast_sessions_closed_total\{code="4000"\} 1$/m);
  });
});
